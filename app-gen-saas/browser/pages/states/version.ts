/** The states of a version's page. */
import type { FileContent, FileDifference } from "../../../web/src/api/types.ts";
import { answer, heading, missing, press, project, refused, type State, text, unavailable, versions } from "../state.ts";
import type { Api } from "../server.ts";

const [newest, oldest] = versions;
const address = "/#/projects/p/versions/2";

const STORE = `export interface Recipe {
  name: string;
  tags: readonly string[];
  /** For how many guests the amounts are. */
  guests: number;
}
`;

const difference = {
  truncated: false,
  files: [
    {
      path: "src/recipes/store.ts",
      change: "changed",
      language: "typescript",
      added_lines: 2,
      removed_lines: 1,
      patch:
        "@@ -1,4 +1,5 @@\n export interface Recipe {\n   name: string;\n-  tags: string[];\n+  tags: readonly string[];\n+  guests: number;\n }\n",
    },
    { path: "public/logo.png", change: "added", language: null, added_lines: 0, removed_lines: 0, patch: null },
  ] satisfies FileDifference[],
};

const file = (path: string, parts: Partial<FileContent> = {}): FileContent => ({
  path,
  size_bytes: 163,
  executable: false,
  language: "typescript",
  text: STORE,
  truncated: false,
  ...parts,
});

const files = [
  file("package.json", { size_bytes: 812, language: "json" }),
  file("public/logo.png", { size_bytes: 4210, language: null }),
  file("src/recipes/store.ts"),
  file("src/a-component-with-a-rather-long-name/of-which-nobody-knows-where-it-ends/Donaudampfschifffahrt.test.tsx"),
];

/** The newest version, whole. */
export const version: Api = {
  "/api/projects/p": answer(project),
  "/api/projects/p/versions/1": answer(oldest),
  "/api/projects/p/versions/2": answer(newest),
  "/api/projects/p/versions/2/diff": answer(difference),
  "/api/projects/p/versions/2/files": answer({ files }),
  "/api/projects/p/versions/2/file": answer(file("src/recipes/store.ts")),
};

const damaged = refused("changed", "the stored files are not those that the job made");
const inFile = (path: string) => `${address}?file=${encodeURIComponent(path)}`;

export const versionStates: readonly State[] = [
  {
    name: "version-loading",
    address,
    api: { "/api/projects/p": "never", "/api/projects/p/versions/2": "never" },
    ready: text("Loading the version"),
  },
  {
    name: "version-parts-loading",
    address,
    api: { ...version, "/api/projects/p/versions/2/diff": "never", "/api/projects/p/versions/2/files": "never" },
    ready: text("Loading what changed"),
  },
  {
    name: "version-files-loading",
    address,
    api: { ...version, "/api/projects/p/versions/2/files": "never" },
    ready: text("Loading the files"),
  },
  {
    name: "version-changed",
    address: inFile("src/recipes/store.ts"),
    api: version,
    act: async (page) => {
      for (const path of ["src/recipes/store.ts", "public/logo.png"]) {
        await page.locator("summary").filter({ hasText: path }).click();
      }
      await page.getByRole("region", { name: "Text of src/recipes/store.ts" }).waitFor();
    },
    ready: (page) => page.getByRole("region", { name: "Changes of src/recipes/store.ts" }),
  },
  {
    name: "version-unchanged",
    address,
    api: {
      ...version,
      "/api/projects/p/versions/2": answer({ ...newest, kind: "restore", checks: [] }),
      "/api/projects/p/versions/2/diff": answer({ files: [], truncated: false }),
      "/api/projects/p/versions/2/files": answer({ files: [] }),
    },
    ready: text("This version has no files."),
  },
  {
    name: "version-first",
    address: "/#/projects/p/versions/1",
    api: {
      ...version,
      "/api/projects/p/versions/1/diff": answer({ ...difference, truncated: true }),
      "/api/projects/p/versions/1/files": answer({ files }),
    },
    act: press("Go back to this version"),
    ready: text("Its files become version 3."),
  },
  {
    name: "version-file-loading",
    address: inFile("src/recipes/store.ts"),
    api: { ...version, "/api/projects/p/versions/2/file": "never" },
    ready: text(/^Loading the file$/),
  },
  {
    name: "version-file-without-text",
    address: inFile("public/logo.png"),
    api: { ...version, "/api/projects/p/versions/2/file": answer(file("public/logo.png", { text: null, language: null })) },
    ready: text("This file is no text."),
  },
  {
    name: "version-long-file",
    address: inFile("src/recipes/store.ts"),
    api: { ...version, "/api/projects/p/versions/2/file": answer(file("src/recipes/store.ts", { truncated: true })) },
    ready: text("Only the beginning is shown"),
  },
  {
    name: "version-file-not-found",
    address: inFile("gone.ts"),
    api: { ...version, "/api/projects/p/versions/2/file": missing("file") },
    ready: text("This version has no such file."),
  },
  {
    name: "version-parts-failed",
    address,
    api: { ...version, "/api/projects/p/versions/2/diff": damaged, "/api/projects/p/versions/2/files": damaged },
    ready: (page) => page.getByText("The stored files are not those that the job made.").nth(1),
  },
  {
    name: "version-failed",
    address,
    api: { ...version, "/api/projects/p/versions/2": unavailable },
    ready: heading("This version could not be loaded"),
  },
  {
    name: "version-not-found",
    address: "/#/projects/p/versions/7",
    api: { ...version, "/api/projects/p/versions/7": missing("version") },
    ready: heading("There is no such version"),
  },
];
