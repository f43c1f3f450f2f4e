import { expect, test } from "vitest";
import { jobHref, parseRoute } from "./route.ts";

test.each(["", "#", "#/", "#/jobs/", "#/jobs/a/b", "#/jobs/%E0%A4%A"])("%j is the home page", (hash) => {
  expect(parseRoute(hash)).toEqual({ page: "home" });
});

test("a job's link leads back to that job, whatever its id holds", () => {
  for (const jobId of ["0193-abc", "a b", "ü/?#%"]) {
    expect(parseRoute(jobHref(jobId))).toEqual({ page: "job", jobId });
  }
});
