import { act, cleanup, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { usePolling } from "./usePolling.ts";

let hidden: boolean;
/** Ends the poll that is under way. */
let answer: () => void;
const poll = vi.fn<() => Promise<void>>();

beforeEach(() => {
  hidden = false;
  vi.useFakeTimers();
  vi.spyOn(document, "hidden", "get").mockImplementation(() => hidden);
  poll.mockReset();
  poll.mockImplementation(() => new Promise((resolve) => (answer = resolve)));
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

const answered = () => act(async () => answer());
const passed = (milliseconds: number) => act(async () => void (await vi.advanceTimersByTimeAsync(milliseconds)));

test("it polls at once, and again so long after each answer", async () => {
  renderHook(() => usePolling(poll, 1000));
  await passed(5000);
  expect(poll).toHaveBeenCalledTimes(1);
  await answered();
  await passed(999);
  expect(poll).toHaveBeenCalledTimes(1);
  await passed(1);
  expect(poll).toHaveBeenCalledTimes(2);
});

test("a shorter pause takes effect at once", async () => {
  const { rerender } = renderHook(({ pause }) => usePolling(poll, pause), { initialProps: { pause: 60_000 } });
  await answered();
  rerender({ pause: 1000 });
  await passed(1000);
  expect(poll).toHaveBeenCalledTimes(2);
});

test("without a pause it polls once, whoever looks at the page", async () => {
  renderHook(() => usePolling(poll, null));
  await answered();
  window.dispatchEvent(new Event("focus"));
  await passed(60_000);
  expect(poll).toHaveBeenCalledTimes(1);
});

test("what is asked for while an answer is on its way is asked for after it", async () => {
  const { result } = renderHook(() => usePolling(poll, null));
  result.current();
  result.current();
  expect(poll).toHaveBeenCalledTimes(1);
  await answered();
  expect(poll).toHaveBeenCalledTimes(2);
  await answered();
  expect(poll).toHaveBeenCalledTimes(2);
});

test("a hidden page asks for nothing until it is looked at", async () => {
  hidden = true;
  renderHook(() => usePolling(poll, null));
  await passed(60_000);
  expect(poll).not.toHaveBeenCalled();
  hidden = false;
  document.dispatchEvent(new Event("visibilitychange"));
  expect(poll).toHaveBeenCalledTimes(1);
});

test("a page that is left polls no more", async () => {
  const { unmount } = renderHook(() => usePolling(poll, 1000));
  unmount();
  await answered();
  await passed(60_000);
  expect(poll).toHaveBeenCalledTimes(1);
});
