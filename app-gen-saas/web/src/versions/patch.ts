/** The hunks of a unified diff, line by line. */

export type PatchLine =
  /** Where the lines after it are. */
  | { kind: "place"; text: string }
  | { kind: "added" | "removed" | "same"; before: number | null; after: number | null; text: string }
  /** About the line before it, such as that it has no newline. */
  | { kind: "note"; text: string };

/** `text` of a line is without its sign. A line that is none of a diff is a note. */
export function parsePatch(patch: string): PatchLine[] {
  let before = 0;
  let after = 0;
  const lines = patch.split("\n");
  // The last newline ends a line, and begins none.
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line): PatchLine => {
    const text = line.slice(1);
    switch (line.charAt(0)) {
      case "@": {
        const place = /^@@ -(\d+)(?:,\d+)? \+(\d+)/.exec(line);
        before = Number(place?.[1] ?? 0);
        after = Number(place?.[2] ?? 0);
        return { kind: "place", text: line };
      }
      case "+":
        return { kind: "added", before: null, after: after++, text };
      case "-":
        return { kind: "removed", before: before++, after: null, text };
      case " ":
        return { kind: "same", before: before++, after: after++, text };
      default:
        return { kind: "note", text: line.replace(/^\\ /, "") };
    }
  });
}
