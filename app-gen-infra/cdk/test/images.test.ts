import assert from "node:assert/strict";
import { test } from "node:test";
import { Annotations, Match } from "aws-cdk-lib/assertions";
import { CONCERNS, createApp, DIGEST, images } from "./support.ts";

const REPOSITORY = "000000000001.dkr.ecr.us-east-1.amazonaws.com/app-gen-saas-app";

/** What is said of the service stack when the orchestrator's image is given like this. */
function faults(image: string | undefined): string[] {
  const { "images.orchestrator": _, ...others } = images("dev");
  const given = createApp("dev", { context: image === undefined ? others : { ...others, "images.orchestrator": image } });
  const errors = (concern: (typeof CONCERNS)[number]) =>
    Annotations.fromStack(given[concern]).findError("*", Match.anyValue()).map((found) => String(found.entry.data));
  for (const concern of CONCERNS.filter((concern) => concern !== "service")) {
    assert.deepEqual(errors(concern), [], `${concern} can be deployed without an image`);
  }
  // The errors are meant; the run that they would fail is not this one.
  process.exitCode = 0;
  return errors("service");
}

test("a digest of the environment's own repository is taken", () => {
  assert.deepEqual(faults(`${REPOSITORY}@${DIGEST}`), []);
});

test("without an image only the service stack cannot be deployed", () => {
  assert.deepEqual(faults(undefined), ["no image is given: add -c images.orchestrator=REPOSITORY@sha256:DIGEST"]);
});

test("a tag is refused", () => {
  assert.deepEqual(faults(`${REPOSITORY}:dev`), [
    `images.orchestrator is \`${REPOSITORY}:dev\`, which does not name an image by digest: REPOSITORY@sha256:DIGEST`,
  ]);
});

test("a repository that the execution role cannot pull from is refused", () => {
  assert.deepEqual(faults(`localhost:5000/app-gen-saas-app@${DIGEST}`), [
    `images.orchestrator is of localhost:5000/app-gen-saas-app, but dev pulls from ${REPOSITORY}`,
  ]);
});
