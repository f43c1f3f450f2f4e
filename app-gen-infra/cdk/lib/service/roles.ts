/**
 * What the tasks may do: two roles each, the container's own and the one ECS uses
 * to start it. `test/iam` compares every statement here with the calls that are
 * really made, in both directions.
 */

import { Validations } from "aws-cdk-lib";
import {
  AccountPrincipal,
  type IPrincipal,
  PolicyDocument,
  PolicyStatement,
  Role,
  ServicePrincipal,
} from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";
import { ATTACHMENTS_PREFIX, JOBS_PREFIX, PROJECTS_PREFIX, TEMPLATES_PREFIX } from "../data/data-stack.ts";
import { workIndex } from "../data/store.ts";
import { repositoryName } from "../images.ts";
import { type Consumer, requiredSecretKeys } from "../platform.ts";
import type { Target, TaskNames } from "../target.ts";
import { Arns } from "../arns.ts";
import { takeCommands } from "./exec.ts";

const TASKS = "ecs-tasks.amazonaws.com";
/** Start of the keys of files that were attached to a job. */
const ATTACHMENTS_OF_JOBS = `${JOBS_PREFIX}*/${ATTACHMENTS_PREFIX}`;

/** The roles of one task definition. */
export interface TaskRoles {
  /** What the container itself may do; the generator's is lent to one job at a time, and a preview has none. */
  readonly task?: Role;
  /** What ECS does for it: pull, inject secrets, write logs. */
  readonly execution: Role;
}

/** The orchestrator: follows its generators and previews, keeps specs and results, starts nothing else. */
export function orchestratorRoles(scope: Construct, target: Target): TaskRoles {
  const { names, platform } = target;
  const arns = new Arns(target);
  const inCluster = { ArnEquals: { "ecs:cluster": arns.cluster() } };
  const started = [names.generator, ...(names.deliverer === undefined ? [] : [names.deliverer]), names.preview];
  const definitions = started.map(({ family }) => arns.taskDefinition(family));
  const statements = [
    new PolicyStatement({
      sid: "StartGeneratorsAndPreviews",
      actions: ["ecs:RunTask"],
      resources: definitions,
      conditions: inCluster,
    }),
    new PolicyStatement({
      sid: "TagGenerators",
      actions: ["ecs:TagResource"],
      resources: [arns.tasks()],
      // At their start, and never later.
      conditions: { StringEquals: { "ecs:CreateAction": "RunTask" } },
    }),
    new PolicyStatement({
      sid: "FollowGenerators",
      actions: ["ecs:DescribeTasks", "ecs:StopTask"],
      resources: [arns.tasks()],
      conditions: inCluster,
    }),
    new PolicyStatement({
      sid: "FindGenerators",
      actions: ["ecs:ListTasks"],
      // Without a container instance to list for, the action knows no resource but its condition.
      resources: ["*"],
      conditions: inCluster,
    }),
    new PolicyStatement({
      sid: "PassTheirExecutionRoles",
      actions: ["iam:PassRole"],
      resources: started.map(({ executionRole }) => arns.role(executionRole)),
      conditions: { StringEquals: { "iam:PassedToService": TASKS } },
    }),
    new PolicyStatement({
      sid: "LendRightsForOneJob",
      actions: ["sts:AssumeRole"],
      resources: [arns.role(names.generator.taskRole)],
    }),
    new PolicyStatement({
      sid: "ReadEvents",
      actions: ["logs:GetLogEvents"],
      resources: [arns.logStreams(names.generator.logGroup)],
    }),
    jobObjects(arns),
    new PolicyStatement({
      sid: "KeepVersions",
      actions: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
      resources: [arns.artifacts(PROJECTS_PREFIX)],
    }),
    new PolicyStatement({
      sid: "KeepUploadsAndTemplates",
      actions: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
      resources: [arns.artifacts(ATTACHMENTS_PREFIX), arns.artifacts(TEMPLATES_PREFIX)],
    }),
    new PolicyStatement({
      sid: "RemoveAttachmentsOfJobs",
      actions: ["s3:DeleteObject"],
      resources: [arns.artifacts(ATTACHMENTS_OF_JOBS)],
    }),
    new PolicyStatement({
      sid: "TellMissingFromForbidden",
      // Without it S3 answers 403 for an object that is not there, not 404.
      actions: ["s3:ListBucket"],
      resources: [arns.artifactBucket()],
    }),
    ...(target.hasTable ? storeRights(arns) : []),
    ...(target.admitsCommands ? [takeCommands()] : []),
  ];
  const task = createRole(scope, "OrchestratorTaskRole", names.orchestrator.taskRole, ecsTasks(target), statements);
  const reasons: Record<string, string> = {
    ...Object.fromEntries(definitions.map((definition) => [definition, "every revision of exactly one family"])),
    [arns.tasks()]: "tasks have random ids; all of them are of this cluster",
    "*": "neither ListTasks, which its condition limits to this cluster, nor a session's channels take a resource",
    [arns.logStreams(names.generator.logGroup)]: "one stream for each generator task",
    [arns.artifacts(JOBS_PREFIX)]: "the orchestrator's own prefix, which holds every job",
    [arns.artifacts(PROJECTS_PREFIX)]: "the orchestrator's own prefix, which holds every version",
    [arns.artifacts(ATTACHMENTS_PREFIX)]: "the orchestrator's own prefix, which holds every upload",
    [arns.artifacts(TEMPLATES_PREFIX)]: "the orchestrator's own prefix, which holds every template",
    [arns.artifacts(ATTACHMENTS_OF_JOBS)]: "each job has its own; nothing else of a job is removed by a task",
  };
  acknowledgeWildcards(task, reasons);
  return {
    task,
    execution: createExecutionRole(scope, "Orchestrator", target, platform.orchestrator, names.orchestrator),
  };
}

/**
 * The generator: reads its spec and writes its result.
 *
 * Its tasks have no role, because a role would serve all of them, and each could reach every job.
 * Whoever starts a task takes this role on with a session policy that names the objects of one job,
 * and gives the task the credentials of that session.
 */
export function generatorRoles(scope: Construct, target: Target): TaskRoles {
  const { names, platform } = target;
  const arns = new Arns(target);
  // Of the account: the orchestrator, and operators for `cargo xtask run`, whose own policies must allow it.
  const starters = new AccountPrincipal(target.account);
  const task = createRole(scope, "GeneratorTaskRole", names.generator.taskRole, starters, [jobObjects(arns)]);
  acknowledgeWildcards(task, {
    [arns.artifacts(JOBS_PREFIX)]: "the session policy of each task narrows it to the objects of one job",
  });
  return { task, execution: createExecutionRole(scope, "Generator", target, platform.generator, names.generator) };
}

/** The preview: it may ask nothing of anybody. */
export function previewRoles(scope: Construct, target: Target): TaskRoles {
  return { execution: createExecutionRole(scope, "Preview", target, target.platform.preview, target.names.preview) };
}

/**
 * Tasks of the generator that deliver. ECS injects the tokens for that into them alone; their rights to the objects
 * of one job are those of the generator.
 */
export function delivererRoles(scope: Construct, target: Target, generator: TaskRoles): TaskRoles | undefined {
  const { names } = target;
  const consumer = delivererOf(target);
  if (consumer === undefined || names.deliverer === undefined) {
    return undefined;
  }
  return {
    task: generator.task,
    execution: createExecutionRole(scope, "Deliverer", target, consumer, names.deliverer),
  };
}

/** What tasks that deliver are, as a consumer of images and secrets. */
export function delivererOf(target: Target): Consumer | undefined {
  const { generator } = target.platform;
  if (generator.deliverer === undefined) {
    return undefined;
  }
  const { family, secret, environment } = generator.deliverer;
  return { ...generator, family, secret, environment: { ...generator.environment, ...environment } };
}

/** The table and the queue, where everything is kept there. Nobody but an operator reads dead letters. */
function storeRights(arns: Arns): PolicyStatement[] {
  return [
    new PolicyStatement({
      sid: "KeepEverything",
      actions: [
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
      ],
      resources: [arns.table()],
    }),
    new PolicyStatement({
      sid: "FindWork",
      actions: ["dynamodb:Query"],
      resources: [arns.tableIndex(workIndex())],
    }),
    new PolicyStatement({
      sid: "TellOfJobs",
      actions: ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"],
      resources: [arns.jobQueue()],
    }),
  ];
}

function jobObjects(arns: Arns): PolicyStatement {
  return new PolicyStatement({
    sid: "ReadAndWriteJobs",
    actions: ["s3:GetObject", "s3:PutObject"],
    resources: [arns.artifacts(JOBS_PREFIX)],
  });
}

function createExecutionRole(
  scope: Construct,
  id: string,
  target: Target,
  consumer: Consumer,
  names: TaskNames,
): Role {
  const arns = new Arns(target);
  const logStreams = arns.logStreams(names.logGroup);
  const statements = [
    // A token is of the whole registry: the action takes no resource.
    new PolicyStatement({ sid: "LogIn", actions: ["ecr:GetAuthorizationToken"], resources: ["*"] }),
    new PolicyStatement({
      sid: "Pull",
      actions: ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
      resources: [arns.repository(repositoryName(target, consumer.image))],
    }),
    new PolicyStatement({
      sid: "WriteLog",
      actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
      resources: [logStreams],
    }),
  ];
  const reasons: Record<string, string> = {
    "*": "GetAuthorizationToken takes no other resource",
    [logStreams]: "a stream for each task, named by its random id",
  };
  const secret = injectedSecret(target, consumer);
  if (secret !== undefined) {
    statements.push(
      new PolicyStatement({
        sid: "InjectSecret",
        actions: ["secretsmanager:GetSecretValue"],
        resources: [arns.secret(secret.name)],
      }),
    );
  }
  const role = createRole(scope, `${id}ExecutionRole`, names.executionRole, ecsTasks(target), statements);
  acknowledgeWildcards(role, reasons);
  return role;
}

/**
 * The consumer's secret and the keys of it that are injected, where there are any: those that this
 * environment needs, and those of which one is enough that the secret has. ECS starts no task that names a
 * key which the secret lacks.
 */
export function injectedSecret(target: Target, consumer: Consumer): { name: string; keys: string[] } | undefined {
  const secret = consumer.secret === undefined ? undefined : target.platform.secrets[consumer.secret];
  if (consumer.secret === undefined || secret === undefined) {
    return undefined;
  }
  const required = requiredSecretKeys(target.platform, consumer.secret, target.name);
  const keys = [...required, ...(target.presentSecretKeys[consumer.secret] ?? [])].sort();
  return keys.length === 0 ? undefined : { name: secret.name, keys };
}

function createRole(
  scope: Construct,
  id: string,
  roleName: string,
  assumedBy: IPrincipal,
  statements: PolicyStatement[],
): Role {
  return new Role(scope, id, {
    roleName,
    assumedBy,
    inlinePolicies: { rights: new PolicyDocument({ statements }) },
  });
}

/** Only ECS of this account: no other customer's task can make ECS assume the role. */
function ecsTasks(target: Target): IPrincipal {
  return new ServicePrincipal(TASKS, {
    conditions: {
      StringEquals: { "aws:SourceAccount": target.account },
      ArnLike: { "aws:SourceArn": `arn:aws:ecs:${target.region}:${target.account}:*` },
    },
  });
}

/** Why each resource with a wildcard is one. */
function acknowledgeWildcards(role: Role, reasons: Readonly<Record<string, string>>): void {
  for (const [resource, reason] of Object.entries(reasons)) {
    Validations.of(role).acknowledge({ id: `AwsSolutions-IAM5[Resource::${resource}]`, reason });
  }
}
