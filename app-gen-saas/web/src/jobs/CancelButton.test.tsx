import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { ApiError } from "../api/client.ts";
import { CancelButton } from "./CancelButton.tsx";

afterEach(cleanup);

const press = (name: string) => fireEvent.click(screen.getByRole("button", { name }));

test("it asks before it stops the job", async () => {
  const cancel = vi.fn(async () => {});
  render(<CancelButton cancel={cancel} />);
  press("Cancel");
  expect(cancel).not.toHaveBeenCalled();
  press("Stop it");
  expect(cancel).toHaveBeenCalledTimes(1);
  expect(screen.getByRole("button", { name: "Stopping…" })).toBeTruthy();
});

test.each(["click", "Escape"])("%s leaves the job alone and returns the focus", async (way) => {
  const cancel = vi.fn(async () => {});
  render(<CancelButton cancel={cancel} />);
  press("Cancel");
  if (way === "click") press("Keep going");
  else fireEvent.keyDown(screen.getByRole("button", { name: "Stop it" }), { key: "Escape" });
  const button = screen.getByRole("button", { name: "Cancel" });
  await waitFor(() => expect(document.activeElement).toBe(button));
  expect(cancel).not.toHaveBeenCalled();
});

test("a cancel that fails says why and can be tried again", async () => {
  render(<CancelButton cancel={() => Promise.reject(new ApiError(409, "conflict", "The job is over."))} />);
  press("Cancel");
  press("Stop it");
  await waitFor(() => expect(screen.getByRole("alert").textContent).toBe("The job is over."));
  expect(screen.getByRole("button", { name: "Cancel" })).toBeTruthy();
});
