import { useEffect, useState } from "react";
import { isGone, listTenants, type Tenant } from "./api.ts";
import { ModelKeys } from "../models/ModelKeys.tsx";
import { Keys } from "./Keys.tsx";
import type { Login } from "./login.ts";
import { chooseTenant, chosenTenant } from "./storage.ts";

/** Who is signed in, in which tenant, and the way out. */
export function AccountBar({ login, email }: { login: Login; email: string }) {
  const [tenants, setTenants] = useState<Tenant[]>([]);
  const chosen = chosenTenant() ?? "";

  useEffect(() => {
    let isOver = false;
    listTenants().then(
      (list) => {
        if (!isOver) setTenants(list);
      },
      (error: unknown) => {
        // They were taken out of it, or it was deleted.
        if (!isOver && chosen !== "" && isGone(error)) change("");
      },
    );
    return () => {
      isOver = true;
    };
  }, [chosen]);

  return (
    <div className="account-bar">
      <span className="account-email">{email}</span>
      {tenants.length > 1 && (
        <select
          className="field"
          aria-label="Team"
          value={chosen}
          onChange={(event) => change(event.target.value)}
        >
          {tenants.map((tenant) => (
            <option key={tenant.id} value={tenant.kind === "personal" ? "" : tenant.id}>
              {tenant.kind === "personal" ? "Personal" : tenant.name}
            </option>
          ))}
        </select>
      )}
      <ModelKeys />
      <Keys />
      <button type="button" className="button" onClick={() => void login.auth.signOut({ scope: "local" })}>
        Sign out
      </button>
      <button type="button" className="button" onClick={() => void login.auth.signOut({ scope: "global" })}>
        Sign out everywhere
      </button>
    </div>
  );
}

/** Nothing of one tenant may stay on the page of another. */
function change(tenant: string): void {
  chooseTenant(tenant === "" ? null : tenant);
  window.location.hash = "";
  window.location.reload();
}
