import { expect, test } from "vitest";
import { keyWords } from "./modelKeyWords.ts";

test("a key is known by its end, and by what its last test came to", () => {
  expect(keyWords({ last_four: "0001", test_outcome: "works" })).toBe("…0001 works");
  expect(keyWords({ last_four: "0001", test_outcome: "key_refused" })).toBe("…0001 is refused by the provider");
});
