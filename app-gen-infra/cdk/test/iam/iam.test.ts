/**
 * The synthesised policies against the calls that are really made: nothing missing,
 * nothing to spare.
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { app, AWS_ENVIRONMENTS, resources, ROOT, storeApp } from "../support.ts";
import { CALLS, FORBIDDEN, NOT_RECORDED, STORE_CALLS } from "./calls.ts";
import { allows, list, matches, type Statement } from "./evaluate.ts";

/** Actions that take no resource, so that `*` is all a policy can say. */
const WITHOUT_RESOURCE = [
  "ecr:GetAuthorizationToken",
  "ecs:ListTasks",
  "ssmmessages:CreateControlChannel",
  "ssmmessages:CreateDataChannel",
  "ssmmessages:OpenControlChannel",
  "ssmmessages:OpenDataChannel",
];

/** Statements of each role of an environment, by the role's name. */
function policies(environment: string): Map<string, Statement[]> {
  const roles = [...resources(app(environment)).values()].filter(({ Type }) => Type === "AWS::IAM::Role");
  return new Map(
    roles.map(({ Properties }) => {
      assert.equal(Properties["ManagedPolicyArns"], undefined, "rights stand in the role itself");
      const inline = Properties["Policies"] as { PolicyDocument: { Statement: Statement[] } }[];
      return [String(Properties["RoleName"]), inline.flatMap(({ PolicyDocument }) => PolicyDocument.Statement)];
    }),
  );
}

const dev = policies("dev");

test("every role that exists is judged, and no policy stands beside them", () => {
  assert.deepEqual([...dev.keys()].sort(), Object.keys(CALLS).sort());
  for (const { Type } of resources(app("dev")).values()) {
    assert.ok(!["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"].includes(Type), Type);
  }
});

for (const [role, calls] of Object.entries(CALLS)) {
  const statements = dev.get(role) ?? [];

  test(`${role}: every call that is made is allowed`, () => {
    for (const call of calls) {
      assert.ok(statements.some((statement) => allows(statement, call)), `missing: ${call.action} on ${call.resource}`);
    }
  });

  test(`${role}: every right is used by a call that is made`, () => {
    for (const statement of statements) {
      for (const action of list(statement.Action)) {
        for (const resource of list(statement.Resource)) {
          const right = { ...statement, Action: action, Resource: resource };
          assert.ok(calls.some((call) => allows(right, call)), `unused: ${action} on ${resource}`);
        }
      }
    }
  });

  test(`${role}: no wildcard in an action, none for a resource where the action takes one`, () => {
    for (const statement of statements) {
      for (const action of list(statement.Action)) {
        assert.ok(!/[*?]/.test(action), action);
        assert.ok(!list(statement.Resource).includes("*") || WITHOUT_RESOURCE.includes(action), action);
      }
    }
  });

  test(`${role}: may do nothing that a thief would want`, () => {
    for (const call of FORBIDDEN.filter((call) => !isMade(role, call.action, call.resource))) {
      assert.ok(!statements.some((statement) => allows(statement, call)), `${call.action} on ${call.resource}`);
    }
  });
}

/** Whether the role makes this very call, to which a condition alone may object. */
function isMade(role: string, action: string, resource: string): boolean {
  return (CALLS[role] ?? []).some((call) => call.action === action && call.resource === resource && !call.context);
}

/** Whether the statement lets commands into the role's tasks. */
function takesCommands({ Action }: Statement): boolean {
  return list(Action).some((action) => action.startsWith("ssmmessages:"));
}

test("commands are let into the orchestrator's tasks alone, and into none that is protected", () => {
  const admitting = (environment: string) =>
    [...policies(environment)].filter(([, of]) => of.some(takesCommands)).map(([role]) => role);
  assert.deepEqual(admitting("dev"), ["app-gen-saas-task-role"]);
  assert.deepEqual(admitting("staging"), ["app-gen-saas-task-role"]);
  assert.deepEqual(admitting("prod"), []);
  assert.deepEqual(admitting("local"), []);
});

test("apart from that, other environments differ in account, zone and name alone", () => {
  const normalised = (environment: string, account: string) => {
    const rights = [...policies(environment)].map(([role, of]) => [role, of.filter((one) => !takesCommands(one))]);
    return JSON.stringify(rights).replaceAll(account, "ACCOUNT");
  };
  const [first, ...others] = AWS_ENVIRONMENTS.map((name, index) => normalised(name, `00000000000${index + 1}`));
  for (const other of others) {
    assert.equal(other, first);
  }
});

test("where everything is kept in DynamoDB, the orchestrator reaches its table and its queue, and nobody else does", () => {
  const isOfStore = ({ Action }: Statement) => list(Action).some((action) => /^(dynamodb|sqs):/.test(action));
  const roles = [...resources(storeApp("dev")).values()].filter(({ Type }) => Type === "AWS::IAM::Role");
  for (const { Properties } of roles) {
    const inline = Properties["Policies"] as { PolicyDocument: { Statement: Statement[] } }[];
    const rights = inline.flatMap(({ PolicyDocument }) => PolicyDocument.Statement).filter(isOfStore);
    if (Properties["RoleName"] !== "app-gen-saas-task-role") {
      assert.deepEqual(rights, [], String(Properties["RoleName"]));
      continue;
    }
    for (const call of STORE_CALLS) {
      assert.ok(rights.some((right) => allows(right, call)), `missing: ${call.action} on ${call.resource}`);
    }
    for (const right of rights) {
      for (const action of list(right.Action)) {
        const isMade = STORE_CALLS.some((call) => allows({ ...right, Action: action }, call));
        assert.ok(isMade, `unused: ${action}`);
      }
    }
  }
});

test("no task has the role that reaches the jobs of all", () => {
  for (const { Type, Properties } of resources(app("dev")).values()) {
    if (Type === "AWS::ECS::TaskDefinition") {
      const family = String(Properties["Family"]);
      assert.equal(Properties["TaskRoleArn"] === undefined, family !== "app-gen-saas-app", family);
    }
  }
});

test("only ECS of the same account assumes the roles, and only the account that of a generator", () => {
  for (const { Type, Properties } of resources(app("dev")).values()) {
    if (Type === "AWS::IAM::Role" && Properties["RoleName"] === "app-generator-task-role") {
      assert.deepEqual((Properties["AssumeRolePolicyDocument"] as { Statement: unknown }).Statement, [
        { Action: "sts:AssumeRole", Effect: "Allow", Principal: { AWS: "arn:aws:iam::000000000001:root" } },
      ]);
    } else if (Type === "AWS::IAM::Role") {
      assert.deepEqual((Properties["AssumeRolePolicyDocument"] as { Statement: unknown }).Statement, [
        {
          Action: "sts:AssumeRole",
          Condition: {
            StringEquals: { "aws:SourceAccount": "000000000001" },
            ArnLike: { "aws:SourceArn": "arn:aws:ecs:us-east-1:000000000001:*" },
          },
          Effect: "Allow",
          Principal: { Service: "ecs-tasks.amazonaws.com" },
        },
      ]);
    }
  }
});

/**
 * What orchestrator and generator really asked of the local cloud, by role, for one job from
 * its description to its download: `cargo xtask validate --force --record-calls` writes it.
 */
const RECORDED: Record<string, string[]> = JSON.parse(
  readFileSync(join(ROOT, "app-gen-infra/cdk/test/iam/recorded.json"), "utf8"),
);

test("every call that was recorded is listed, and allowed", () => {
  assert.deepEqual(Object.keys(RECORDED).sort(), ["app-gen-saas-task-role", "app-generator-task-role"]);
  for (const [role, recorded] of Object.entries(RECORDED)) {
    for (const line of recorded) {
      const [action, key] = line.split(" ");
      const listed = (CALLS[role] ?? []).filter((call) => call.action === action);
      assert.ok(listed.length > 0, `${role}: ${line} is not in calls.ts`);
      for (const call of key === undefined ? [] : listed) {
        const resource = `${call.resource.split("/")[0]}/${key}`;
        const isAllowed = (dev.get(role) ?? []).some((statement) => allows(statement, { ...call, resource }));
        assert.ok(isAllowed, `${role}: ${line} is not allowed`);
      }
    }
  }
});

test("every call that is listed was recorded, or cannot be", () => {
  for (const [role, recorded] of Object.entries(RECORDED)) {
    const actions = recorded.map((line) => line.split(" ")[0]);
    for (const { action } of CALLS[role] ?? []) {
      assert.notEqual(actions.includes(action), action in NOT_RECORDED, `${role}: ${action}`);
    }
  }
});

/** Text of a file of the checkout, or of all Rust files of a folder. */
function source(path: string): string {
  const full = join(ROOT, path);
  if (path.endsWith(".rs")) {
    return readFileSync(full, "utf8");
  }
  return readdirSync(full).filter((name) => name.endsWith(".rs")).map((name) => source(join(path, name))).join("\n");
}

/** The distinct first groups of all matches. */
function found(pattern: RegExp, text: string): string[] {
  return [...new Set([...text.matchAll(pattern)].map((match) => match[1] ?? ""))].sort();
}

test("the list of calls is that of the sources", () => {
  assert.match(source("app-gen-saas/src/launcher"), /AssumeRoleProvider::builder/);
  const launcher = found(/\.client\s*\.(\w+)\(\)/g, source("app-gen-saas/src/launcher"));
  assert.deepEqual(launcher, ["describe_tasks", "get_log_events", "list_tasks", "run_task", "stop_task"]);
  const spelled = launcher.map((name) => name.replaceAll("_", ""));
  const listed = (CALLS["app-gen-saas-task-role"] ?? [])
    // A right that comes with RunTask, for its tags.
    .filter(({ action }) => /^(ecs|logs):/.test(action) && action !== "ecs:TagResource")
    .map(({ action }) => action.split(":")[1]?.toLowerCase());
  // Generators, those that deliver and previews are started by the same call.
  assert.deepEqual([...new Set(listed)].sort(), spelled.sort());
  // `put` is PutObject, `delete` is DeleteObject, the others are GetObject; `copy` is both GetObject and
  // PutObject. `put` writes in one part only.
  const store = /\bstore\s*\.(\w+)\(/g;
  assert.deepEqual(found(store, source("app-gen-saas/src/artifacts")), ["copy", "delete", "get", "get_opts", "head", "put"]);
  assert.deepEqual(found(store, source("app-gen/src/location.rs")), ["get", "put"]);
});

test("patterns are IAM's", () => {
  assert.ok(matches("arn:aws:s3:::b/jobs/*", "arn:aws:s3:::b/jobs/1/a"));
  assert.ok(!matches("arn:aws:s3:::b/jobs/*", "arn:aws:s3:::b.jobs/1"));
  assert.ok(matches("secret:x-??????", "secret:x-a1b2c3"));
  assert.ok(!matches("secret:x-??????", "secret:x-a1b2c3d"));
  assert.ok(!matches("a.c", "abc"));
});
