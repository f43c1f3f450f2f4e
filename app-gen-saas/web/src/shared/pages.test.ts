import { expect, test } from "vitest";
import { extended, type Pages, renewed } from "./pages.ts";

const order = (left: number, right: number) => right - left;
const pages = (items: number[], hasOlder: boolean): Pages<number> => ({ items, hasOlder });

test("a page that comes back short is all there is", () => {
  expect(renewed(null, [3, 2], 2, order)).toEqual(pages([3, 2], true));
  expect(renewed(null, [3], 2, order)).toEqual(pages([3], false));
  expect(renewed(pages([5, 4, 3, 2], true), [5], 2, order)).toEqual(pages([5], false));
});

test("the first page brings what is new, removes what is gone, and leaves older pages alone", () => {
  const known = pages([5, 4, 3, 2], false);
  expect(renewed(known, [6, 5], 2, order)).toEqual(pages([6, 5, 4, 3, 2], false));
  expect(renewed(known, [5, 3], 2, order)).toEqual(pages([5, 3, 2], false));
});

test("an older page is added once, even if the list moved meanwhile", () => {
  expect(extended(pages([5, 4], true), [3, 2], 2, order)).toEqual(pages([5, 4, 3, 2], true));
  expect(extended(pages([5, 4], true), [4, 3], 2, order)).toEqual(pages([5, 4, 3], true));
  expect(extended(pages([5, 4], true), [], 2, order)).toEqual(pages([5, 4], false));
});
