/** Who is signed in at the login: access tokens that end soon, and refresh tokens that are each good once. */
import { randomBytes, randomUUID } from "node:crypto";
import type { SigningKey } from "./signingKey.ts";

export interface Person {
  /** UUID. */
  id: string;
  email: string;
  password: string;
  isOperator: boolean;
}

/** What the client keeps. */
export interface Session {
  access_token: string;
  token_type: "bearer";
  expires_in: number;
  expires_at: number;
  refresh_token: string;
  user: object;
}

interface Open {
  id: string;
  person: Person;
  /** The last one is good; whoever shows the one before it did not hear of the last one, and gets it again. */
  refreshTokens: string[];
}

/** What of a user the login tells its client and writes into tokens. */
function metadataOf(person: Person) {
  return {
    app_metadata: { provider: "email", providers: ["email"], ...(person.isOperator && { app_gen_role: "operator" }) },
    // Users can write this one.
    user_metadata: { app_gen_role: "operator" },
  };
}

export class Sessions {
  /** How long access tokens are good. */
  lifetimeSecs = 3600;
  /** How often somebody got other tokens for a refresh token. */
  refreshes = 0;
  readonly #issuer: string;
  readonly #key: () => SigningKey;
  #open: Open[] = [];
  /** By access token, the id of its session. */
  readonly #issued = new Map<string, string>();

  constructor(issuer: string, key: () => SigningKey) {
    this.#issuer = issuer;
    this.#key = key;
  }

  /** Signs somebody in; the access token is good for `lifetimeSecs`, which may be over. */
  start(person: Person, lifetimeSecs = this.lifetimeSecs): Session {
    const open = { id: randomUUID(), person, refreshTokens: [newToken()] };
    this.#open.push(open);
    return this.#issue(open, lifetimeSecs);
  }

  /** Tokens for a refresh token; null if it is not good. */
  refresh(token: unknown): Session | null {
    const open = this.#open.find(({ refreshTokens }) => refreshTokens.includes(String(token)));
    if (!open) return null;
    const age = open.refreshTokens.length - 1 - open.refreshTokens.indexOf(String(token));
    if (age > 1) {
      // Somebody else has it, too.
      this.#open = this.#open.filter((other) => other !== open);
      return null;
    }
    if (age === 0) open.refreshTokens.push(newToken());
    this.refreshes += 1;
    return this.#issue(open, this.lifetimeSecs);
  }

  /** Whose access token it is, while their session is open. */
  personOf(accessToken: string): Person | null {
    return this.#sessionOf(accessToken)?.person ?? null;
  }

  /** Ends the session of an access token, or all of that person. */
  end(accessToken: string, scope: string): void {
    const ended = this.#sessionOf(accessToken);
    const goesOn = (open: Open): boolean => {
      if (scope === "local") return open !== ended;
      return open.person.id !== ended?.person.id || (scope === "others" && open === ended);
    };
    this.#open = this.#open.filter(goesOn);
  }

  /** Ends all sessions of a person, as whoever looks after the login does. */
  endAll(person: Person): void {
    this.#open = this.#open.filter((open) => open.person.id !== person.id);
  }

  #sessionOf(accessToken: string): Open | undefined {
    const id = this.#issued.get(accessToken);
    return this.#open.find((open) => open.id === id);
  }

  #issue({ id, person, refreshTokens }: Open, lifetimeSecs: number): Session {
    const now = Math.floor(Date.now() / 1000);
    const access_token = this.#key().token({
      iss: this.#issuer,
      sub: person.id,
      aud: "authenticated",
      role: "authenticated",
      iat: now,
      exp: now + lifetimeSecs,
      email: person.email,
      phone: "",
      ...metadataOf(person),
      aal: "aal1",
      session_id: id,
      is_anonymous: false,
      // No two are the same.
      jti: randomUUID(),
    });
    this.#issued.set(access_token, id);
    return {
      access_token,
      token_type: "bearer",
      expires_in: lifetimeSecs,
      expires_at: now + lifetimeSecs,
      refresh_token: refreshTokens.at(-1) ?? "",
      user: userOf(person),
    };
  }
}

/** A user as the login tells its client. */
export function userOf(person: Person): object {
  const { id, email } = person;
  return { id, aud: "authenticated", role: "authenticated", email, phone: "", ...metadataOf(person), is_anonymous: false };
}

function newToken(): string {
  return randomBytes(9).toString("base64url");
}
