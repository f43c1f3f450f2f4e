/** How requests say who asks. Where there are no accounts, they say nothing, and nothing here changes anything. */
export type Credentials = () => Promise<Record<string, string>>;

let current: Credentials | null = null;
const listeners = new Set<() => void>();

/** What every request sends from now on; null for nothing. */
export function setCredentials(credentials: Credentials | null): void {
  current = credentials;
}

export function hasCredentials(): boolean {
  return current !== null;
}

/** The headers that say who asks. */
export async function credentialHeaders(): Promise<Record<string, string>> {
  return current === null ? {} : current();
}

/** Calls `listener` whenever the server does not know who asks. Returns what ends that. */
export function onRefused(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The server did not know who asks. */
export function tellRefused(): void {
  for (const listener of listeners) listener();
}
