/** What is being written, kept for this tab so that a reload or a look at another page does not lose it. */

/** Where the description of a new application is kept. */
export const newAppDraft = "app-gen.draft";

/** Where it is kept which template a new application is to begin with. */
export const templateDraft = "app-gen.template";

/** Where it is kept what is to be changed of a project. */
export function changeDraft(projectId: string): string {
  return `${newAppDraft}.${projectId}`;
}

export function loadDraft(key: string): string {
  try {
    return sessionStorage.getItem(key) ?? "";
  } catch {
    // Storage can be forbidden; the draft then lives as long as the form.
    return "";
  }
}

export function saveDraft(key: string, text: string): void {
  try {
    if (text) sessionStorage.setItem(key, text);
    else sessionStorage.removeItem(key);
  } catch {
    // Storage can be forbidden; the draft then lives as long as the form.
  }
}
