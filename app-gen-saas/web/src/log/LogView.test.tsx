import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import type { Connection } from "../stream/connection.ts";
import { appendEvents, EMPTY_LOG, type JobLog } from "./jobLog.ts";
import { LogView } from "./LogView.tsx";

afterEach(cleanup);

const live: Connection = { phase: "live", attempt: 0 };

function logOf(count: number): JobLog {
  return appendEvents(
    EMPTY_LOG,
    Array.from({ length: count }, (_, index) => ({
      sequence: index + 1,
      time: "2026-11-21T12:00:00.000Z",
      type: "log" as const,
      body: { level: "info" as const, message: `line ${index + 1}` },
    })),
  );
}

/** The layout a browser would give: 20 px a line, a box of 100 px. */
function layOut(lines: number): HTMLElement {
  const box = screen.getByRole("log");
  Object.defineProperty(box, "scrollHeight", { value: lines * 20, configurable: true });
  Object.defineProperty(box, "clientHeight", { value: 100, configurable: true });
  return box;
}

function renderLog(lines: number) {
  const view = render(<LogView log={logOf(lines)} connection={live} retry={() => {}} />);
  const box = layOut(lines);
  return {
    box,
    grow(count: number) {
      layOut(count);
      view.rerender(<LogView log={logOf(count)} connection={live} retry={() => {}} />);
    },
    scrollTo(top: number) {
      box.scrollTop = top;
      fireEvent.scroll(box);
    },
  };
}

test("the log follows its end, stops when the user scrolls up, and goes on from there", () => {
  const { box, grow, scrollTo } = renderLog(10);
  grow(20);
  expect(box.scrollTop).toBe(400);

  scrollTo(120);
  grow(23);
  expect(box.scrollTop).toBe(120);

  fireEvent.click(screen.getByRole("button", { name: "3 new lines" }));
  expect(box.scrollTop).toBe(460);
  expect(screen.queryByRole("button", { name: /new line|To the end/ })).toBeNull();
  grow(24);
  expect(box.scrollTop).toBe(480);
});

test("scrolling back to the end by hand follows again", () => {
  const { box, grow, scrollTo } = renderLog(20);
  scrollTo(0);
  expect(screen.getByRole("button", { name: "To the end" })).toBeTruthy();
  scrollTo(300);
  grow(21);
  expect(box.scrollTop).toBe(420);
});

test("the log is a live region that the keyboard can scroll", () => {
  renderLog(1);
  const box = screen.getByRole("log", { name: "Job log" });
  expect(box.getAttribute("aria-live")).toBe("polite");
  expect(box.tabIndex).toBe(0);
});

test.each<[Connection, string]>([
  [{ phase: "connecting", attempt: 0 }, "Connecting…"],
  [live, "Live"],
  [{ phase: "reconnecting", attempt: 1 }, "Connection lost, reconnecting…"],
  [{ phase: "waiting", attempt: 2, retryAt: 0 }, "Connection lost"],
  [{ phase: "offline", attempt: 0 }, "You are offline; the log continues when you are back"],
  [{ phase: "ended", attempt: 0 }, "Complete"],
])("the connection %j reads %j", (connection, words) => {
  render(<LogView log={EMPTY_LOG} connection={connection} retry={() => {}} />);
  expect(screen.getByRole("status").textContent).toBe(words);
});

test("a lost connection can be tried at once", () => {
  const retry = vi.fn();
  render(<LogView log={EMPTY_LOG} connection={{ phase: "waiting", attempt: 2, retryAt: Date.now() + 5000 }} retry={retry} />);
  fireEvent.click(screen.getByRole("button", { name: "Try now" }));
  expect(retry).toHaveBeenCalledTimes(1);
});

test("log text is text, never markup", () => {
  const log = appendEvents(EMPTY_LOG, [
    {
      sequence: 1,
      time: "2026-11-21T12:00:00.000Z",
      type: "log",
      body: { level: "error", message: "<img src=x onerror=alert(1)>" },
    },
  ]);
  const { container } = render(<LogView log={log} connection={live} retry={() => {}} />);
  expect(container.querySelector(".log-body img")).toBeNull();
  expect(screen.getByText("<img src=x onerror=alert(1)>")).toBeTruthy();
});
