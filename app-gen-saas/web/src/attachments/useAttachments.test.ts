import { expect, test } from "vitest";
import { nameOf, refusalOf } from "./useAttachments.ts";

const limits = { count: 2, bytes: 1000, job_bytes: 1500, media_types: [] };

test("a file that is empty, too large or one too many is refused by its name", () => {
  expect(refusalOf({ name: "a.txt", size: 0 }, [], limits)).toBe("“a.txt” is empty.");
  expect(refusalOf({ name: "a.txt", size: 1001 }, [], limits)).toBe(
    "“a.txt” has 1.0 kB. A file may have up to 1.0 kB.",
  );
  expect(refusalOf({ name: "a.txt", size: 1 }, [{ size: 1 }, { size: 1 }], limits)).toBe(
    "Up to 2 files can be attached.",
  );
  expect(refusalOf({ name: "a.txt", size: 700 }, [{ size: 900 }], limits)).toBe(
    "With “a.txt” the files have 1.6 kB. Together they may have up to 1.5 kB.",
  );
  expect(refusalOf({ name: "a.txt", size: 600 }, [{ size: 900 }], limits)).toBeNull();
});

test("a long name keeps its end", () => {
  expect(nameOf({ name: " notes.md " })).toBe("notes.md");
  expect(nameOf({ name: "" })).toBe("file");
  const long = nameOf({ name: `${"🍲".repeat(120)}.png` });
  expect([...long]).toHaveLength(100);
  expect(long.startsWith("…🍲") && long.endsWith("🍲.png")).toBe(true);
});
