/** The states of a version's preview. */
import assert from "node:assert/strict";
import type { Preview } from "../../../web/src/api/types.ts";
import { aPreview } from "../../../web/src/previews/aPreview.ts";
import type { Answer, Api } from "../server.ts";
import { answer, begun, ended, heading, jobApi, press, refused, type State, text } from "../state.ts";
import { version } from "./version.ts";

const address = "/#/projects/p/versions/2";
const path = "/api/projects/p/versions/2/preview";

const preview = (parts: Partial<Preview>): Answer =>
  answer(aPreview({ created_at: "2026-11-21T12:28:00.000Z", expires_at: "2026-11-21T12:58:00.000Z", ...parts }));

const over = { state: "ended", url: null, ended_at: "2026-11-21T12:29:00.000Z" } as const;
const starting = { state: "starting", ready_at: null } as const;

/** The application's address has the port of the server, which is another one each time. */
const inFrame: Api = { [path]: (_, { application }) => preview({ url: application }) };

/** A version with its preview, and the words by which that is known to be there. */
function shown(name: string, parts: Partial<Preview>, words: string): State {
  return { name: `preview-${name}`, address, api: { ...version, [path]: preview(parts) }, ready: text(words) };
}

export const previewStates: readonly State[] = [
  {
    name: "preview-never",
    address,
    api: version,
    ready: (page) => page.getByRole("button", { name: "Try this version" }),
  },
  shown("preparing", { ...starting, phase: "pending" }, "Preparing its place…"),
  shown(
    "waiting-for-room",
    { ...starting, phase: "waiting", reason: "the cluster has no room for the task now" },
    "The cluster has no room for the task now",
  ),
  shown("installing", { ...starting, phase: "installing" }, "Installing its packages…"),
  shown("building", { ...starting, phase: "building" }, "Building it…"),
  shown("starting", { ...starting, phase: "starting" }, "Starting it…"),
  {
    name: "preview-ready",
    address,
    api: { ...version, ...inFrame },
    ready: (page) => page.frameLocator("iframe").getByText("Pancakes, for 4 guests"),
  },
  {
    name: "job-preview",
    address: "/#/jobs/j",
    api: { ...jobApi(ended("succeeded", { version: 2 }), begun), ...inFrame },
    ready: (page) => page.frameLocator("iframe").getByText("Pancakes, for 4 guests"),
  },
  shown("over", { ...over, reason: "its time is over" }, "The preview has ended: its time is over."),
  shown("ended", { ...over, reason: "somebody ended it" }, "The preview has ended: somebody ended it."),
  shown("gone", { ...over, reason: "its task is gone" }, "The preview has ended: its task is gone."),
  shown(
    "not-started",
    { ...over, reason: "the application did not start within 300 s; the last step was: building" },
    "the last step was: building",
  ),
  shown(
    "broken",
    {
      ...over,
      reason:
        "npm run build ended with exit code 2:\nsrc/recipes/store.ts(12,7): error TS2322: Type 'string' is not assignable to type 'number'.",
    },
    "npm run build ended with exit code 2",
  ),
  {
    name: "preview-full",
    address,
    api: {
      ...version,
      [`POST ${path}`]: refused(
        "busy",
        "there are 10 previews, as many as there may be; the first of them ends at 2026-11-21T12:34:00.000Z, in 4 min: end one, or try again then",
      ),
    },
    act: press("Try this version"),
    ready: text("in 4 min: end one, or try again then"),
  },
  {
    name: "preview-not-here",
    address,
    api: {
      ...version,
      [path]: refused("changed", "this environment has no previews: preview_host is missing in platform.toml"),
    },
    act: async (page) => {
      // Everything was answered.
      await page.waitForLoadState("networkidle");
      assert.equal(await page.getByRole("heading", { name: "Preview", exact: true }).count(), 0);
    },
    ready: heading("Where it is"),
  },
];
