import { cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { refuse } from "../api/aProblem.ts";
import type { CreateDelivery, Delivery } from "../api/types.ts";
import { aProject } from "../projects/aProject.ts";
import { aDelivery } from "./aDelivery.ts";
import { Deliveries } from "./Deliveries.tsx";
import { LatestDeliveries } from "./LatestDeliveries.tsx";

let deliveries: Delivery[];
let refusal: string | null;
let sent: { path: string; body: CreateDelivery }[];

async function answer(address: string, { method = "GET", body }: RequestInit = {}): Promise<Response> {
  if (method === "GET") return Response.json({ deliveries });
  sent.push({ path: address, body: JSON.parse(String(body)) as CreateDelivery });
  if (refusal) return refuse("changed", refusal);
  deliveries = [aDelivery({ state: "pending", job_state: "queued", url: null, shown_commit: null })];
  return Response.json(deliveries[0], { status: 201 });
}

beforeEach(() => {
  deliveries = [];
  refusal = null;
  sent = [];
  vi.stubGlobal("fetch", vi.fn(answer));
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

async function open(parts: Parameters<typeof aProject>[0] = {}) {
  render(<Deliveries project={aProject({ id: "p", slug: "plants-12", ...parts })} number={2} />);
  await screen.findByRole("heading", { name: "Where it is" });
  for (const form of document.querySelectorAll("details")) form.open = true;
}

const press = (name: string | RegExp) => fireEvent.click(screen.getByRole("button", { name }));

test("a version is delivered to a repository, and its way is shown", async () => {
  await open();
  await screen.findByText("Version 2 was not delivered anywhere yet.");
  fireEvent.change(screen.getByLabelText("Owner"), { target: { value: " octo " } });
  fireEvent.click(screen.getByLabelText("Ask me before anything outside is changed"));
  press("Deliver");
  await screen.findByText("Waiting");
  expect(sent).toEqual([
    {
      path: "/api/projects/p/versions/2/deliveries",
      body: {
        target: { kind: "github", owner: "octo", repository: "plants-12", public: false, pull_request: false },
        approval: true,
      },
    },
  ]);
  // It can be asked for again once it has ended.
  expect(screen.queryByRole("button", { name: /Deliver again/ })).toBeNull();
});

test("an app on Fly.io has a name, or gets one", async () => {
  await open();
  fireEvent.click(screen.getByLabelText("An app on Fly.io"));
  fireEvent.change(screen.getByLabelText("Region"), { target: { value: "ams" } });
  press("Deliver");
  await screen.findByText("Waiting");
  expect(sent[0]?.body).toEqual({ target: { kind: "fly", region: "ams" }, approval: false });
});

test("what is refused is said beside the button, and nothing is lost", async () => {
  refusal = "another version is on its way to this target";
  await open();
  fireEvent.change(screen.getByLabelText("Repository"), { target: { value: "flowers" } });
  press("Deliver");
  await screen.findByText("Another version is on its way to this target.");
  expect((screen.getByLabelText("Repository") as HTMLInputElement).value).toBe("flowers");
});

test("where it is, what failed and what can be done are shown for each target", async () => {
  deliveries = [
    aDelivery({ id: "a" }),
    aDelivery({
      id: "b",
      target: { kind: "fly", organization: "personal", app: "plants" },
      state: "failed",
      url: null,
      error: "there is no token for this target; set it and deploy",
    }),
    aDelivery({ id: "c", state: "outdated", target: { kind: "github", repository: "old", public: true, pull_request: false } }),
  ];
  await open();
  const items = await screen.findAllByRole("listitem");
  const [there, failed, old] = items.map((item) => within(item));
  expect(there?.getByRole("link", { name: "github.com/octo/plants" }).getAttribute("href")).toBe("https://github.com/octo/plants");
  expect(there?.getByText("Delivered")).toBeTruthy();
  expect(failed?.getByText(/there is no token for this target/)).toBeTruthy();
  expect(failed?.queryByRole("button", { name: /Look whether/ })).toBeNull();
  expect(old?.getByText(/Another version was delivered there since/)).toBeTruthy();
  fireEvent.click(there?.getByRole("button", { name: /Look whether it is there/ }) as HTMLElement);
  await screen.findByText("Waiting");
  expect(sent[0]?.body).toEqual({
    target: { kind: "github", owner: "octo", repository: "plants", public: false, pull_request: false },
    check_only: true,
  });
});

test("when its buttons go, the name of the target has the focus", async () => {
  deliveries = [aDelivery()];
  await open();
  const again = await screen.findByRole("button", { name: /Deliver again/ });
  again.focus();
  fireEvent.click(again);
  await screen.findByText("Waiting");
  expect(document.activeElement?.textContent).toBe("GitHub: octo/plants");
});

test("a delivery that asks leads to where the decision is taken", async () => {
  deliveries = [aDelivery({ state: "pending", job: "j", job_state: "waiting_approval", url: null })];
  await open();
  await screen.findByText("Needs approval");
  expect(screen.getByRole("link", { name: /Decide/ }).getAttribute("href")).toBe("#/jobs/j");
});

test("an archived app is delivered nowhere", async () => {
  deliveries = [aDelivery()];
  await open({ archived: true });
  await screen.findByText("Delivered");
  expect(screen.queryByRole("button")).toBeNull();
  expect(screen.queryByText("Deliver version 2")).toBeNull();
});

test("the app's page links to where it is, and says nothing where it is nowhere", async () => {
  deliveries = [aDelivery({ id: "a" }), aDelivery({ id: "b", state: "outdated" }), aDelivery({ id: "c", state: "failed" })];
  render(<LatestDeliveries projectId="p" />);
  const links = within(await screen.findByRole("list", { name: "Where it is" })).getAllByRole("link");
  expect(links.map((link) => link.getAttribute("href"))).toEqual([
    "https://github.com/octo/plants",
    "#/projects/p/versions/2",
  ]);
});
