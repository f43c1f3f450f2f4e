/** The login, behind what the page needs of it. It is loaded only where there are accounts. */
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { SESSION_KEY } from "./storage.ts";

export type Login = Pick<SupabaseClient, "auth">;

/** A client that keeps its session, refreshes it, and takes the code of a link or of GitHub from the address. */
export function connect(url: string, anonKey: string): Login {
  return createClient(url, anonKey, {
    auth: {
      // The page's own addresses are behind the #, which the other flow would need.
      flowType: "pkce",
      detectSessionInUrl: true,
      persistSession: true,
      autoRefreshToken: true,
      storageKey: SESSION_KEY,
    },
  });
}
