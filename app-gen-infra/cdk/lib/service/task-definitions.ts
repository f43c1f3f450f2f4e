/** Task definitions of orchestrator, generator and preview. */

import { Duration, Size as Mebibytes, Validations } from "aws-cdk-lib";
import {
  AwsLogDriverMode,
  Capability,
  CfnTaskDefinition,
  ContainerImage,
  CpuArchitecture,
  FargateTaskDefinition,
  type HealthCheck,
  LinuxParameters,
  LogDriver,
  OperatingSystemFamily,
  Secret as InjectedSecret,
} from "aws-cdk-lib/aws-ecs";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import { Secret } from "aws-cdk-lib/aws-secretsmanager";
import type { Construct } from "constructs";
import type { Consumer } from "../platform.ts";
import { sizeIn, type Target, type TaskNames } from "../target.ts";
import { injectedSecret, type TaskRoles } from "./roles.ts";

/** First part of the names of log streams, which are `<prefix>/<container>/<task id>`. */
export const LOG_STREAM_PREFIX = "ecs";

/** What a task definition is made of. */
export interface TaskProps {
  readonly target: Target;
  readonly consumer: Consumer;
  readonly names: TaskNames;
  readonly roles: TaskRoles;
  /** Image by digest. */
  readonly image: string;
  /** Environment beyond that of the manifest. */
  readonly environment?: Readonly<Record<string, string>>;
  /** TCP port that the container answers health checks on. */
  readonly port?: number;
  /** Further TCP ports that it listens on. */
  readonly otherPorts?: readonly number[];
  /** Whether the container acts with its task role; if not, whoever starts a task gives it credentials. */
  readonly hasTaskRole: boolean;
  /** Capabilities of Docker's usual set that the container does not have. */
  readonly droppedCapabilities: readonly Capability[];
  /** Whether the first process is an init, which ends what the program leaves behind. */
  readonly hasInit: boolean;
  /** Where the container may write, by the name of a volume each; they are empty at first, and root's. */
  readonly volumes: Readonly<Record<string, string>>;
  /**
   * What happens to output that the log takes too slowly: the container waits, or the
   * oldest is dropped. ECS drops output by default.
   */
  readonly logDelivery: "wait" | "drop";
}

/**
 * Whether the process behind the port still answers HTTP, whatever it answers.
 *
 * The load balancer's check asks for a 200, which needs the database. This one must not: ECS ends a
 * task that fails it, and a new task reaches a database that is away no better. The image has Debian's
 * bash and nothing that speaks HTTP.
 */
function answers(port: number): HealthCheck {
  const ask = `exec 3<>/dev/tcp/127.0.0.1/${port} && printf 'GET /health HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3`;
  return {
    command: ["CMD", "bash", "-c", `${ask} && read -r line <&3 && [[ $line == HTTP/1.* ]]`],
    interval: Duration.seconds(10),
    timeout: Duration.seconds(5),
    retries: 3,
    // The start waits up to 30 s for the database and then migrates it.
    startPeriod: Duration.seconds(60),
  };
}

/** A Fargate task definition of one container. */
export function createTaskDefinition(scope: Construct, id: string, props: TaskProps): FargateTaskDefinition {
  const { target, consumer, names } = props;
  const size = sizeIn(target, consumer.size);
  // CDK would add its own, wider grants for the log and the secret.
  const executionRole = props.roles.execution.withoutPolicyUpdates();
  const definition = new FargateTaskDefinition(scope, id, {
    family: names.family,
    cpu: size.cpuUnits,
    memoryLimitMiB: size.memoryMib,
    // CDK would make a role for a task that has none; which it has not is said below.
    taskRole: props.roles.task?.withoutPolicyUpdates() ?? executionRole,
    executionRole,
    runtimePlatform: {
      cpuArchitecture: CpuArchitecture.X86_64,
      operatingSystemFamily: OperatingSystemFamily.LINUX,
    },
  });
  const linuxParameters = new LinuxParameters(definition, "Linux", { initProcessEnabled: props.hasInit });
  linuxParameters.dropCapabilities(...props.droppedCapabilities);
  const container = definition.addContainer("Container", {
    containerName: consumer.container,
    image: ContainerImage.fromRegistry(props.image),
    environment: { ...consumer.environment, ...props.environment },
    secrets: injectedSecrets(definition, target, consumer),
    portMappings: [...(props.port === undefined ? [] : [props.port]), ...(props.otherPorts ?? [])].map(
      (containerPort) => ({ containerPort }),
    ),
    ...(props.port === undefined ? {} : { healthCheck: answers(props.port) }),
    readonlyRootFilesystem: true,
    linuxParameters,
    logging: LogDriver.awsLogs({
      logGroup: LogGroup.fromLogGroupName(definition, "LogGroup", names.logGroup),
      streamPrefix: LOG_STREAM_PREFIX,
      ...(props.logDelivery === "wait"
        ? { mode: AwsLogDriverMode.BLOCKING }
        : { mode: AwsLogDriverMode.NON_BLOCKING, maxBufferSize: Mebibytes.mebibytes(10) }),
    }),
  });
  for (const [name, containerPath] of Object.entries(props.volumes)) {
    definition.addVolume({ name });
    container.addMountPoints({ sourceVolume: name, containerPath, readOnly: false });
  }
  if (!props.hasTaskRole && definition.node.defaultChild instanceof CfnTaskDefinition) {
    definition.node.defaultChild.taskRoleArn = undefined;
  }
  Validations.of(definition).acknowledge({
    id: "Annotation::@aws-cdk/aws-ecs:ecrImageRequiresPolicy",
    reason: "the execution role has the policy; CDK cannot see that in a role it may not change",
  });
  Validations.of(definition).acknowledge({
    id: "AwsSolutions-ECS2",
    reason: "the variables are names, ports and switches; credentials are injected from Secrets Manager",
  });
  return definition;
}

/** The secret is imported by name: its values do not belong in a template, and `destroy` keeps it. */
function injectedSecrets(scope: Construct, target: Target, consumer: Consumer): Record<string, InjectedSecret> {
  const found = injectedSecret(target, consumer);
  if (found === undefined) {
    return {};
  }
  const secret = Secret.fromSecretNameV2(scope, "Secret", found.name);
  return Object.fromEntries(found.keys.map((key) => [key, InjectedSecret.fromSecretsManager(secret, key)]));
}
