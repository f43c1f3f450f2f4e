/** A proxy before the orchestrator whose event streams break on demand, as a network's would. */
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { API_URL } from "./browser.ts";

/** What happens to the next stream: held after so many events until it is cut, refused with 503, or nothing. */
export type Fault = { holdAfter: number } | "refuse";

export interface FaultyProxy {
  url: string;
  /** One for each event stream the page opened: where it asked to go on. */
  streams: { after: string | null; lastEventId: string | undefined }[];
  /**
   * Breaks off the stream that is held. A browser may drop what it has received and not yet
   * handled when a connection breaks, so wait until the page shows the events before.
   */
  cut: () => void;
  close: () => Promise<void>;
}

export async function startFaultyProxy(faults: Fault[]): Promise<FaultyProxy> {
  const streams: FaultyProxy["streams"] = [];
  let held: ServerResponse | undefined;
  const server = createServer((incoming, outgoing) => {
    const url = new URL(API_URL + (incoming.url ?? "/"));
    // Whoever asks when to try again opens no stream.
    const isStream = url.pathname.endsWith("/events") && incoming.headers.accept === "text/event-stream";
    if (!isStream) return forward(incoming, outgoing);
    streams.push({
      after: url.searchParams.get("after"),
      lastEventId: incoming.headers["last-event-id"] as string | undefined,
    });
    const fault = faults.shift() ?? null;
    if (fault === "refuse") return void outgoing.writeHead(503).end();
    if (fault === null) return forward(incoming, outgoing);
    held = outgoing;
    forward(incoming, outgoing, fault.holdAfter);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    streams,
    // Ends the connection, not the answer: the stream is broken.
    cut: () => held?.socket?.end(),
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function forward(incoming: IncomingMessage, outgoing: ServerResponse, holdAfter?: number): void {
  // It asks as a program, because a page of its own address would be a stranger to the orchestrator.
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).filter(([name]) => !/^(host|origin|referer|sec-.*)$/.test(name)),
  );
  const upstream = request(new URL(API_URL + (incoming.url ?? "/")), { method: incoming.method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    if (holdAfter === undefined) return void answer.pipe(outgoing);
    let text = "";
    answer.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      // Keep-alive comments are frames without data.
      const frames = text.split("\n\n").slice(0, -1).filter((frame) => /^data:/m.test(frame));
      if (frames.length < holdAfter) return;
      answer.destroy();
      outgoing.write(frames.slice(0, holdAfter).map((frame) => `${frame}\n\n`).join(""));
    });
  });
  upstream.on("error", () => outgoing.destroy());
  outgoing.on("close", () => upstream.destroy());
  incoming.pipe(upstream);
}
