import type { AccountRoute } from "../app/route.ts";
import { ModelKeysPage } from "../models/ModelKeysPage.tsx";
import { FleetPage } from "./FleetPage.tsx";
import { InvitationPage } from "./InvitationPage.tsx";
import { KeysPage } from "./KeysPage.tsx";
import { TeamPage } from "./TeamPage.tsx";
import { TeamsPage } from "./TeamsPage.tsx";

/** The pages that only accounts need. They are loaded together, and only by who goes to one of them. */
export function AccountPage({ route }: { route: AccountRoute }) {
  switch (route.page) {
    case "teams":
      return <TeamsPage />;
    case "team":
      return <TeamPage tenantId={route.tenantId} />;
    case "invitation":
      return <InvitationPage token={route.token} />;
    case "keys":
      return <KeysPage />;
    case "models":
      return <ModelKeysPage />;
    case "fleet":
      return <FleetPage />;
  }
}
