/**
 * What the CDK app calls things is what the commands look for: the names of every environment, from
 * here and from `xtask/aws-api/src/names`.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loadPlatform, MANIFEST_PATH } from "../lib/platform.ts";
import { LOG_STREAM_PREFIX } from "../lib/service/task-definitions.ts";
import { stackName, targetFor, type TaskNames } from "../lib/target.ts";
import { app, flags, ROOT, stacks } from "./support.ts";

/** A service or a kind of task, as the commands know it. */
interface Consumer {
  readonly name: string;
  readonly family: string;
  readonly log_group: string;
  readonly task_role: string | null;
  readonly execution_role: string;
  readonly service: string | null;
}

/** What `cargo run --example names` prints. */
interface CommandNames {
  readonly bootstrap_qualifier: string;
  readonly log_stream_prefix: string;
  readonly environments: Readonly<
    Record<
      string,
      {
        readonly deployed: Readonly<Record<string, string>> & {
          readonly consumers: readonly Consumer[];
          readonly deliverer: { readonly family: string; readonly execution_role: string } | null;
        };
        readonly stacks: readonly string[];
      }
    >
  >;
}

/** The names that the commands look for, by this manifest. */
function commandNames(manifest: string): CommandNames {
  const run = ["run", "--quiet", "--locked", "--package", "xtask-aws-api", "--example", "names"];
  return JSON.parse(execFileSync("cargo", run, { cwd: ROOT, input: manifest, encoding: "utf8" }));
}

function consumer(name: string, names: TaskNames & { taskRole?: string }, service: string | null): Consumer {
  return {
    name,
    family: names.family,
    log_group: names.logGroup,
    task_role: names.taskRole ?? null,
    execution_role: names.executionRole,
    service,
  };
}

/** Compares all names of all environments of a manifest. */
function compare(manifest: string): void {
  const path = join(mkdtempSync(join(tmpdir(), "app-gen-cdk-")), "platform.toml");
  writeFileSync(path, manifest);
  const platform = loadPlatform(path);
  const { environments } = commandNames(manifest);
  assert.deepEqual(Object.keys(environments).sort(), Object.keys(platform.environments).sort());
  for (const [environment, { deployed, stacks: stackNames }] of Object.entries(environments)) {
    const { names } = targetFor(platform, environment);
    const { consumers, deliverer, state_bucket: _state, ...others } = deployed;
    assert.deepEqual(
      others,
      {
        cluster: names.cluster,
        artifact_bucket: names.artifactBucket,
        access_log_bucket: names.accessLogBucket,
        table: names.table,
        job_queue: names.jobQueue,
        dead_letter_queue: names.deadLetterQueue,
        alarm_prefix: names.alarmPrefix,
        failure_log_group: names.taskFailureLogGroup,
      },
      environment,
    );
    const known = consumers.map(({ name, family, log_group, task_role, execution_role, service }) => ({
      name,
      family,
      log_group,
      task_role,
      execution_role,
      service,
    }));
    const expected = [
      consumer("orchestrator", names.orchestrator, names.service),
      consumer("generator", names.generator, null),
      consumer("preview", names.preview, null),
    ];
    assert.deepEqual(known, expected, environment);
    const delivering = names.deliverer && {
      family: names.deliverer.family,
      execution_role: names.deliverer.executionRole,
    };
    assert.deepEqual(deliverer, delivering ?? null, environment);
    const concerns = ["Network", "Registry", "Data", "Logs", "Service", "Observability"];
    assert.deepEqual(
      stackNames,
      concerns.map((concern) => stackName(concern, environment)),
    );
  }
}

const manifest = readFileSync(MANIFEST_PATH, "utf8");

test("every name of every environment is the one that the commands look for", () => {
  compare(manifest);
});

test("the app has the stacks that the commands look for, and no others", () => {
  const names = commandNames(manifest);
  const made = stacks(app("dev")).map((stack) => stack.stackName);
  assert.deepEqual(made, names.environments["dev"]?.stacks);
  assert.equal(names.log_stream_prefix, LOG_STREAM_PREFIX);
  assert.equal(names.bootstrap_qualifier, flags()["@aws-cdk/core:bootstrapQualifier"]);
});
