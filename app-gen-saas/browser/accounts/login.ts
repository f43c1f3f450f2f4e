/**
 * A login in place of Supabase, which cannot run here: the endpoints of GoTrue that its own client uses, on loopback,
 * with the same answers. Mails arrive in a list, and GitHub is a page with one button.
 */
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { type Algorithm, makeKey, type SigningKey } from "./signingKey.ts";
import { type Person, Sessions, userOf } from "./sessions.ts";

/** A way to sign in that ends in another request than it began in: a link, or GitHub. */
interface Flow {
  email: string;
  challenge: string;
  redirectTo: string;
}

export interface Mail {
  to: string;
  link: string;
}

interface Asked {
  query: URLSearchParams;
  body: Record<string, unknown>;
  /** The access token that came along. */
  token: string;
}

type Reply = { status: number; body: unknown } | { location: string } | { html: string };

const ok = (body: unknown): Reply => ({ status: 200, body });
const refused = (status: number, code: string, message: string): Reply => ({ status, body: { code, message } });

export class Login {
  readonly url: string;
  readonly sessions: Sessions;
  readonly mails: Mail[] = [];
  /** Who presses the button on GitHub's page. */
  gitHubEmail = "";
  /** How often, and when last, somebody asked which keys there are. */
  readonly keysAsked = { count: 0, at: 0 };
  readonly #site: string;
  #keys: SigningKey[] = [makeKey("ES256")];
  readonly #people: Person[] = [];
  readonly #links = new Map<string, Flow>();
  readonly #gitHub = new Map<string, Flow>();
  readonly #codes = new Map<string, Flow>();
  readonly #server: Server;

  /** `site` is the page, to which alone anybody is sent back. */
  private constructor(url: string, site: string) {
    this.url = url;
    this.#site = site;
    this.sessions = new Sessions(`${url}/auth/v1`, () => this.#key);
    this.#server = createServer((incoming, outgoing) => void this.#serve(incoming, outgoing));
  }

  static async start(url: string, site: string): Promise<Login> {
    const login = new Login(url, site);
    const { port, hostname } = new URL(url);
    await new Promise<void>((resolve, reject) => {
      login.#server.once("error", reject).listen(Number(port), hostname, resolve);
    });
    return login;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  person(name: string, parts: Partial<Person> = {}): Person {
    const id = randomUUID();
    // Other runs may have left people, too.
    const person = { id, email: `${name}-${id.slice(0, 8)}@example.com`, password: `of ${id}`, isOperator: false, ...parts };
    this.#people.push(person);
    return person;
  }

  /** From now on another key signs. The one before it stays published, until the one after. */
  rotate(algorithm: Algorithm): void {
    this.#keys = [makeKey(algorithm), this.#key];
  }

  get #key(): SigningKey {
    const [key] = this.#keys;
    assert.ok(key);
    return key;
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = "GET", headers } = incoming;
    outgoing.setHeader("access-control-allow-origin", "*");
    outgoing.setHeader("access-control-expose-headers", "x-supabase-api-version");
    outgoing.setHeader("x-supabase-api-version", "2024-01-01");
    if (method === "OPTIONS") {
      outgoing.setHeader("access-control-allow-methods", "GET, POST, PUT");
      outgoing.setHeader("access-control-allow-headers", headers["access-control-request-headers"] ?? "");
      return void outgoing.writeHead(204).end();
    }
    const url = new URL(incoming.url ?? "/", this.url);
    const body = method === "POST" ? ((await json(incoming).catch(() => ({}))) as Asked["body"]) : {};
    const token = headers.authorization?.replace(/^Bearer /, "") ?? "";
    const isOfClient = /^\/auth\/v1\/(token|otp|user|logout)$/.test(url.pathname);
    const reply =
      isOfClient && !headers.apikey?.toString().startsWith("sb_publishable_")
        ? refused(401, "no_api_key", "No API key found in request")
        : this.#answer(`${method} ${url.pathname}`, { query: url.searchParams, body, token });
    send(reply, outgoing);
  }

  #answer(what: string, asked: Asked): Reply {
    switch (what) {
      case "GET /auth/v1/.well-known/jwks.json":
        this.keysAsked.count += 1;
        this.keysAsked.at = Date.now();
        return ok({ keys: this.#keys.map(({ published }) => published) });
      case "POST /auth/v1/token":
        return this.#token(asked);
      case "POST /auth/v1/otp":
        return this.#sendLink(asked);
      case "GET /auth/v1/verify":
        return this.#openLink(asked.query);
      case "GET /auth/v1/authorize":
        return this.#goToGitHub(asked.query);
      case "GET /github/authorize":
        return { html: gitHubPage(`/auth/v1/callback?${asked.query}`) };
      case "GET /auth/v1/callback":
        return this.#comeBack(take(this.#gitHub, asked.query.get("state")));
      case "GET /auth/v1/user": {
        const person = this.sessions.personOf(asked.token);
        return person ? ok(userOf(person)) : refused(403, "session_not_found", "Session from session_id claim in JWT does not exist");
      }
      case "POST /auth/v1/logout":
        this.sessions.end(asked.token, asked.query.get("scope") ?? "global");
        return { status: 204, body: undefined };
      default:
        return refused(404, "not_found", `${what} is nothing that this login answers`);
    }
  }

  #token({ query, body }: Asked): Reply {
    switch (query.get("grant_type")) {
      case "password": {
        const person = this.#people.find(({ email, password }) => email === body["email"] && password === body["password"]);
        return person ? ok(this.sessions.start(person)) : refused(400, "invalid_credentials", "Invalid login credentials");
      }
      case "refresh_token": {
        const session = this.sessions.refresh(body["refresh_token"]);
        return session
          ? ok(session)
          : refused(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found");
      }
      case "pkce": {
        const flow = take(this.#codes, body["auth_code"]);
        if (!flow) return refused(404, "flow_state_not_found", "invalid flow state, no valid flow state found");
        const challenge = createHash("sha256").update(String(body["code_verifier"])).digest("base64url");
        if (challenge !== flow.challenge) {
          return refused(400, "bad_code_verifier", "code challenge does not match previously saved code verifier");
        }
        return ok(this.sessions.start(this.#known(flow.email)));
      }
      default:
        return refused(400, "validation_failed", "Unsupported grant_type");
    }
  }

  /** Whoever comes by a link or from GitHub for the first time is a user then. */
  #known(email: string): Person {
    return this.#people.find((person) => person.email === email) ?? this.person("somebody", { email });
  }

  #flow(email: string, method: unknown, challenge: unknown, redirectTo: string | null): Flow | null {
    // Any other method would make the code good for whoever reads it.
    if (method !== "s256" || !challenge) return null;
    const home = `${this.#site}/`;
    return { email, challenge: String(challenge), redirectTo: redirectTo?.startsWith(home) ? redirectTo : home };
  }

  #sendLink({ query, body }: Asked): Reply {
    const email = String(body["email"]);
    const flow = this.#flow(email, body["code_challenge_method"], body["code_challenge"], query.get("redirect_to"));
    if (!flow) return refused(400, "validation_failed", "PKCE flow requires code_challenge_method and code_challenge");
    const token = `pkce_${randomUUID()}`;
    this.#links.set(token, flow);
    const parameters = new URLSearchParams({ token, type: "magiclink", redirect_to: flow.redirectTo });
    this.mails.push({ to: email, link: `${this.url}/auth/v1/verify?${parameters}` });
    return ok({});
  }

  #openLink(query: URLSearchParams): Reply {
    const flow = take(this.#links, query.get("token"));
    if (flow) return this.#comeBack(flow);
    const error = new URLSearchParams({
      error: "access_denied",
      error_code: "otp_expired",
      error_description: "Email link is invalid or has expired",
    });
    return { location: `${this.#site}/?${error}#${error}` };
  }

  #goToGitHub(query: URLSearchParams): Reply {
    const named = (name: string) => query.get(name);
    const flow = this.#flow(this.gitHubEmail, named("code_challenge_method"), named("code_challenge"), named("redirect_to"));
    if (!flow || query.get("provider") !== "github") {
      return refused(400, "validation_failed", "Unsupported provider: provider is not enabled");
    }
    const state = randomUUID();
    this.#gitHub.set(state, flow);
    return { location: `/github/authorize?${new URLSearchParams({ state })}` };
  }

  #comeBack(flow: Flow | null): Reply {
    if (!flow) return refused(400, "bad_oauth_state", "OAuth state is invalid");
    const code = randomUUID();
    this.#codes.set(code, flow);
    const back = new URL(flow.redirectTo);
    back.searchParams.set("code", code);
    return { location: back.href };
  }
}

/** What is there once. */
function take(from: Map<string, Flow>, name: unknown): Flow | null {
  const flow = from.get(String(name)) ?? null;
  from.delete(String(name));
  return flow;
}

function gitHubPage(next: string): string {
  return `<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>Authorize App-Gen</title></head>
  <body><main><h1>Authorize App-Gen</h1><a href="${next}">Authorize</a></main></body>
</html>
`;
}

function send(reply: Reply, outgoing: ServerResponse): void {
  if ("location" in reply) return void outgoing.writeHead(303, { location: reply.location }).end();
  if ("html" in reply) return void outgoing.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(reply.html);
  outgoing.writeHead(reply.status, { "content-type": "application/json" });
  outgoing.end(reply.body === undefined ? undefined : JSON.stringify(reply.body));
}
