import { cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { refuse } from "../api/aProblem.ts";
import type { Difference, FileContent, Version, VersionFile } from "../api/types.ts";
import { aProject } from "../projects/aProject.ts";
import { aVersion } from "./aVersion.ts";
import { checkWords } from "./Checks.tsx";
import { VersionPage } from "./VersionPage.tsx";

let version: Version | null;
let difference: Difference | "damaged";
let files: FileContent[];

async function answer(address: string): Promise<Response> {
  const { pathname, searchParams } = new URL(address, "http://server");
  if (pathname === "/api/projects/p") return Response.json(aProject({ id: "p", newest_version: 3 }));
  if (!version) return refuse("not_found", "version not found");
  if (pathname.endsWith("/deliveries")) return Response.json({ deliveries: [] });
  if (pathname.endsWith("/diff")) {
    return difference === "damaged" ? refuse("changed", "the stored files are not those that the job made") : Response.json(difference);
  }
  if (pathname.endsWith("/preview")) return refuse("not_found", "preview not found");
  if (pathname.endsWith("/files")) return Response.json({ files: files satisfies VersionFile[] });
  if (pathname.endsWith("/file")) {
    const file = files.find(({ path }) => path === searchParams.get("path"));
    return file ? Response.json(file) : refuse("not_found", "file not found");
  }
  return Response.json(version);
}

const aFile = (path: string, parts: Partial<FileContent> = {}): FileContent => ({
  path,
  size_bytes: 6,
  executable: false,
  language: "tsx",
  text: "one\n2\n",
  truncated: false,
  ...parts,
});

beforeEach(() => {
  version = aVersion({ number: 2, parent: 1, description: "Add a date" });
  difference = { files: [], truncated: false };
  files = [aFile("src/App.tsx"), aFile("logo.png", { text: null, language: null })];
  vi.stubGlobal("fetch", vi.fn(answer));
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

async function open(file: string | null = null) {
  const page = render(<VersionPage projectId="p" number={2} file={file} />);
  await screen.findByRole("heading", { level: 1, name: (name) => !name.startsWith("Loading") });
  return page;
}

const unfold = (summary: HTMLElement) => {
  const details = summary.closest("details") as HTMLDetailsElement;
  details.open = true;
  fireEvent(details, new Event("toggle"));
};

test("changed lines are told apart by sign and element, not by colour alone", async () => {
  difference = {
    files: [
      {
        path: "src/App.tsx",
        change: "changed",
        language: "tsx",
        added_lines: 1,
        removed_lines: 1,
        patch: "@@ -1,2 +1,2 @@\n one\n-two\n+2\n",
      },
    ],
    truncated: true,
  };
  await open();
  await screen.findByRole("heading", { name: "What changed since version 1" });
  await screen.findByText("1 file, 1 line added, 1 line removed");
  expect(screen.getByText("More files differ than are listed here.")).toBeTruthy();
  expect(screen.queryByRole("region", { name: "Changes of src/App.tsx" })).toBeNull();
  const [change] = screen.getAllByText("src/App.tsx", { selector: "summary *" });
  unfold(change as HTMLElement);
  const patch = within(await screen.findByRole("region", { name: "Changes of src/App.tsx" }));
  expect(patch.getByText("2", { selector: "ins" }).parentElement?.textContent).toBe("2+2");
  expect(patch.getByText("two", { selector: "del" }).parentElement?.textContent).toBe("2−two");
});

test("what cannot be shown is said", async () => {
  difference = {
    files: [{ path: "logo.png", change: "added", language: null, added_lines: 0, removed_lines: 0, patch: null }],
    truncated: false,
  };
  await open();
  await screen.findByText(/It is no text, or too long to be shown here/);
});

test("a version with the same files as the one before says so", async () => {
  await open();
  await screen.findByText("Nothing: both have the same files.");
});

test("the first version is no change of another one", async () => {
  version = aVersion({ number: 2, parent: null });
  await open();
  await screen.findByRole("heading", { name: "What it began with" });
});

test("damaged files are no reason to show nothing else", async () => {
  difference = "damaged";
  await open();
  await screen.findByText("The stored files are not those that the job made.");
  await screen.findByText("App.tsx", { selector: "a *" });
});

test("a part is busy until it is there or cannot be, so that what is below it can wait", async () => {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  vi.stubGlobal(
    "fetch",
    vi.fn(async (address: string) => {
      if (address.endsWith("/diff")) await released;
      return answer(address);
    }),
  );
  difference = "damaged";
  await open();
  const isBusy = () => screen.getByRole("region", { name: "What changed since version 1" }).getAttribute("aria-busy");
  expect(isBusy()).toBe("true");
  release();
  await screen.findByText("The stored files are not those that the job made.");
  expect(isBusy()).toBe("false");
});

test.each<[FileContent, RegExp]>([
  [aFile("logo.png", { text: null }), /This file is no text/],
  [aFile("empty.txt", { text: "" }), /This file is empty/],
  [aFile("long.txt", { truncated: true }), /Only the beginning is shown/],
  [aFile("src/App.tsx"), /one/],
])("%j is shown as what it is", async (file, words) => {
  files = [file];
  await open(file.path);
  await screen.findByText(words);
  expect(document.activeElement?.textContent).toBe(file.path);
  expect(screen.getByRole("link", { current: true }).textContent).toContain(file.path);
});

test("another file is read when it is chosen, and one that does not exist is none", async () => {
  const { rerender } = await open("src/App.tsx");
  await screen.findByRole("region", { name: "Text of src/App.tsx" });
  rerender(<VersionPage projectId="p" number={2} file="gone.ts" />);
  await screen.findByText("This version has no such file.");
  expect(screen.queryByRole("region", { name: "Text of src/App.tsx" })).toBeNull();
});

test("a version that does not exist is said to be none", async () => {
  version = null;
  await open();
  expect(screen.getByRole("heading", { level: 1 }).textContent).toBe("There is no such version");
  expect(screen.getByRole("link", { name: "All versions" }).getAttribute("href")).toBe("#/projects/p");
});

test.each([
  [["passed", "passed"], "2 checks passed"],
  [["passed"], "1 check passed"],
  [["passed", "failed", "skipped"], "1 of 3 checks passed, 1 failed, 1 skipped"],
])("%j are %s", (outcomes, words) => {
  expect(checkWords(outcomes.map((outcome, index) => ({ name: String(index), outcome, seconds: 1 })))).toBe(words);
});
