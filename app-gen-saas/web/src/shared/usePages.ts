import { useCallback, useState } from "react";
import { messageOf, PAGE_SIZE } from "../api/client.ts";
import { extended, type Order, type Pages, renewed } from "./pages.ts";
import { POLL, usePolling } from "./usePolling.ts";

export interface LoadedPages<T> {
  /** Null before the first answer. */
  items: readonly T[] | null;
  hasOlder: boolean;
  loadingOlder: boolean;
  /** Why the last call failed, in words for the user; what is held may be old. */
  problem: string | null;
  loadOlder: () => Promise<void>;
  /** Reads the first page again, now. */
  renew: () => void;
}

interface State<T> {
  list: unknown;
  pages: Pages<T> | null;
  problem: string | null;
}

/**
 * A list read page by page. `list` gives the first page, or the one after an item, and must be the same function
 * for the same list. `pauseOf` is how many milliseconds after an answer with these items it is renewed; null, never.
 */
export function usePages<T>(
  list: (after?: T) => Promise<readonly T[]>,
  order: Order<T>,
  pauseOf: (items: readonly T[]) => number | null,
): LoadedPages<T> {
  const [state, setState] = useState<State<T>>({ list, pages: null, problem: null });
  const [loadingOlder, setLoadingOlder] = useState(false);
  const { pages, problem } = state.list === list ? state : { pages: null, problem: null };

  const take = useCallback(
    (next: (known: Pages<T> | null) => Pages<T> | null, failure: string | null) =>
      setState((known) => ({
        list,
        pages: next(known.list === list ? known.pages : null),
        problem: failure,
      })),
    [list],
  );

  const poll = useCallback(async () => {
    try {
      const page = await list();
      take((known) => renewed(known, page, PAGE_SIZE, order), null);
    } catch (error) {
      take((known) => known, messageOf(error));
    }
  }, [list, order, take]);

  const renew = usePolling(poll, problem === null ? pauseOf(pages?.items ?? []) : POLL.failed);

  async function loadOlder(): Promise<void> {
    const last = pages?.items.at(-1);
    if (!last || loadingOlder) return;
    setLoadingOlder(true);
    try {
      const page = await list(last);
      take((known) => known && extended(known, page, PAGE_SIZE, order), null);
    } catch (error) {
      take((known) => known, messageOf(error));
    } finally {
      setLoadingOlder(false);
    }
  }

  return { items: pages?.items ?? null, hasOlder: pages?.hasOlder ?? false, loadingOlder, problem, loadOlder, renew };
}
