import { useCallback, useEffect, useLayoutEffect, useRef } from "react";

/**
 * Calls `poll` now, again `pauseMs` after each answer (never, with null), and at once when the page is looked at
 * again or the network changes; not while the page is hidden. Gives a function that polls at once.
 *
 * `poll` must not throw, and be the same function for as long as it asks the same question.
 */
export function usePolling(poll: () => Promise<void>, pauseMs: number | null): () => void {
  const pause = useRef(pauseMs);
  const wake = useRef<() => void>(() => {});
  const start = useRef<() => void>(() => {});

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stopped = false;
    let running = false;
    let again = false;
    let skipped = false;

    function wait(): void {
      clearTimeout(timer);
      if (running || stopped || pause.current === null) return;
      timer = setTimeout(() => void run(), pause.current);
    }

    async function run(): Promise<void> {
      clearTimeout(timer);
      // The answer that is on its way may be older than what happened since it was asked for.
      again = running;
      if (running || stopped) return;
      running = true;
      skipped = document.hidden;
      if (!skipped) await poll();
      running = false;
      if (again) void run();
      else wait();
    }

    wake.current = wait;
    start.current = () => void run();
    const looked = () => {
      if (pause.current !== null || skipped) void run();
    };
    const events = ["online", "offline", "focus"] as const;
    for (const event of events) window.addEventListener(event, looked);
    document.addEventListener("visibilitychange", looked);
    void run();
    return () => {
      stopped = true;
      clearTimeout(timer);
      for (const event of events) window.removeEventListener(event, looked);
      document.removeEventListener("visibilitychange", looked);
    };
  }, [poll]);

  // Together with what is shown of the answer: an event right after it counts.
  useLayoutEffect(() => {
    pause.current = pauseMs;
    wake.current();
  }, [pauseMs]);

  return useCallback(() => start.current(), []);
}

/** Pauses between two polls, in milliseconds. */
export const POLL = {
  /** Something is at work. */
  active: 2000,
  idle: 15_000,
  failed: 4000,
} as const;
