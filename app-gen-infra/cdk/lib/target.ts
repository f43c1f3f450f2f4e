/** What one synthesis is for: an environment of the manifest, its account and its names. */

import { type Consumer, type Environment, LOCAL, type Platform, type Size } from "./platform.ts";

/** The account id of the local cloud. */
const LOCAL_ACCOUNT = "000000000000";

/** The properties that every stack needs. */
export interface Target {
  readonly platform: Platform;
  /** Name of the environment. */
  readonly name: string;
  readonly environment: Environment;
  readonly account: string;
  readonly region: string;
  readonly isLocal: boolean;
  /** Whether the orchestrator keeps everything in a table that the stacks make. */
  readonly hasTable: boolean;
  /** IPv4 blocks that reach the load balancer. */
  readonly admitted: readonly string[];
  /** Whether people may run commands in the orchestrator's tasks; the local cloud's tasks are entered by the engine. */
  readonly admitsCommands: boolean;
  readonly names: Names;
  /** Keys of which one is enough that each secret has, by the secret's key in the manifest. */
  readonly presentSecretKeys: Readonly<Record<string, readonly string[]>>;
}

/**
 * Physical names. Others (commands, people, the IAM policies here) find things by them; the commands
 * know them from `xtask/aws-api/src/names`, and `test/names.test.ts` compares the two.
 */
export interface Names {
  readonly cluster: string;
  /** The orchestrator's ECS service. */
  readonly service: string;
  /** Load balancer, at most 32 characters. */
  readonly loadBalancer: string;
  /** Managed policy that no role may exceed; `cargo xtask deploy` makes it with the bootstrap. */
  readonly permissionsBoundary: string;
  readonly artifactBucket: string;
  readonly accessLogBucket: string;
  /** The table, where the orchestrator keeps everything in DynamoDB. */
  readonly table: string;
  /** The queue that wakes who waits for jobs, there. */
  readonly jobQueue: string;
  /** Its messages that nobody took care of. */
  readonly deadLetterQueue: string;
  readonly orchestrator: ConsumerNames;
  readonly generator: ConsumerNames;
  /** Tasks of the generator that deliver; they have its log group and its task role. */
  readonly deliverer: ConsumerNames | undefined;
  /** It has no task role. */
  readonly preview: TaskNames;
  /** Log group of the stop events of tasks that failed; EventBridge writes to `/aws/events/` only. */
  readonly taskFailureLogGroup: string;
  /** EventBridge rule that writes there. */
  readonly taskFailureRule: string;
  /** What the names of all alarms begin with. */
  readonly alarmPrefix: string;
  readonly alarmTopic: string;
  readonly dashboard: string;
  /** Namespace of the metrics that are made from log lines. */
  readonly metricNamespace: string;
}

/** Names of what belongs to one task definition. */
export interface TaskNames {
  readonly family: string;
  readonly logGroup: string;
  /** What ECS does for it: pull, inject secrets, write logs. */
  readonly executionRole: string;
}

/** Names of what belongs to the task definition of a container with rights. */
export interface ConsumerNames extends TaskNames {
  /** What the container itself may do. */
  readonly taskRole: string;
}

/**
 * The target for the name of an environment in the manifest.
 *
 * @throws Error when the manifest has no such environment.
 */
export function targetFor(
  platform: Platform,
  name: string,
  presentSecretKeys: Target["presentSecretKeys"] = {},
): Target {
  const environment = platform.environments[name];
  if (environment === undefined) {
    const known = Object.keys(platform.environments).join(", ");
    throw new Error(`no environment \`${name}\` in platform.toml; choose one of: ${known} (-c env=NAME)`);
  }
  const isLocal = name === LOCAL;
  const account = environment.account ?? LOCAL_ACCOUNT;
  return {
    platform,
    name,
    environment,
    account,
    region: platform.region,
    isLocal,
    hasTable: environment.storageMode === "dynamodb",
    admitted: admitted(platform, environment),
    admitsCommands: !isLocal && !environment.protected,
    names: namesFor(platform, account),
    presentSecretKeys,
  };
}

/**
 * Nobody, unless the manifest says who: the commands refuse an environment that lets everybody in,
 * and where they are not asked, the load balancer stays closed.
 */
function admitted({ orchestrator }: Platform, { allowedCidrs }: Environment): readonly string[] {
  const knowsUsers = (orchestrator.environment["AUTH_MODE"] ?? "none") !== "none";
  return allowedCidrs.length === 0 && knowsUsers ? ["0.0.0.0/0"] : allowedCidrs;
}

/** The name of the stack of a concern in an environment. */
export function stackName(concern: string, environment: string): string {
  return `AppGen${concern}-${environment}`;
}

/** The size of a consumer in the target's environment. */
export function sizeIn(target: Target, sizes: Readonly<Record<string, Size>>): Size {
  const size = sizes[target.name];
  if (size === undefined) {
    throw new Error(`platform.toml: a size for the environment \`${target.name}\` is missing`);
  }
  return size;
}

/** Accounts are not shared: the manifest's reader refuses that. */
function namesFor(platform: Platform, account: string): Names {
  const task = ({ family, logGroup }: Consumer): TaskNames => ({
    family,
    logGroup,
    executionRole: `${family}-execution-role`,
  });
  const consumer = (of: Consumer): ConsumerNames => {
    if (of.role === undefined) {
      throw new Error(`platform.toml: a \`role\` is missing beside the family ${of.family}`);
    }
    return { ...task(of), taskRole: of.role };
  };
  const { project } = platform;
  const { deliverer } = platform.generator;
  return {
    cluster: `${project}-cluster`,
    service: platform.orchestrator.family,
    loadBalancer: project,
    permissionsBoundary: `${project}-boundary`,
    // Bucket names are unique over all accounts.
    artifactBucket: `${project}-generated-apps-${account}`,
    accessLogBucket: `${project}-access-logs-${account}`,
    table: project,
    jobQueue: `${project}-jobs`,
    deadLetterQueue: `${project}-jobs-dead-letters`,
    orchestrator: consumer(platform.orchestrator),
    generator: consumer(platform.generator),
    deliverer: deliverer && consumer({ ...platform.generator, family: deliverer.family }),
    preview: task(platform.preview),
    taskFailureLogGroup: `/aws/events/${project}-task-failures`,
    taskFailureRule: `${project}-task-failures`,
    alarmPrefix: `${project}-`,
    alarmTopic: `${project}-alarms`,
    dashboard: project,
    metricNamespace: project,
  };
}
