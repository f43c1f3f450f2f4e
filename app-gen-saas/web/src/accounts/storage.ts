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
  return kept(SESSION_KEY) !== null || addressHas("code") || addressHas("error_description");
}

function addressHas(parameter: string): boolean {
  return new URLSearchParams(window.location.search).has(parameter);
}

/**
 * Why a link or GitHub did not sign anybody in; null if it did, or was not used. The login writes that into the
 * address, from which it is taken away, once its client has looked at it.
 */
export function takeRefusal(): string | null {
  const isUnused = addressHas("code");
  const reason = new URLSearchParams(window.location.search).get("error_description");
  if (reason === null && !isUnused) return null;
  window.history.replaceState(null, "", window.location.pathname);
  return reason ?? "The link is good once, and only in the browser in which it was asked for. Ask for another one here.";
}

/** The tenant that was chosen; null for the personal one. */
export function chosenTenant(): string | null {
  return kept(TENANT_KEY);
}

export function chooseTenant(tenant: string | null): void {
  if (tenant === null) window.localStorage.removeItem(TENANT_KEY);
  else window.localStorage.setItem(TENANT_KEY, tenant);
}

/** Goes to the apps of a tenant; null for the personal one. Nothing of one tenant may stay on the page of another. */
export function enterTenant(tenant: string | null): void {
  chooseTenant(tenant);
  window.location.hash = "";
  window.location.reload();
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
