/** The name and the meaning of each job state, in the user's words. */

import type { JobKind } from "../api/types.ts";

export type Tone = "waiting" | "active" | "done" | "bad" | "quiet";

interface Words {
  label: string;
  tone: Tone;
  /** One sentence under the title. */
  sentence: string;
}

const WORDS: Record<string, Words> = {
  queued: { label: "Queued", tone: "waiting", sentence: "Waiting for a free generator." },
  starting: { label: "Starting", tone: "active", sentence: "The generator is starting." },
  running: { label: "Running", tone: "active", sentence: "Your app is being written." },
  waiting_approval: { label: "Needs approval", tone: "waiting", sentence: "It waits for your decision." },
  waiting_limit: { label: "Paused", tone: "waiting", sentence: "The provider’s limit is reached; the job continues by itself." },
  publishing: { label: "Publishing", tone: "active", sentence: "Your app is being packed and stored." },
  succeeded: { label: "Ready", tone: "done", sentence: "Your app is ready." },
  failed: { label: "Failed", tone: "bad", sentence: "This app could not be generated." },
  timed_out: { label: "Timed out", tone: "bad", sentence: "It took too long and was stopped." },
  lost: { label: "Lost", tone: "bad", sentence: "The generator disappeared before it was done." },
  cancelled: { label: "Cancelled", tone: "quiet", sentence: "This job was cancelled." },
};

/** Where it is not a new app that is made. */
const SENTENCES: Record<string, Record<string, string>> = {
  change: {
    running: "Your app is being changed.",
    publishing: "The new version is being packed and stored.",
    succeeded: "The new version is ready.",
    failed: "This change could not be made.",
  },
  restore: {
    queued: "It begins in a moment.",
    starting: "The version is being made the newest one again.",
    succeeded: "The version is the newest one again.",
    failed: "The version could not be made the newest one again.",
  },
  deliver: {
    running: "The version is on its way.",
    succeeded: "The delivery is done.",
    failed: "The version could not be delivered.",
    lost: "The generator disappeared; what is at the target can be looked at, and it can be delivered again.",
  },
};

/** A state this page does not know yet is shown by its own name. */
export function wordsOf(state: string, kind: JobKind = "create"): Words {
  const words = WORDS[state] ?? { label: state.replaceAll("_", " "), tone: "quiet", sentence: "" };
  const sentence = SENTENCES[kind]?.[state];
  return sentence ? { ...words, sentence } : words;
}

const TERMINAL = new Set(["succeeded", "failed", "cancelled", "timed_out", "lost"]);

export function isTerminal(state: string): boolean {
  return TERMINAL.has(state);
}

/** Whether it waits for a person or a limit: no generator works on it. */
export function isWaiting(state: string): boolean {
  return state === "waiting_approval" || state === "waiting_limit";
}

const TITLE_LENGTH = 80;

/** The description's first line, cut at a word. */
export function titleOf(description: string): string {
  const line = description.trim().split(/\r?\n/, 1)[0]?.trim() ?? "";
  const letters = [...line];
  if (letters.length <= TITLE_LENGTH) return line;
  const cut = letters.slice(0, TITLE_LENGTH).join("");
  const word = cut.lastIndexOf(" ");
  return `${(word > TITLE_LENGTH / 2 ? cut.slice(0, word) : cut).replace(/[\s.,;:]+$/, "")}…`;
}
