/**
 * A server for one state of the page at a time: the built page's files, and the answers of the API that the state
 * names. It is real HTTP, so that the page is the one that is deployed; no orchestrator stays in most states for as
 * long as it takes to look at them.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { aProblem } from "../../web/src/api/aProblem.ts";

export interface SentEvent {
  type: string;
  body: object;
}

export type Answer =
  | { body: unknown; status?: number }
  /** A file. */
  | { bytes: Uint8Array; type: string }
  /** The request stays open. */
  | "never"
  /** A stream; it ends with its last event if the job is over. */
  | { events: readonly SentEvent[]; isOver: boolean };

/**
 * By path, without the query; what is no GET has its method before the path ("POST /api/jobs"). What is not named
 * does not exist.
 */
export type Api = Readonly<Record<string, Answer | ((query: URLSearchParams, places: Places) => Answer)>>;

export interface Places {
  /** Of the page, and of a login that answers below `/auth/`. */
  origin: string;
  /** The address of an application that this server has, at an origin of its own. */
  application: string;
}

/** When the first event of each stream happened; the others follow every three seconds. */
const FIRST_EVENT = Date.parse("2026-11-21T12:00:00.000Z");
const EVENT_PAUSE_MS = 3000;

/** What the orchestrator sends with the page (router.rs): what must not come from elsewhere must fail here, too. */
const SECURITY_POLICY =
  "default-src 'self'; img-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; " +
  "object-src 'none'; frame-src http://*.localhost:*";

/** Where the application of a preview is. A browser leads every name below "localhost" to this machine. */
const APPLICATION_HOST = "0a1b2c.preview.localhost";

/** An application in a preview. */
const APPLICATION = `<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>Recipe box</title></head>
  <body><main><h1>Recipe box</h1><p>Pancakes, for 4 guests</p></main></body>
</html>
`;

const KINDS: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

/** The built page: `PAGE`, or what `npm run build` makes. */
export const PAGE = process.env.PAGE ?? fileURLToPath(new URL("../../web/dist", import.meta.url));

export function filesOfPage(): Map<string, Buffer> {
  assert.ok(existsSync(join(PAGE, "index.html")), `no built page in ${resolve(PAGE)}: npm run build in web, or name another in PAGE`);
  const names = readdirSync(PAGE, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => statSync(join(PAGE, name)).isFile());
  return new Map(files.map((name) => [`/${name}`, readFileSync(join(PAGE, name))]));
}

export interface StateServer {
  url: string;
  /** What is answered from now on. */
  show: (api: Api) => void;
  close: () => Promise<void>;
}

export async function startStateServer(): Promise<StateServer> {
  const files = filesOfPage();
  let api: Api = {};
  let port = 0;
  const server = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url ?? "/", "http://page");
    if (incoming.headers.host?.startsWith(APPLICATION_HOST)) return sendApplication(outgoing);
    if (!/^\/(api|auth)\//.test(url.pathname)) return sendFile(files, url.pathname, outgoing);
    const { method = "GET" } = incoming;
    const named = api[method === "GET" ? url.pathname : `${method} ${url.pathname}`];
    const places = { origin: `http://127.0.0.1:${port}`, application: `http://${APPLICATION_HOST}:${port}/` };
    const answer = typeof named === "function" ? named(url.searchParams, places) : named;
    // A body that nobody reads would keep the connection from its next request.
    incoming.resume();
    send(answer, url, incoming, outgoing);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  ({ port } = server.address() as AddressInfo);
  return {
    url: `http://127.0.0.1:${port}`,
    show: (next) => {
      api = next;
    },
    close: () => {
      server.closeAllConnections();
      return new Promise((closed) => server.close(() => closed()));
    },
  };
}

/** As the orchestrator does: every path that is no file is the page's. */
function sendFile(files: ReadonlyMap<string, Buffer>, path: string, outgoing: ServerResponse): void {
  const name = files.has(path) ? path : "/index.html";
  outgoing.writeHead(200, {
    "content-type": KINDS[extname(name)] ?? "application/octet-stream",
    "content-security-policy": SECURITY_POLICY,
  });
  outgoing.end(files.get(name));
}

function sendApplication(outgoing: ServerResponse): void {
  outgoing.writeHead(200, { "content-type": "text/html; charset=utf-8" });
  outgoing.end(APPLICATION);
}

function send(answer: Answer | undefined, url: URL, incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (answer === "never") return;
  if (answer === undefined) return sendJson(outgoing, 404, aProblem("not_found", "there is nothing at this address"));
  if ("events" in answer) return sendEvents(answer.events, answer.isOver, url, incoming, outgoing);
  if ("bytes" in answer) return void outgoing.writeHead(200, { "content-type": answer.type }).end(answer.bytes);
  sendJson(outgoing, answer.status ?? 200, answer.body);
}

function sendJson(outgoing: ServerResponse, status: number, body: unknown): void {
  const kind = status < 400 ? "application/json" : "application/problem+json";
  outgoing.writeHead(status, { "content-type": kind });
  outgoing.end(JSON.stringify(body));
}

function sendEvents(
  events: readonly SentEvent[],
  isOver: boolean,
  url: URL,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): void {
  const after = Number(incoming.headers["last-event-id"] ?? url.searchParams.get("after") ?? 0);
  if (isOver && after >= events.length) return void outgoing.writeHead(204).end();
  outgoing.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  outgoing.flushHeaders();
  for (const [index, { type, body }] of events.entries()) {
    const sequence = index + 1;
    if (sequence <= after) continue;
    const time = new Date(FIRST_EVENT + index * EVENT_PAUSE_MS).toISOString();
    const data = JSON.stringify({ job_id: "j", sequence, time, type, body });
    outgoing.write(`id: ${sequence}\nevent: ${type}\ndata: ${data}\n\n`);
  }
  if (isOver) outgoing.end();
}
