/** The description being written, kept for this tab so that a reload or a look at a job does not lose it. */
const KEY = "app-gen.draft";

export function loadDraft(): string {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    // Storage can be forbidden; the draft then lives as long as the form.
    return "";
  }
}

export function saveDraft(text: string): void {
  try {
    if (text) sessionStorage.setItem(KEY, text);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Storage can be forbidden; the draft then lives as long as the form.
  }
}
