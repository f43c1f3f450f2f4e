/** The calls that are really made, by the role that makes them, in the account of `dev`. */

import type { Call } from "./evaluate.ts";

const PLACE = "us-east-1:000000000001";
const CLUSTER = `arn:aws:ecs:${PLACE}:cluster/app-gen-saas-cluster`;
const IN_CLUSTER = { "ecs:cluster": CLUSTER };
const TASK = `arn:aws:ecs:${PLACE}:task/app-gen-saas-cluster/3c9040ca206847b790aab2ccea98a6af`;
const BUCKET = "arn:aws:s3:::app-gen-saas-generated-apps-000000000001";
const TO_TASKS = { "iam:PassedToService": "ecs-tasks.amazonaws.com" };

function role(name: string): string {
  return `arn:aws:iam::000000000001:role/${name}`;
}

function logStream(group: string): string {
  return `arn:aws:logs:${PLACE}:log-group:${group}:log-stream:ecs/container/3c9040ca206847b790aab2ccea98a6af`;
}

function repository(name: string): string {
  return `arn:aws:ecr:${PLACE}:repository/${name}`;
}

/** What ECS does to start a task and to write its log. */
function starting(repositoryName: string, logGroup: string): Call[] {
  return [
    { action: "ecr:GetAuthorizationToken", resource: "*" },
    { action: "ecr:BatchCheckLayerAvailability", resource: repository(repositoryName) },
    { action: "ecr:BatchGetImage", resource: repository(repositoryName) },
    { action: "ecr:GetDownloadUrlForLayer", resource: repository(repositoryName) },
    { action: "logs:CreateLogStream", resource: logStream(logGroup) },
    { action: "logs:PutLogEvents", resource: logStream(logGroup) },
  ];
}

const TABLE = `arn:aws:dynamodb:${PLACE}:table/app-gen-saas`;
const QUEUE = `arn:aws:sqs:${PLACE}:app-gen-saas-jobs`;

/**
 * What the orchestrator calls besides where everything is kept in DynamoDB (app-gen-saas/src/stores/dynamodb). A
 * transaction needs the rights of the calls that it is made of.
 */
export const STORE_CALLS: readonly Call[] = [
  ...["BatchGetItem", "BatchWriteItem", "ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Query"].map((name) => ({
    action: `dynamodb:${name}`,
    resource: TABLE,
  })),
  { action: "dynamodb:Query", resource: `${TABLE}/index/work` },
  ...["DeleteMessage", "GetQueueAttributes", "ReceiveMessage", "SendMessage"].map((name) => ({
    action: `sqs:${name}`,
    resource: QUEUE,
  })),
];

/** What must be allowed, and nothing more. */
export const CALLS: Readonly<Record<string, readonly Call[]>> = {
  "app-gen-saas-task-role": [
    // app-gen-saas/src/launcher
    { action: "ecs:RunTask", resource: `arn:aws:ecs:${PLACE}:task-definition/app-generator:7`, context: IN_CLUSTER },
    {
      action: "ecs:RunTask",
      resource: `arn:aws:ecs:${PLACE}:task-definition/app-generator-deliverer:7`,
      context: IN_CLUSTER,
    },
    { action: "ecs:RunTask", resource: `arn:aws:ecs:${PLACE}:task-definition/app-preview:3`, context: IN_CLUSTER },
    { action: "ecs:TagResource", resource: TASK, context: { "ecs:CreateAction": "RunTask" } },
    { action: "iam:PassRole", resource: role("app-generator-execution-role"), context: TO_TASKS },
    { action: "iam:PassRole", resource: role("app-generator-deliverer-execution-role"), context: TO_TASKS },
    { action: "iam:PassRole", resource: role("app-preview-execution-role"), context: TO_TASKS },
    // app-gen-saas/src/launcher/job_rights.rs
    { action: "sts:AssumeRole", resource: role("app-generator-task-role") },
    { action: "ecs:ListTasks", resource: "*", context: IN_CLUSTER },
    { action: "ecs:DescribeTasks", resource: TASK, context: IN_CLUSTER },
    { action: "ecs:StopTask", resource: TASK, context: IN_CLUSTER },
    { action: "logs:GetLogEvents", resource: logStream("/ecs/app-generator") },
    // app-gen-saas/src/artifacts/
    { action: "s3:PutObject", resource: `${BUCKET}/jobs/1/spec.json` },
    { action: "s3:GetObject", resource: `${BUCKET}/jobs/1/app.zip` },
    { action: "s3:PutObject", resource: `${BUCKET}/projects/2/1/app.zip` },
    { action: "s3:GetObject", resource: `${BUCKET}/projects/2/1/app.zip` },
    { action: "s3:DeleteObject", resource: `${BUCKET}/projects/2/1/app.zip` },
    { action: "s3:PutObject", resource: `${BUCKET}/attachments/1` },
    { action: "s3:GetObject", resource: `${BUCKET}/attachments/1` },
    { action: "s3:DeleteObject", resource: `${BUCKET}/attachments/1` },
    { action: "s3:DeleteObject", resource: `${BUCKET}/jobs/1/attachments/1` },
    { action: "s3:PutObject", resource: `${BUCKET}/templates/1/2/app.bundle` },
    { action: "s3:GetObject", resource: `${BUCKET}/templates/1/2/app.bundle` },
    { action: "s3:DeleteObject", resource: `${BUCKET}/templates/1/2/app.bundle` },
    // Asked by S3 itself, before it says that an object is missing.
    { action: "s3:ListBucket", resource: BUCKET },
    // The agent of ECS Exec: a channel that tells it of sessions, and one for each of them.
    { action: "ssmmessages:CreateControlChannel", resource: "*" },
    { action: "ssmmessages:OpenControlChannel", resource: "*" },
    { action: "ssmmessages:CreateDataChannel", resource: "*" },
    { action: "ssmmessages:OpenDataChannel", resource: "*" },
  ],
  "app-generator-task-role": [
    // app-gen/src/location.rs
    { action: "s3:GetObject", resource: `${BUCKET}/jobs/1/spec.json` },
    { action: "s3:PutObject", resource: `${BUCKET}/jobs/1/app.zip` },
  ],
  "app-gen-saas-app-execution-role": [
    ...starting("app-gen-saas-app", "/ecs/app-gen-saas-app"),
    {
      action: "secretsmanager:GetSecretValue",
      resource: `arn:aws:secretsmanager:${PLACE}:secret:app-gen-saas/orchestrator-a1b2c3`,
    },
  ],
  "app-generator-execution-role": starting("app-gen-saas-generator", "/ecs/app-generator"),
  "app-generator-deliverer-execution-role": starting("app-gen-saas-generator", "/ecs/app-generator"),
  "app-preview-execution-role": starting("app-gen-saas-generator", "/ecs/app-preview"),
};

/** Calls of the task roles that no recording can hold, and why. */
export const NOT_RECORDED: Readonly<Record<string, string>> = {
  "iam:PassRole": "IAM asks it of itself when a task is started",
  "sts:AssumeRole": "credentials of tasks of the local cloud are of no role",
  "s3:DeleteObject": "asked only where a project, a template or an upload is removed",
  "s3:ListBucket": "S3 asks it of itself before it says that an object is missing",
  "ecs:TagResource": "ECS asks it of IAM when a task is started with tags",
  "ssmmessages:CreateControlChannel": "asked by the agent of ECS Exec, which the local cloud has not",
  "ssmmessages:OpenControlChannel": "as CreateControlChannel",
  "ssmmessages:CreateDataChannel": "as CreateControlChannel",
  "ssmmessages:OpenDataChannel": "as CreateControlChannel",
};

/** What a stolen role would be tried for; no role here may do any of it. */
export const FORBIDDEN: readonly Call[] = [
  { action: "ecs:RunTask", resource: `arn:aws:ecs:${PLACE}:task-definition/app-gen-saas-app:1`, context: IN_CLUSTER },
  {
    action: "ecs:RunTask",
    resource: `arn:aws:ecs:${PLACE}:task-definition/app-generator:7`,
    context: { "ecs:cluster": `arn:aws:ecs:${PLACE}:cluster/other` },
  },
  { action: "ecs:RunTask", resource: `arn:aws:ecs:${PLACE}:task-definition/app-generator-2:1`, context: IN_CLUSTER },
  { action: "ecs:StopTask", resource: `arn:aws:ecs:${PLACE}:task/other/1`, context: { "ecs:cluster": "other" } },
  { action: "ecs:TagResource", resource: TASK },
  { action: "ecs:ExecuteCommand", resource: TASK, context: IN_CLUSTER },
  { action: "ecs:RegisterTaskDefinition", resource: "*" },
  { action: "ecs:UpdateService", resource: `arn:aws:ecs:${PLACE}:service/app-gen-saas-cluster/app-gen-saas-app` },
  { action: "iam:PassRole", resource: role("app-gen-saas-task-role"), context: TO_TASKS },
  // A task that had the role itself would reach every job.
  { action: "iam:PassRole", resource: role("app-generator-task-role"), context: TO_TASKS },
  { action: "sts:AssumeRole", resource: role("app-gen-saas-task-role") },
  { action: "iam:PassRole", resource: role("cdk-appgen-cfn-exec-role-000000000001-us-east-1"), context: TO_TASKS },
  {
    action: "iam:PassRole",
    resource: role("app-generator-execution-role"),
    context: { "iam:PassedToService": "ec2.amazonaws.com" },
  },
  { action: "s3:PutObject", resource: `${BUCKET}/releases/1.json` },
  { action: "s3:DeleteObject", resource: `${BUCKET}/jobs/1/app.zip` },
  { action: "s3:GetObject", resource: "arn:aws:s3:::another-bucket/jobs/1" },
  { action: "logs:GetLogEvents", resource: logStream("/ecs/app-gen-saas-app") },
  { action: "logs:GetLogEvents", resource: logStream("/ecs/app-preview") },
  { action: "logs:DeleteLogGroup", resource: `arn:aws:logs:${PLACE}:log-group:/ecs/app-generator` },
  {
    action: "secretsmanager:GetSecretValue",
    resource: `arn:aws:secretsmanager:${PLACE}:secret:app-gen-saas/generator-a1b2c3`,
  },
  // The tokens that publish: no environment here has set one, and no other role ever reads them.
  {
    action: "secretsmanager:GetSecretValue",
    resource: `arn:aws:secretsmanager:${PLACE}:secret:app-gen-saas/deliverer-a1b2c3`,
  },
  {
    action: "secretsmanager:PutSecretValue",
    resource: `arn:aws:secretsmanager:${PLACE}:secret:app-gen-saas/orchestrator-a1b2c3`,
  },
  { action: "ecr:PutImage", resource: repository("app-gen-saas-app") },
  { action: "ssm:StartSession", resource: TASK },
  { action: "ssmmessages:CreateControlChannel", resource: "*" },
  { action: "sts:AssumeRole", resource: role("cdk-appgen-deploy-role-000000000001-us-east-1") },
];
