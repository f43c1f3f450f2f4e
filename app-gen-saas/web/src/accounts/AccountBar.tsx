import { useEffect } from "react";
import { fleetHref, keysHref, modelsHref, teamsHref } from "../app/route.ts";
import { useLoaded } from "../shared/useLoaded.ts";
import { getSession, isGone, listTenants } from "./api.ts";
import type { Login } from "./login.ts";
import { chooseTenant, chosenTenant, enterTenant } from "./storage.ts";

/** Who is signed in, in which team, what belongs to an account, and the way out. */
export function AccountBar({ login, email }: { login: Login; email: string }) {
  const { value: session, error } = useLoaded(getSession, null);
  const { value: tenants } = useLoaded(listTenants, null);
  const chosen = chosenTenant() ?? "";

  // They were taken out of it, or it was deleted.
  const isLost = chosen !== "" && isGone(error);
  useEffect(() => {
    if (!isLost) return;
    chooseTenant(null);
    window.location.reload();
  }, [isLost]);

  return (
    <nav className="account-bar" aria-label="Account">
      <span className="account-email">{email}</span>
      {tenants !== null && tenants.length > 1 && (
        <select
          className="field"
          aria-label="Whose apps"
          value={chosen}
          onChange={(event) => enterTenant(event.target.value || null)}
        >
          {tenants.map((tenant) => (
            <option key={tenant.id} value={tenant.kind === "personal" ? "" : tenant.id}>
              {tenant.kind === "personal" ? "Personal" : tenant.name}
            </option>
          ))}
        </select>
      )}
      <a className="button button-quiet" href={teamsHref}>
        Teams
      </a>
      <a className="button button-quiet" href={keysHref}>
        API keys
      </a>
      <a className="button button-quiet" href={modelsHref}>
        Model keys
      </a>
      {session?.is_operator && (
        <a className="button button-quiet" href={fleetHref}>
          Fleet
        </a>
      )}
      <button type="button" className="button button-quiet" onClick={() => void login.auth.signOut({ scope: "local" })}>
        Sign out
      </button>
      <button type="button" className="button button-quiet" onClick={() => void login.auth.signOut({ scope: "global" })}>
        Sign out everywhere
      </button>
    </nav>
  );
}
