import { expect, test } from "vitest";
import {
  fleetHref,
  invitationHref,
  jobHref,
  keysHref,
  pageKey,
  parseRoute,
  projectHref,
  teamHref,
  teamsHref,
  templatesHref,
  usageHref,
  versionHref,
} from "./route.ts";

test.each(["", "#", "#/", "#/?from=1"])("%j is the home page", (hash) => {
  expect(parseRoute(hash)).toEqual({ page: "home" });
});

test.each([
  "#/jobs",
  "#/jobs/",
  "#/jobs/a/b",
  "#/jobs/%E0%A4%A",
  "#/projects/",
  "#/projects/a/versions",
  "#/projects/a/versions/0",
  "#/projects/a/versions/x",
  "#/projects/a/versions/1/files",
  "#/teams/a/b",
  "#/invitations",
  "#/keys/a",
  "#/fleet/a",
  "#/constructor/a",
  "#/nowhere",
])("%j is no page", (hash) => {
  expect(parseRoute(hash)).toEqual({ page: "missing" });
});

test("links lead back to what they name, whatever its id or path holds", () => {
  for (const id of ["0193-abc", "a b", "ü/?#%"]) {
    expect(parseRoute(jobHref(id))).toEqual({ page: "job", jobId: id });
    expect(parseRoute(teamHref(id))).toEqual({ page: "team", tenantId: id });
    expect(parseRoute(invitationHref(id))).toEqual({ page: "invitation", token: id });
    expect(parseRoute(projectHref(id))).toEqual({ page: "project", projectId: id, from: null });
    expect(parseRoute(projectHref(id, 3))).toEqual({ page: "project", projectId: id, from: 3 });
    expect(parseRoute(versionHref(id, 2))).toEqual({ page: "version", projectId: id, number: 2, file: null });
    expect(parseRoute(versionHref(id, 2, "src/ü &?#+.ts"))).toMatchObject({ number: 2, file: "src/ü &?#+.ts" });
  }
});

test("templates have a page", () => {
  expect(parseRoute(templatesHref)).toEqual({ page: "templates" });
  expect(parseRoute("#/templates/a")).toEqual({ page: "missing" });
  expect(pageKey(parseRoute(templatesHref))).not.toBe(pageKey(parseRoute("#/")));
});

test("what belongs to an account has pages", () => {
  for (const [href, page] of [[teamsHref, "teams"], [keysHref, "keys"], [fleetHref, "fleet"]] as const) {
    expect(parseRoute(href)).toEqual({ page });
    expect(pageKey(parseRoute(href))).toBe(page);
  }
  expect(pageKey(parseRoute(teamHref("a")))).not.toBe(pageKey(parseRoute(teamHref("b"))));
  expect(pageKey(parseRoute(invitationHref("a")))).not.toBe(pageKey(parseRoute(invitationHref("b"))));
});

test("what is used has a page", () => {
  expect(parseRoute(usageHref)).toEqual({ page: "usage" });
  expect(parseRoute("#/usage/a")).toEqual({ page: "missing" });
});

test("a version to begin with that is no number is none", () => {
  expect(parseRoute("#/projects/a?from=x")).toEqual({ page: "project", projectId: "a", from: null });
});

test("another file is the same page, another version is not", () => {
  const key = (hash: string) => pageKey(parseRoute(hash));
  expect(key(versionHref("a", 1, "x"))).toBe(key(versionHref("a", 1)));
  expect(key(versionHref("a", 2))).not.toBe(key(versionHref("a", 1)));
});
