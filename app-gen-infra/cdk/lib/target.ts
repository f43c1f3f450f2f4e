/** What one synthesis is for: an environment of the manifest, its account and its names. */

import { type Environment, LOCAL, type Platform, type Size } from "./platform.ts";

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
  /** Whether people may run commands in the orchestrator's tasks; the local cloud's tasks are entered by the engine. */
  readonly admitsCommands: boolean;
  readonly names: Names;
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
  readonly artifactBucket: string;
  readonly accessLogBucket: string;
  readonly orchestrator: ConsumerNames;
  readonly generator: ConsumerNames;
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
export interface ConsumerNames {
  readonly family: string;
  readonly logGroup: string;
  /** What the container itself may do. */
  readonly taskRole: string;
  /** What ECS does for it: pull, inject secrets, write logs. */
  readonly executionRole: string;
}

/**
 * The target for the name of an environment in the manifest.
 *
 * @throws Error when the manifest has no such environment.
 */
export function targetFor(platform: Platform, name: string): Target {
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
    admitsCommands: !isLocal && !environment.protected,
    names: namesFor(platform, name, account),
  };
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

function namesFor(platform: Platform, name: string, account: string): Names {
  // Only environments that share an account must be distinguished.
  const sharing = Object.values(platform.environments).filter((other) => other.account === account);
  const suffix = sharing.length > 1 ? `-${name}` : "";
  const consumer = ({ family, logGroup, role }: Platform["generator"]): ConsumerNames => ({
    family: family + suffix,
    logGroup: logGroup + suffix,
    taskRole: role + suffix,
    executionRole: `${family}-execution-role${suffix}`,
  });
  const { project } = platform;
  return {
    cluster: `${project}-cluster${suffix}`,
    service: platform.orchestrator.family + suffix,
    loadBalancer: project + suffix,
    // Bucket names are unique over all accounts.
    artifactBucket: `${project}-generated-apps-${account}${suffix}`,
    accessLogBucket: `${project}-access-logs-${account}${suffix}`,
    orchestrator: consumer(platform.orchestrator),
    generator: consumer(platform.generator),
    taskFailureLogGroup: `/aws/events/${project}-task-failures${suffix}`,
    taskFailureRule: `${project}-task-failures${suffix}`,
    alarmPrefix: `${project}${suffix}-`,
    alarmTopic: `${project}-alarms${suffix}`,
    dashboard: project + suffix,
    metricNamespace: project + suffix,
  };
}
