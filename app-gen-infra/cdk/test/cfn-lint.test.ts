/** cfn-lint on every template for AWS; `CFN_LINT` names the program (`requirements.txt` pins it). */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { app, AWS_ENVIRONMENTS, stacks } from "./support.ts";

const program = process.env["CFN_LINT"];

test("cfn-lint finds nothing", { skip: program === undefined && "CFN_LINT is not set" }, () => {
  const templates = AWS_ENVIRONMENTS.flatMap((environment) => {
    const { directory } = app(environment).synth();
    return stacks(app(environment)).map((stack) => join(directory, stack.templateFile));
  });
  const result = spawnSync(program!, ["--", ...templates], { encoding: "utf8", timeout: 120_000 });
  assert.deepEqual([result.status, result.stdout, result.stderr], [0, "", ""]);
});
