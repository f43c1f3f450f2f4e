import { cleanup, createEvent, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { refuse } from "../api/aProblem.ts";
import { aJob } from "../jobs/aJob.ts";
import { Composer } from "../jobs/Composer.tsx";
import { AttachedFiles } from "./AttachedFiles.tsx";

/** The server as the page sees it. */
let uploads: string[];
/** Lets an upload end; null where all end at once. */
let gate: Promise<void> | null;
let refusal: string | null;

async function answer(address: string, { method = "GET" }: RequestInit = {}): Promise<Response> {
  if (method === "GET") return Response.json({ count: 2, bytes: 1000, job_bytes: 1500, media_types: [] });
  await gate;
  if (refusal !== null) {
    return refuse("unsupported_media_type", refusal);
  }
  const name = new URLSearchParams(address.split("?")[1]).get("name") ?? "";
  uploads.push(name);
  return Response.json({ id: `id of ${name}`, name, media_type: "text/plain", size_bytes: 4, sha256: "" }, { status: 201 });
}

const create = vi.fn<(description: string, attachments: string[]) => Promise<ReturnType<typeof aJob>>>();

beforeEach(() => {
  sessionStorage.clear();
  uploads = [];
  gate = null;
  refusal = null;
  create.mockReset();
  create.mockResolvedValue(aJob());
  vi.stubGlobal("fetch", vi.fn(answer));
  render(
    <Composer label="Words" placeholder="" rows={2} submit="Go" empty="" draft="x" create={create} onCreated={() => {}} />,
  );
  fireEvent.change(screen.getByLabelText("Words"), { target: { value: "A recipe box" } });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const text = (name: string, content = "text") => new File([content], name, { type: "text/plain" });
const choose = (...files: File[]) => fireEvent.change(screen.getByLabelText("Files to attach"), { target: { files } });
const files = () => within(screen.getByRole("list", { name: /Attached files/ }));
const go = () => fireEvent.click(screen.getByRole("button", { name: "Go" }));

test("what is chosen is uploaded, shown, and named by the job", async () => {
  choose(text("a.md"), text("b.md"));
  await screen.findByText("Attached files: 2 of 2 ready");
  expect(files().getAllByRole("listitem").map((item) => item.textContent)).toEqual(["a.md4 BRemove a.md", "b.md4 BRemove b.md"]);
  go();
  await waitFor(() => expect(create).toHaveBeenCalledExactlyOnceWith("A recipe box", ["id of a.md", "id of b.md"]));
  await waitFor(() => expect(screen.queryByRole("list", { name: /Attached files/ })).toBeNull());
});

test("a file is taken off again, and the focus goes to where another can be chosen", async () => {
  choose(text("a.md"), text("b.md"));
  await screen.findByText("Attached files: 2 of 2 ready");
  fireEvent.click(screen.getByRole("button", { name: "Remove a.md" }));
  expect(document.activeElement?.textContent).toBe("Attach files");
  go();
  await waitFor(() => expect(create).toHaveBeenCalledExactlyOnceWith("A recipe box", ["id of b.md"]));
});

test("a file that is too large is said to be so, and is not sent", async () => {
  choose(text("a.md", "x".repeat(1001)), text("b.md"));
  await screen.findByText("Attached files: 1 of 1 ready");
  expect(screen.getByRole("alert").textContent).toContain("“a.md” has 1.0 kB.");
  expect(uploads).toEqual(["b.md"]);
});

test("a file that the server refuses keeps the job from being asked for, until it is removed", async () => {
  refusal = "the file is neither text in UTF-8 nor an image";
  choose(text("a.pdf"));
  await screen.findByText("The file is neither text in UTF-8 nor an image.");
  go();
  expect(screen.getByRole("alert").textContent).toBe("Remove the file that cannot be attached first.");
  expect(create).not.toHaveBeenCalled();
  fireEvent.click(screen.getByRole("button", { name: "Remove a.pdf" }));
  go();
  await waitFor(() => expect(create).toHaveBeenCalledExactlyOnceWith("A recipe box", []));
});

test("a job waits for its files", async () => {
  let open = () => {};
  gate = new Promise((resolve) => (open = resolve));
  choose(text("a.md"));
  await screen.findByText("Uploading…");
  go();
  expect(screen.getByRole("alert").textContent).toBe("Wait a moment: your files are still being uploaded.");
  open();
  await screen.findByText("Attached files: 1 of 1 ready");
  go();
  await waitFor(() => expect(create).toHaveBeenCalledTimes(1));
});

test("files are pasted and dropped", async () => {
  const field = screen.getByLabelText("Words");
  const paste = createEvent.paste(field, { clipboardData: { files: [text("a.md")], getData: () => "" } });
  fireEvent(field, paste);
  expect(paste.defaultPrevented).toBe(true);
  await screen.findByText("Attached files: 1 of 1 ready");
  fireEvent.drop(field, { dataTransfer: { files: [text("b.md")], types: ["Files"] } });
  await screen.findByText("Attached files: 2 of 2 ready");
  expect(uploads).toEqual(["a.md", "b.md"]);
});

test("text that comes with a file is pasted as text", () => {
  const field = screen.getByLabelText("Words");
  const paste = createEvent.paste(field, { clipboardData: { files: [text("a.png")], getData: () => "1\t2" } });
  fireEvent(field, paste);
  expect(paste.defaultPrevented).toBe(false);
  expect(uploads).toEqual([]);
});

test("the files of a job are links, and only an image is shown", () => {
  cleanup();
  const facts = { size_bytes: 2048, sha256: "" };
  const attachments = [
    { number: 1, name: "notes.md", media_type: "text/plain", ...facts },
    { number: 2, name: "sketch.png", media_type: "image/png", ...facts },
  ];
  const { container } = render(<AttachedFiles job={aJob({ id: "j", attachments })} />);
  const links = screen.getAllByRole("link");
  expect(links.map((link) => link.getAttribute("href"))).toEqual(["/api/jobs/j/attachments/1", "/api/jobs/j/attachments/2"]);
  expect(links[0]?.textContent).toBe("notes.md2.0 kB");
  expect([...container.querySelectorAll("img")].map((image) => image.getAttribute("src"))).toEqual([
    "/api/jobs/j/attachments/2",
  ]);
});
