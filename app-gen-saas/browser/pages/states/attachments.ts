/** The states of files that come along with what is asked. */
import type { Page } from "playwright-core";
import { PNG } from "../../browser.ts";
import type { Api } from "../server.ts";
import { answer, begun, job, jobApi, limits, projectApi, refused, type State, text } from "../state.ts";

const home: Api = { "/api/projects": answer({ projects: [] }) };
const uploaded = { status: 201, body: { id: "f", name: "notes.md", media_type: "text/plain", size_bytes: 32, sha256: "ab12" } };

const notes = { name: "notes.md", mimeType: "text/markdown", buffer: Buffer.from("A recipe has a name and amounts.") };
const sketch = {
  name: "a-sketch-whose-name-is-longer-than-the-place-that-there-is-for-the-name-of-a-file.png",
  mimeType: "image/png",
  buffer: PNG,
};
const binary = { name: "data.bin", mimeType: "application/octet-stream", buffer: Buffer.from([1, 0, 2]) };

const choose =
  (...files: readonly (typeof notes)[]) =>
  async (page: Page) => {
    await page.getByLabel("Describe your app").fill("A recipe box");
    await page.getByLabel("Files to attach").setInputFiles([...files]);
  };

const attachments = [
  { number: 1, name: notes.name, media_type: "text/plain", size_bytes: 2048, sha256: "ab12" },
  { number: 2, name: sketch.name, media_type: "image/png", size_bytes: PNG.length, sha256: "cd34" },
];
const picture: Api = { "/api/jobs/j/attachments/2": { bytes: PNG, type: "image/png" } };
const isDrawn = (page: Page) => page.locator(".attached-file img");

export const attachmentStates: readonly State[] = [
  {
    name: "home-files-chosen",
    address: "/",
    api: { ...home, "POST /api/attachments": uploaded },
    act: choose(notes, sketch),
    ready: text("Attached files: 2 of 2 ready"),
  },
  {
    name: "home-files-uploading",
    address: "/",
    api: { ...home, "POST /api/attachments": "never" },
    act: choose(notes, sketch),
    ready: text("Uploading…"),
  },
  {
    name: "home-file-too-large",
    address: "/",
    api: { ...home, "/api/attachments": answer({ ...limits, bytes: 16_384 }) },
    act: choose({ ...notes, buffer: Buffer.alloc(24_000, "a") }),
    ready: text("A file may have up to 16.4 kB."),
  },
  {
    name: "home-file-of-another-type",
    address: "/",
    api: {
      ...home,
      "POST /api/attachments": refused(
        "unsupported_media_type",
        "the file is neither text in UTF-8 nor an image of type PNG, JPEG, WebP or GIF",
      ),
    },
    act: choose(binary),
    ready: text("The file is neither text in UTF-8"),
  },
  {
    name: "job-files",
    address: "/#/jobs/j",
    api: { ...jobApi(job({ state: "running", attachments }), begun), ...picture },
    ready: isDrawn,
  },
  {
    name: "app-files",
    address: "/#/projects/p",
    api: { ...projectApi({ jobs: [job({ kind: "change", state: "running", attachments })], events: begun }), ...picture },
    ready: isDrawn,
  },
];
