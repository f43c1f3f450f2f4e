/** A list that is read page by page, newest first, and renewed from its beginning. */

export interface Pages<T> {
  items: readonly T[];
  /** Whether the server holds older ones. */
  hasOlder: boolean;
}

/** What is before another one in the list has a negative result, as for `Array.sort`. */
export type Order<T> = (left: T, right: T) => number;

/** The first page, read again: it replaces all items that it covers; those after it are kept. */
export function renewed<T>(known: Pages<T> | null, page: readonly T[], pageSize: number, order: Order<T>): Pages<T> {
  const last = page.at(-1);
  if (!known || !last || page.length < pageSize) return { items: page, hasOlder: page.length >= pageSize };
  const older = known.items.filter((item) => order(last, item) < 0);
  return { items: [...page, ...older], hasOlder: older.length > 0 ? known.hasOlder : true };
}

/** The page after the last known item. */
export function extended<T>(known: Pages<T>, page: readonly T[], pageSize: number, order: Order<T>): Pages<T> {
  const last = known.items.at(-1);
  const older = last ? page.filter((item) => order(last, item) < 0) : page;
  return { items: [...known.items, ...older], hasOlder: page.length >= pageSize };
}
