/** What GitHub does with the credentials of AWS. zizmor judges the rest of the workflows. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "./support.ts";

const FOLDER = join(ROOT, ".github/workflows");

/** The jobs of all workflows by `file job`, as text without comments. */
const jobs = new Map(
  readdirSync(FOLDER).flatMap((file) => {
    const text = readFileSync(join(FOLDER, file), "utf8").replaceAll(/^\s*#.*\n/gm, "");
    return text
      .split(/^jobs:\n/m)[1]!
      .split(/^(?=  \w+:\n)/m)
      .map((job): [string, string] => [`${file} ${job.trim().split(":")[0]}`, job]);
  }),
);

test("one job can log in to AWS, after the tests and the proof", () => {
  const privileged = [...jobs].filter(([, job]) => job.includes("id-token: write")).map(([name]) => name);
  assert.deepEqual(privileged, ["deploy.yml deploy"]);
  assert.match(jobs.get("deploy.yml deploy") ?? "", /needs: \[validate, tools, prove\]/);
  assert.match(jobs.get("deploy.yml prove") ?? "", /needs: validate\n/);
});

test("that job runs nothing of others: no compiler, no package manager, no application", () => {
  const job = jobs.get("deploy.yml deploy") ?? "";
  for (const foreign of [/\bcargo\b/, /\bnpm\b/, /\bnpx\b/, /\bpip\b/, /\bpython3?\b/, /--setup/, /setup-node/, /cache@/]) {
    assert.doesNotMatch(job, foreign);
  }
  assert.match(job, /xtask build --env "\$ENVIRONMENT" --reuse\n/);
  for (const image of ["orchestrator", "generator"]) {
    assert.match(job, new RegExp(`--image "${image}=\\$REGISTRY/[a-z-]+@\\$${image.toUpperCase()}"`));
  }
});
