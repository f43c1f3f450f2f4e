/** cfn-lint on every template for AWS, and on that of the workflow's role. `CFN_LINT_VENV` is a virtual environment with what `requirements.txt` pins. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { app, AWS_ENVIRONMENTS, ROOT, stacks } from "./support.ts";

const environment = process.env["CFN_LINT_VENV"];

test("cfn-lint finds nothing", { skip: environment === undefined && "CFN_LINT_VENV is not set" }, () => {
  const templates = AWS_ENVIRONMENTS.flatMap((name) => {
    const { directory } = app(name).synth();
    return stacks(app(name)).map((stack) => join(directory, stack.templateFile));
  });
  templates.push(join(ROOT, "app-gen-infra/cdk/bootstrap/deploy-role.json"));
  // Through its Python: the script names the folder it was installed in, and that may have moved.
  const [python, script] = ["python", "cfn-lint"].map((program) => join(environment!, "bin", program));
  const result = spawnSync(python!, [script!, "--", ...templates], { encoding: "utf8", timeout: 120_000 });
  assert.deepEqual([result.status, result.stdout, result.stderr], [0, "", ""]);
});
