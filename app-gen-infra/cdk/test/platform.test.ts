import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loadPlatform, MANIFEST_PATH, type Platform, requiredSecretKeys } from "../lib/platform.ts";
import { targetFor } from "../lib/target.ts";

/** The committed manifest with one passage replaced. */
function changed(from: string, to: string): Platform {
  const text = readFileSync(MANIFEST_PATH, "utf8");
  assert.ok(text.includes(from), `the manifest has no ${from}`);
  const path = join(mkdtempSync(join(tmpdir(), "app-gen-cdk-")), "platform.toml");
  writeFileSync(path, text.replace(from, to));
  return loadPlatform(path);
}

test("the committed manifest is read whole", () => {
  const platform = loadPlatform();
  assert.equal(platform.images["orchestrator"]?.repository, "app-gen-saas-app");
  assert.equal(platform.orchestrator.port, 5013);
  assert.equal(platform.orchestrator.desiredTasks, 1);
  assert.deepEqual(platform.generator.size["prod"], { cpuUnits: 4096, memoryMib: 8192 });
  assert.equal(platform.environments["prod"]?.protected, true);
  assert.equal(platform.environments["dev"]?.protected, false);
  assert.equal(platform.environments["local"]?.account, undefined);
});

test("a fault names its key", () => {
  const generatorName = '[secrets.generator]\nname = "app-gen-saas/generator"';
  for (const [from, to, message] of [
    ['owner = "app-gen"\n', "", "`owner` must be a string and is missing"],
    ["port = 5013", 'port = "5013"', "`services.orchestrator.port` must be a number and is something else"],
    ["desired_tasks = 1", "desired_tasks = []", "`services.orchestrator.desired_tasks` must be a number and is something else"],
    ["protected = true", "protected = 1", "`environments.prod.protected` must be true or false and is something else"],
    [generatorName, "[secrets.generator]", "`secrets.generator.name` must be a string and is missing"],
  ] as const) {
    assert.throws(() => changed(from, to), { message: `platform.toml: ${message}` });
  }
});

test("the service runs as many tasks as the manifest says, one where it says nothing", () => {
  assert.equal(changed("desired_tasks = 1", "desired_tasks = 2").orchestrator.desiredTasks, 2);
  assert.equal(changed("desired_tasks = 1\n", "").orchestrator.desiredTasks, 1);
});

test("the keys of a secret follow the environment and the modes, as in the Rust reader", () => {
  const platform = loadPlatform();
  assert.deepEqual(requiredSecretKeys(platform, "orchestrator", "local"), []);
  assert.deepEqual(requiredSecretKeys(platform, "orchestrator", "prod"), ["DATABASE_URL"]);
  assert.deepEqual(requiredSecretKeys(platform, "generator", "prod"), []);
  const supabase = changed('AUTH_MODE = "none"', 'AUTH_MODE = "supabase"');
  assert.deepEqual(requiredSecretKeys(supabase, "orchestrator", "local"), [
    "SUPABASE_ANON_KEY",
    "SUPABASE_URL",
  ]);
});

test("an unknown environment is refused with the known ones", () => {
  assert.throws(() => targetFor(loadPlatform(), "moon"), {
    message: "no environment `moon` in platform.toml; choose one of: local, dev, staging, prod (-c env=NAME)",
  });
});
