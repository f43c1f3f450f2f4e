import { beforeEach, expect, test } from "vitest";
import { chosenTenant, chooseTenant, keepPlace, mayBeSignedIn, returnToPlace, SESSION_KEY } from "./storage.ts";

beforeEach(() => {
  localStorage.clear();
  window.location.hash = "";
});

test("the place that one wanted to go to is gone to once", () => {
  window.location.hash = "#/projects/p/versions/2";
  keepPlace();
  window.location.hash = "";
  returnToPlace();
  expect(window.location.hash).toBe("#/projects/p/versions/2");
  window.location.hash = "#/";
  returnToPlace();
  expect(window.location.hash).toBe("#/");
});

test("a tenant is chosen until it is not", () => {
  expect(chosenTenant()).toBeNull();
  chooseTenant("t");
  expect(chosenTenant()).toBe("t");
  chooseTenant(null);
  expect(chosenTenant()).toBeNull();
});

test("a session that is kept says that somebody may be signed in", () => {
  expect(mayBeSignedIn()).toBe(false);
  localStorage.setItem(SESSION_KEY, "kept");
  expect(mayBeSignedIn()).toBe(true);
});
