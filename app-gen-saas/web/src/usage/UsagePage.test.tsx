import { cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { MonthUsage } from "../api/types.ts";
import { aMonth } from "./aMonth.ts";
import { UsagePage } from "./UsagePage.tsx";

/** The server as the page sees it. */
let usage: MonthUsage;
let isAway: boolean;

beforeEach(() => {
  usage = aMonth();
  isAway = false;
  vi.stubGlobal(
    "fetch",
    vi.fn(async (path: string) => {
      expect(path).toBe("/api/usage");
      if (isAway) return Response.json({ code: "unavailable", detail: "the database does not answer" }, { status: 503 });
      return Response.json(usage);
    }),
  );
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

/** The part of the page about something. */
async function part(name: string) {
  const heading = await screen.findByRole("heading", { name });
  return within(heading.closest("li") as HTMLElement);
}

test("what is used is shown against what may be", async () => {
  usage = aMonth({
    jobs: 12,
    jobs_per_day: { used: 3, limit: 20, resets_at: "2026-11-22T00:00:00.000Z" },
    micro_usd_per_month: { used: 4_200_000, limit: 50_000_000, resets_at: "2026-12-01T00:00:00.000Z" },
    storage_bytes: { used: 32_440, limit: 1_000_000_000, resets_at: null },
  });
  render(<UsagePage />);
  expect(await screen.findByRole("heading", { name: "Usage in November 2026" })).toBeTruthy();
  const today = await part("Jobs today");
  expect(today.getByText("3")).toBeTruthy();
  expect(today.getByText(/of 20/)).toBeTruthy();
  expect(today.getByText("12 this month")).toBeTruthy();
  expect(today.getByRole("meter", { name: "Jobs today" }).getAttribute("value")).toBe("3");
  expect((await part("Models this month")).getByText("$4.20")).toBeTruthy();
  expect((await part("Stored files")).getByText("32.4 kB")).toBeTruthy();
  expect(screen.queryByText(/The limit is reached/)).toBeNull();
});

test("a limit that is reached says until when", async () => {
  usage = aMonth({
    queued_jobs: 1,
    jobs_at_once: { used: 2, limit: 2, resets_at: null },
    micro_usd_per_month: { used: 5_100_000, limit: 5_000_000, resets_at: "2026-12-01T00:00:00.000Z" },
  });
  render(<UsagePage />);
  const now = await part("Jobs that run now");
  expect(now.getByText("The limit is reached.")).toBeTruthy();
  expect(now.getByText("1 more waits")).toBeTruthy();
  expect((await part("Models this month")).getByText("The limit is reached until December 1.")).toBeTruthy();
});

test("where there is no limit there is no meter", async () => {
  render(<UsagePage />);
  const today = await part("Jobs today");
  expect(today.getByText(/without a limit/)).toBeTruthy();
  expect(today.queryByRole("meter")).toBeNull();
  expect(screen.getByText("Nothing was used this month.")).toBeTruthy();
});

test("days are listed with what each used", async () => {
  usage = aMonth({
    days: [
      { day: "2026-11-15", jobs: 4, micro_usd: 250_000, task_micro_usd: 20_000 },
      { day: "2026-11-18", jobs: 1, micro_usd: 0, task_micro_usd: 0 },
    ],
  });
  render(<UsagePage />);
  const row = await screen.findByRole("row", { name: /November 15/ });
  expect(within(row).getAllByRole("cell").map((cell) => cell.textContent)).toEqual(["4", "$0.25", "$0.02"]);
  expect(screen.getAllByRole("row")).toHaveLength(3);
});

test("a server that does not answer is asked again", async () => {
  isAway = true;
  render(<UsagePage />);
  expect(await screen.findByText("The database does not answer.")).toBeTruthy();
  isAway = false;
  fireEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByRole("heading", { name: "Usage in November 2026" })).toBeTruthy();
});
