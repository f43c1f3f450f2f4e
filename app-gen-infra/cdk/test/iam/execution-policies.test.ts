/**
 * What CloudFormation may do in an account (`bootstrap/execution-policies.json`), against
 * what the handlers of the templates' resource types need: nothing missing, nothing to spare.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { app, AWS_ENVIRONMENTS, type Resource, resources, ROOT, storeApp } from "../support.ts";
import { CALLS, STORE_CALLS } from "./calls.ts";
import { allows, type Call, list, type Statement } from "./evaluate.ts";
import { idleExceptions, type Need, needs, type Place } from "./handlers.ts";

interface Policy {
  readonly Version: string;
  readonly Statement: readonly Statement[];
}

const FOLDER = join(ROOT, "app-gen-infra/cdk/bootstrap");

/** The managed policy that no role may exceed. */
const BOUNDARY = "app-gen-saas-boundary";

/** IAM's limit for a managed policy, white space not counted. */
const LIMIT_CHARACTERS = 6144;

/** Reading what lies in many places, and actions that take no resource. */
const WITHOUT_RESOURCE =
  /^(ec2:\w+|\w+:(Describe|List|Get)\w+|ecs:DeregisterTaskDefinition|logs:(Put|Delete)ResourcePolicy|sns:Unsubscribe)$/;

const TO_TASKS = { "iam:PassedToService": "ecs-tasks.amazonaws.com" };

/** The policies of a file, in an account and region. */
function policies({ account, region }: Place, file = "execution-policies.json"): Record<string, Policy> {
  const text = readFileSync(join(FOLDER, file), "utf8").replaceAll("${ACCOUNT}", account).replaceAll("${REGION}", region);
  assert.ok(!text.includes("${"), "placeholders are ${ACCOUNT} and ${REGION}");
  return JSON.parse(text);
}

/** What the boundary admits. */
function bounds(place: Place): readonly Statement[] {
  const [[name, policy], ...others] = Object.entries(policies(place, "permissions-boundary.json")) as [[string, Policy]];
  assert.deepEqual([name, others], [BOUNDARY, []]);
  return policy.Statement;
}

function boundaryArn({ account }: Place): string {
  return `arn:aws:iam::${account}:policy/${BOUNDARY}`;
}

function statements(place: Place): Statement[] {
  return Object.values(policies(place)).flatMap(({ Statement }) => Statement);
}

function placeOf(environment: string): Place {
  const { account, region } = app(environment).network;
  return { account, region };
}

/** The calls of which one must be allowed. */
function calls({ action, resources }: Need, place: Place): Call[] {
  const context = { ...TO_TASKS, ...bounded(place), "aws:RequestedRegion": place.region };
  return resources.map((resource) => ({ action, resource, context }));
}

const dev = placeOf("dev");

test("IAM takes each policy as it is", () => {
  const place = { account: "0".repeat(12), region: "ap-southeast-1" };
  const all = { ...policies(place), ...policies(place, "permissions-boundary.json") };
  for (const [name, policy] of Object.entries(all)) {
    assert.match(name, /^app-gen-saas-[\w-]{1,100}$/);
    assert.equal(policy.Version, "2012-10-17");
    const { length } = JSON.stringify(policy);
    assert.ok(length <= LIMIT_CHARACTERS, `${name} has ${length} characters`);
  }
  const sids = statements(dev).map(({ Sid }) => Sid);
  assert.equal(new Set(sids).size, sids.length);
});

const venv = process.env["CFN_LINT_VENV"];
const registry = { skip: venv === undefined && "CFN_LINT_VENV is not set: it holds CloudFormation's registry" };

/** Of an environment, whichever way it keeps everything. */
function allResources(environment: string): Resource[] {
  return [app(environment), storeApp(environment)].flatMap((of) => [...resources(of).values()]);
}

function needsOf(environment: string): Need[] {
  return allResources(environment).flatMap((resource) => needs(venv!, placeOf(environment), resource));
}

test("every right that a handler needs is there, in every environment", registry, () => {
  for (const environment of AWS_ENVIRONMENTS) {
    const place = placeOf(environment);
    const given = statements(place);
    const missing = needsOf(environment).filter(
      (need) => !calls(need, place).some((call) => given.some((statement) => allows(statement, call))),
    );
    assert.deepEqual(
      missing.map(({ type, action, resources }) => `${type}: ${action} on ${resources.join(" or ")}`),
      [],
      environment,
    );
  }
});

test("every action and every resource of a statement is needed", registry, () => {
  const needed = needsOf("dev").flatMap((need) => calls(need, dev));
  const isIdle = (statement: Statement) => !needed.some((call) => allows(statement, call));
  const idle = statements(dev).flatMap((statement) => [
    ...list(statement.Action).filter((action) => isIdle({ ...statement, Action: action })),
    ...list(statement.Resource).filter((resource) => isIdle({ ...statement, Resource: resource })),
  ]);
  assert.deepEqual(idle, []);
});

test("no exception from the registry stands without a cause", registry, () => {
  const types = allResources("dev").map(({ Type }) => Type);
  assert.deepEqual(idleExceptions(venv!, types), []);
});

test("a type that is new is noticed", registry, () => {
  assert.throws(() => needs(venv!, dev, { Type: "AWS::Kinesis::Stream", Properties: {} }), /AWS::Kinesis::Stream/);
});

test("the roles of the templates, and no others, may be made and given to tasks", () => {
  for (const environment of AWS_ENVIRONMENTS) {
    const place = placeOf(environment);
    const roles = [...resources(app(environment)).values()].filter(({ Type }) => Type === "AWS::IAM::Role");
    for (const { Properties } of roles) {
      const resource = `arn:aws:iam::${place.account}:role/${Properties["RoleName"]}`;
      assert.ok(isAllowed(place, { action: "iam:PutRolePolicy", resource, context: bounded(place) }), resource);
      // The generator's role is not given to tasks: it is lent to one job at a time.
      const isGiven = Properties["RoleName"] !== "app-generator-task-role";
      assert.equal(isAllowed(place, { action: "iam:PassRole", resource, context: TO_TASKS }), isGiven, resource);
    }
  }
});

/** The condition key of a role that has the boundary, or is about to get it. */
function bounded(place: Place): Record<string, string> {
  return { "iam:PermissionsBoundary": boundaryArn(place) };
}

test("every role of the templates has the boundary", () => {
  for (const environment of [...AWS_ENVIRONMENTS, "local"]) {
    for (const [id, { Type, Properties }] of resources(app(environment))) {
      if (Type === "AWS::IAM::Role") {
        assert.equal(Properties["PermissionsBoundary"], boundaryArn(placeOf(environment)), id);
      }
    }
  }
});

test("the boundary admits what the roles call, and nothing else", () => {
  const made = [...Object.values(CALLS).flat(), ...STORE_CALLS];
  const given = bounds(dev);
  for (const call of made) {
    assert.ok(given.some((statement) => allows(statement, call)), `missing: ${call.action} on ${call.resource}`);
  }
  const isIdle = (statement: Statement) => !made.some((call) => allows(statement, call));
  const idle = given.flatMap((statement) => [
    ...list(statement.Action).filter((action) => isIdle({ ...statement, Action: action })),
    // What no environment calls yet, and a key of the manifest would call.
    ...list(statement.Resource).filter(
      (resource) =>
        isIdle({ ...statement, Resource: resource }) && !/secret:app-gen-saas\/(generator|deliverer)-/.test(resource),
    ),
  ]);
  assert.deepEqual(idle, []);
  for (const { Sid, Action, Resource } of given) {
    for (const action of list(Action)) {
      assert.match(action, /^[a-z0-9-]+:[A-Za-z]+$/, Sid);
    }
    assert.ok(!list(Resource).includes("*") || ["FindGenerators", "TakeCommands", "LogIn"].includes(Sid), Sid);
  }
});

test("CloudFormation makes and changes no role beyond the boundary, and does not touch the boundary", () => {
  const resource = `arn:aws:iam::${dev.account}:role/app-gen-saas-task-role`;
  const administrator = "arn:aws:iam::aws:policy/AdministratorAccess";
  const others: Record<string, string>[] = [
    {},
    { "iam:PermissionsBoundary": administrator },
    { "iam:PermissionsBoundary": `arn:aws:iam::${dev.account}:policy/${BOUNDARY}-2` },
  ];
  for (const action of ["CreateRole", "PutRolePolicy", "DeleteRolePolicy", "PutRolePermissionsBoundary"]) {
    const call = { action: `iam:${action}`, resource };
    assert.ok(isAllowed(dev, { ...call, context: bounded(dev) }), action);
    for (const context of others) {
      assert.ok(!isAllowed(dev, { ...call, context }), `${action} ${JSON.stringify(context)}`);
    }
  }
  const anyContext = { ...TO_TASKS, ...bounded(dev), "aws:RequestedRegion": dev.region };
  const onRole = ["AttachRolePolicy", "DeleteRolePermissionsBoundary", "DetachRolePolicy"];
  const onPolicy = [
    "CreatePolicy",
    "CreatePolicyVersion",
    "DeletePolicy",
    "DeletePolicyVersion",
    "SetDefaultPolicyVersion",
    "TagPolicy",
  ];
  const forbidden: Call[] = [
    ...onRole.map((action) => ({ action: `iam:${action}`, resource })),
    ...onPolicy.flatMap((action) =>
      [boundaryArn(dev), `arn:aws:iam::${dev.account}:policy/app-gen-saas-execution-service`].map((policy) => ({
        action: `iam:${action}`,
        resource: policy,
      })),
    ),
    // Roles that the templates do not make may have no boundary.
    ...["app-gen-saas-task-role-2", "app-generator-task-role-dev", "thief", `cdk-appgen-deploy-role-${dev.account}`].flatMap(
      (name) =>
        ["CreateRole", "PassRole", "PutRolePermissionsBoundary", "PutRolePolicy", "UpdateAssumeRolePolicy"].map(
          (action) => ({ action: `iam:${action}`, resource: `arn:aws:iam::${dev.account}:role/${name}` }),
        ),
    ),
  ].map((call) => ({ ...call, context: anyContext }));
  assert.deepEqual(forbidden.filter((call) => isAllowed(dev, call)), []);
});

function isAllowed(place: Place, call: Call): boolean {
  return statements(place).some((statement) => allows(statement, call));
}

test("no action has a wildcard, and `*` as resource stays in the region", () => {
  for (const { Sid, Action, Resource, Condition } of statements(dev)) {
    for (const action of list(Action)) {
      assert.match(action, /^[a-z0-9-]+:[A-Za-z]+$/);
      assert.ok(!list(Resource).includes("*") || WITHOUT_RESOURCE.test(action), `${Sid}: ${action}`);
    }
    // The bill is the account's, wherever it is asked for.
    if (list(Resource).includes("*") && Sid !== "SeeBill") {
      assert.equal(Condition?.["StringEquals"]?.["aws:RequestedRegion"], dev.region, Sid);
    }
  }
});

test("nothing that a thief of the role would want", () => {
  const role = (name: string) => `arn:aws:iam::${dev.account}:role/${name}`;
  const regional = (service: string, resource: string) => `arn:aws:${service}:${dev.region}:${dev.account}:${resource}`;
  const bucket = (name: string) => `arn:aws:s3:::${name}`;
  const ofCdk = role(`cdk-appgen-cfn-exec-role-${dev.account}-${dev.region}`);
  const ofTask = role("app-gen-saas-task-role");
  const actions: [string, string][] = [
    ["iam:CreateUser", `arn:aws:iam::${dev.account}:user/thief`],
    ["iam:CreateRole", role("thief")],
    ["iam:AttachRolePolicy", ofTask],
    ["iam:PutRolePolicy", ofCdk],
    ["iam:PassRole", ofCdk],
    ["iam:CreateServiceLinkedRole", role("aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot")],
    ["sts:AssumeRole", ofTask],
    ["ec2:RunInstances", "*"],
    ["ec2:CreateNatGateway", "*"],
    ["lambda:CreateFunction", "*"],
    ["ecs:RunTask", regional("ecs", "task-definition/app-generator:1")],
    ["secretsmanager:GetSecretValue", regional("secretsmanager", "secret:app-gen-saas/orchestrator-a1b2c3")],
    ["s3:GetObject", bucket(`app-gen-saas-generated-apps-${dev.account}/jobs/1`)],
    ["s3:PutBucketPolicy", bucket("another-bucket")],
    ["s3:DeleteBucket", bucket(`app-gen-saas-state-${dev.account}`)],
    ["ecr:BatchDeleteImage", regional("ecr", "repository/app-gen-saas-app")],
    ["cloudformation:DescribeStacks", regional("cloudformation", "stack/Other/1")],
  ];
  const here = { ...TO_TASKS, ...bounded(dev), "aws:RequestedRegion": dev.region };
  const wanted: Call[] = [
    ...actions.map(([action, resource]) => ({ action, resource, context: here })),
    { action: "ec2:CreateVpc", resource: "*", context: { "aws:RequestedRegion": "eu-west-1" } },
    { action: "iam:PassRole", resource: ofTask, context: { "iam:PassedToService": "ec2.amazonaws.com" } },
  ];
  assert.deepEqual(wanted.filter((call) => isAllowed(dev, call)), []);
});
