/** What an agent does, in the words of the contract (`app-gen/contract/src/activity.rs`). */

/** A text that was cut in its middle, if it was long. */
export interface Excerpt {
  text: string;
  bytes: number;
}

export type Activity =
  | { activity: "started"; provider: string }
  | { activity: "session"; model: string | null }
  | { activity: "said" | "thought"; text: Excerpt }
  | { activity: "tool_started"; name: string; input: Excerpt }
  | { activity: "tool_ended"; result: Excerpt; is_error: boolean }
  | { activity: "file_changed"; path: string; change: string }
  | { activity: "waiting"; reason: string; delay_millis: number | null }
  | { activity: "rate_limit"; is_rejected: boolean; resets_at: string | null; limit: string | null }
  | { activity: "trouble"; message: Excerpt }
  | { activity: "ended"; is_success: boolean; text: Excerpt }
  /** The gateway's own usage events count; these are what the agent believes. */
  | { activity: "used" }
  | { activity: "noted"; event: string }
  | { activity: "unknown"; line: Excerpt };

export interface Told {
  /** One line. */
  text: string;
  /** More of it, to be unfolded. */
  more: string | null;
  isProblem: boolean;
}

const FOLD_FROM = 160;

/** An activity in words; null for what nobody needs to read. What this page does not know is shown plainly. */
export function tell(what: Activity): Told | null {
  try {
    return tellKnown(what);
  } catch {
    // A newer generator has other fields.
    return plain(what.activity, JSON.stringify(what));
  }
}

function tellKnown(what: Activity): Told | null {
  switch (what.activity) {
    case "used":
    case "noted":
      return null;
    case "started":
      return plain(`started ${what.provider}`);
    case "session":
      return what.model ? plain(`works with ${what.model}`) : null;
    case "said":
      return long("", what.text.text);
    case "thought":
      return { text: "thought", more: what.text.text, isProblem: false };
    case "tool_started":
      return long(`${what.name}: `, what.input.text);
    case "tool_ended":
      if (what.result.text.trim() === "") return what.is_error ? problem("the tool failed") : null;
      return { text: what.is_error ? "the tool failed" : "result", more: what.result.text, isProblem: what.is_error };
    case "file_changed":
      return plain(`${what.change} ${what.path}`);
    case "waiting":
      return problem(`waits before it asks the model again: ${what.reason}`);
    case "rate_limit":
      return what.is_rejected ? problem(`a limit of the provider is reached${until(what.resets_at)}`) : null;
    case "trouble":
      return { ...long("", what.message.text), isProblem: true };
    case "ended":
      return { ...long(what.is_success ? "says that it is done: " : "gave up: ", what.text.text), isProblem: !what.is_success };
    case "unknown":
      return long("", what.line.text);
    default:
      return plain((what as { activity: string }).activity.replaceAll("_", " "), JSON.stringify(what));
  }
}

function until(time: string | null): string {
  return time ? `, until ${time}` : "";
}

function plain(text: string, more: string | null = null): Told {
  return { text, more, isProblem: false };
}

function problem(text: string): Told {
  return { text, more: null, isProblem: true };
}

/** A text of one short line stands alone; of a longer one, the first line does, and all of it can be unfolded. */
function long(before: string, text: string): Told {
  const whole = text.trim();
  const line = whole.split(/\r?\n/, 1)[0] ?? "";
  if (line === whole && whole.length <= FOLD_FROM) return plain(before + whole);
  const letters = [...line];
  const start = letters.length > FOLD_FROM ? `${letters.slice(0, FOLD_FROM).join("")}…` : `${line} …`;
  return plain(before + start, whole);
}
