import { useCallback, useRef, useState } from "react";
import { isRefusal } from "../api/client.ts";
import { POLL, usePolling } from "./usePolling.ts";

export interface Loaded<T> {
  /** The latest answer; it stays when a later call fails. */
  value: T | null;
  /** Why the last call failed. */
  error: unknown;
  reload: () => void;
  /** Takes an answer that came another way, such as that of a change. */
  replace: (value: T) => void;
}

/**
 * What `load` answers, renewed every `pauseMs` (null: it never changes once it is there). What the server refuses
 * is not asked for again by itself; any other failure is. `load` must be the same function for the same question.
 */
export function useLoaded<T>(load: () => Promise<T>, pauseMs: number | null): Loaded<T> {
  const [state, setState] = useState<{ load: typeof load; value: T | null; error: unknown }>({
    load,
    value: null,
    error: null,
  });
  // The answer to an earlier question is none to this one.
  const { value, error } = state.load === load ? state : { value: null, error: null };
  const replaced = useRef(0);

  const poll = useCallback(async () => {
    const before = replaced.current;
    try {
      const answer = await load();
      // What was replaced meanwhile is newer.
      if (replaced.current === before) setState({ load, value: answer, error: null });
    } catch (failure) {
      setState((known) => ({ load, value: known.load === load ? known.value : null, error: failure }));
    }
  }, [load]);

  const pause = error === null ? (value === null ? null : pauseMs) : isRefusal(error) ? null : POLL.failed;
  const reload = usePolling(poll, pause);
  const replace = useCallback(
    (answer: T) => {
      replaced.current += 1;
      setState({ load, value: answer, error: null });
    },
    [load],
  );
  return { value, error, reload, replace };
}
