/** What the browser keeps of an account. */
export const SESSION_KEY = "app-gen.session";
const TENANT_KEY = "app-gen.tenant";
const RETURN_KEY = "app-gen.return";

/** What the browser keeps under this name; nothing where it keeps nothing at all. */
function kept(key: string): string | null {
  try {
    return window.localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Whether somebody signed in here before, or is on the way back from a link or from GitHub. */
export function mayBeSignedIn(): boolean {
  return kept(SESSION_KEY) !== null || new URLSearchParams(window.location.search).has("code");
}

/** The tenant that was chosen; null for the personal one. */
export function chosenTenant(): string | null {
  return kept(TENANT_KEY);
}

export function chooseTenant(tenant: string | null): void {
  if (tenant === null) window.localStorage.removeItem(TENANT_KEY);
  else window.localStorage.setItem(TENANT_KEY, tenant);
}

/** Remembers where the user wanted to go, before another page has the word. */
export function keepPlace(): void {
  window.localStorage.setItem(RETURN_KEY, window.location.hash);
}

/** Goes to where the user wanted to go, once. */
export function returnToPlace(): void {
  const place = kept(RETURN_KEY);
  window.localStorage.removeItem(RETURN_KEY);
  if (place?.startsWith("#") && window.location.hash !== place) window.location.hash = place;
}
