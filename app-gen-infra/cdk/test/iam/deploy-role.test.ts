/**
 * The role of the workflow (`bootstrap/deploy-role.json`): it may do what a build and a deploy ask for
 * (`xtask/aws/src/rights.rs`), and nothing that would make it an administrator.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../support.ts";
import { allows, type Call, list, type Statement } from "./evaluate.ts";

const ACCOUNT = "000000000001";
const REGION = "us-east-1";

/** The template with the values of its parameters put in. */
const template = JSON.parse(
  readFileSync(join(ROOT, "app-gen-infra/cdk/bootstrap/deploy-role.json"), "utf8")
    .replaceAll("${AWS::AccountId}", ACCOUNT)
    .replaceAll("${AWS::Region}", REGION)
    .replaceAll("${Repository}", "owner/app-gen")
    .replaceAll("${Environment}", "dev"),
  (_, value) => value?.["Fn::Sub"] ?? value,
);
const role = template.Resources.Role.Properties;
const statements: Statement[] = role.Policies[0].PolicyDocument.Statement;

/** What an administrator's first deploy has made, and the workflow only compares. */
const LEFT_TO_AN_ADMINISTRATOR = [
  "iam:CreatePolicy",
  "iam:CreatePolicyVersion",
  "iam:DeletePolicyVersion",
  "iam:ListPolicyVersions",
  "iam:TagPolicy",
];

test("it may do everything that a build and a deploy ask for, and only that", () => {
  const source = readFileSync(join(ROOT, "xtask/aws/src/rights.rs"), "utf8");
  const needed = [...source.matchAll(/"(build|deploy)",\s*"([a-z0-9]+:[A-Za-z]+)"/g)].map((match) => match[2] ?? "");
  const given = statements.flatMap(({ Action }) => list(Action));
  assert.deepEqual(
    [...new Set(needed)].filter((action) => !given.includes(action)).sort(),
    LEFT_TO_AN_ADMINISTRATOR,
  );
  const alsoAsked = [
    // The state of the service and of its load balancer, and required secrets.
    "cloudwatch:DescribeAlarms",
    "cloudwatch:PutMetricAlarm",
    "ecs:DescribeTaskDefinition",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeTargetHealth",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
  ];
  assert.deepEqual([...new Set(given)].filter((action) => !needed.includes(action)).sort(), alsoAsked);
});

test("only the workflow of this repository in this environment takes it on", () => {
  const [trust, ...others] = role.AssumeRolePolicyDocument.Statement;
  assert.deepEqual(others, []);
  assert.deepEqual(trust.Condition, {
    StringEquals: {
      "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
      "token.actions.githubusercontent.com:sub": "repo:owner/app-gen:environment:dev",
    },
  });
});

test("it does not write what limits CloudFormation, and takes on no other role", () => {
  const arn = (resource: string) => `arn:aws:iam::${ACCOUNT}:${resource}`;
  const wanted: Call[] = [
    ...LEFT_TO_AN_ADMINISTRATOR.flatMap((action) =>
      ["app-gen-saas-boundary", "app-gen-saas-execution-service"].map((name) => ({
        action,
        resource: arn(`policy/${name}`),
      })),
    ),
    { action: "iam:SetDefaultPolicyVersion", resource: arn("policy/app-gen-saas-boundary") },
    { action: "iam:CreateRole", resource: arn("role/app-gen-saas-task-role") },
    { action: "iam:PassRole", resource: arn(`role/cdk-appgen-cfn-exec-role-${ACCOUNT}-${REGION}`) },
    { action: "sts:AssumeRole", resource: arn(`role/cdk-appgen-cfn-exec-role-${ACCOUNT}-${REGION}`) },
    { action: "sts:AssumeRole", resource: arn("role/app-generator-task-role") },
    { action: "s3:GetObject", resource: `arn:aws:s3:::app-gen-saas-generated-apps-${ACCOUNT}/jobs/1/app.zip` },
    { action: "secretsmanager:PutSecretValue", resource: `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:app-gen-saas/generator-a1b2c3` },
  ];
  assert.deepEqual(wanted.filter((call) => statements.some((statement) => allows(statement, call))), []);
  for (const action of statements.flatMap(({ Action }) => list(Action))) {
    assert.match(action, /^[a-z0-9-]+:[A-Za-z]+$/);
  }
});
