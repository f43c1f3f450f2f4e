/** The name and the meaning of each job state, in the user's words. */

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

/** A state this page does not know yet is shown by its own name. */
export function wordsOf(state: string): Words {
  return WORDS[state] ?? { label: state.replaceAll("_", " "), tone: "quiet", sentence: "" };
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
