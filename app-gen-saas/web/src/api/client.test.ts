import { afterEach, expect, test, vi } from "vitest";
import { aProblem } from "./aProblem.ts";
import { createJob, deleteProject, eventsHref, listJobs, retryAfterMs } from "./client.ts";

function answer(status: number, body: string): void {
  vi.stubGlobal("fetch", vi.fn(async () => new Response(body, { status })));
}

afterEach(() => vi.unstubAllGlobals());

test("a refusal carries the server's own words, as a sentence", async () => {
  answer(400, JSON.stringify(aProblem("invalid_request", "the description is empty")));
  await expect(createJob({ description: "" })).rejects.toMatchObject({
    status: 400,
    code: "invalid_request",
    message: "The description is empty.",
  });
});

test("a job that was asked for without an answer is the same one when it is asked for again", async () => {
  const keys: (string | null)[] = [];
  let isAway = true;
  vi.stubGlobal(
    "fetch",
    vi.fn(async (_: string, init: RequestInit) => {
      keys.push(new Headers(init.headers).get("idempotency-key"));
      if (isAway) throw new TypeError("failed to fetch");
      return Response.json({ id: "0193-job" }, { status: 201 });
    }),
  );
  const ask = (description: string) => createJob({ description });
  await expect(ask("a list")).rejects.toMatchObject({ code: "unreachable" });
  await expect(ask("a shop")).rejects.toMatchObject({ code: "unreachable" });
  await expect(ask("a shop")).rejects.toMatchObject({ code: "unreachable" });
  isAway = false;
  await ask("a shop");
  await ask("a shop");
  const [list, ...shops] = keys;
  expect(list).toMatch(/^[0-9a-f]{32}$/);
  expect(shops[0]).not.toBe(list);
  expect(shops.slice(0, 3)).toEqual([shops[0], shops[0], shops[0]]);
  // What was answered is over: the same words are another job.
  expect(shops[3]).not.toBe(shops[0]);
});

test("a proxy's error page reads as an unreachable server", async () => {
  answer(502, "<html>Bad gateway</html>");
  await expect(listJobs("p")).rejects.toMatchObject({ status: 502, message: "The server can’t be reached." });
});

test("a success that is no JSON is an error, not a crash later", async () => {
  answer(200, "<!doctype html>");
  await expect(listJobs("p")).rejects.toMatchObject({ status: 200, code: "unexpected" });
});

test("no answer at all has status 0", async () => {
  vi.stubGlobal("fetch", vi.fn(async () => Promise.reject(new TypeError("failed to fetch"))));
  await expect(listJobs("p")).rejects.toMatchObject({ status: 0, code: "unreachable" });
});

test("a deletion is answered with nothing", async () => {
  vi.stubGlobal("fetch", vi.fn(async () => new Response(null, { status: 204 })));
  await expect(deleteProject("p")).resolves.toBeUndefined();
});

test("a refusal may name a pause", async () => {
  const refuse = (headers: Record<string, string>) =>
    vi.stubGlobal("fetch", vi.fn(async () => new Response(null, { status: 503, headers })));
  refuse({ "retry-after": "7" });
  await expect(retryAfterMs("/x")).resolves.toBe(7000);
  expect(fetch).toHaveBeenCalledWith("/x", expect.objectContaining({ method: "HEAD" }));
  for (const headers of [{}, { "retry-after": "soon" }, { "retry-after": "-1" }]) {
    refuse(headers as Record<string, string>);
    await expect(retryAfterMs("/x")).resolves.toBeNull();
  }
  vi.stubGlobal("fetch", vi.fn(async () => Promise.reject(new TypeError("failed to fetch"))));
  await expect(retryAfterMs("/x")).resolves.toBeNull();
});

test("addresses escape the job id and name the resume point", () => {
  expect(eventsHref("a/b", 7)).toBe("/api/jobs/a%2Fb/events?after=7");
});
