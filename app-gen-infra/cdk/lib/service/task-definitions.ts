/** Task definitions of orchestrator and generator. */

import { Size as Mebibytes, Validations } from "aws-cdk-lib";
import {
  AwsLogDriverMode,
  Capability,
  ContainerImage,
  CpuArchitecture,
  FargateTaskDefinition,
  LinuxParameters,
  LogDriver,
  OperatingSystemFamily,
  Secret as InjectedSecret,
} from "aws-cdk-lib/aws-ecs";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import { Secret } from "aws-cdk-lib/aws-secretsmanager";
import type { Construct } from "constructs";
import type { Consumer } from "../platform.ts";
import { type ConsumerNames, sizeIn, type Target } from "../target.ts";
import { injectedSecret, type TaskRoles } from "./roles.ts";

/** First part of the names of log streams, which are `<prefix>/<container>/<task id>`. */
export const LOG_STREAM_PREFIX = "ecs";

/** What a task definition is made of. */
export interface TaskProps {
  readonly target: Target;
  readonly consumer: Consumer;
  readonly names: ConsumerNames;
  readonly roles: TaskRoles;
  /** Image by digest. */
  readonly image: string;
  /** Environment beyond that of the manifest. */
  readonly environment?: Readonly<Record<string, string>>;
  /** TCP port that the container listens on. */
  readonly port?: number;
  /** Whether the container may write to its own disk. */
  readonly writesToDisk: boolean;
  /**
   * What happens to output that the log takes too slowly: the container waits, or the
   * oldest is dropped. ECS drops output by default.
   */
  readonly logDelivery: "wait" | "drop";
}

/** A Fargate task definition of one container. */
export function createTaskDefinition(scope: Construct, id: string, props: TaskProps): FargateTaskDefinition {
  const { target, consumer, names } = props;
  const size = sizeIn(target, consumer.size);
  const definition = new FargateTaskDefinition(scope, id, {
    family: names.family,
    cpu: size.cpuUnits,
    memoryLimitMiB: size.memoryMib,
    taskRole: props.roles.task.withoutPolicyUpdates(),
    // CDK would add its own, wider grants for the log and the secret.
    executionRole: props.roles.execution.withoutPolicyUpdates(),
    runtimePlatform: {
      cpuArchitecture: CpuArchitecture.X86_64,
      operatingSystemFamily: OperatingSystemFamily.LINUX,
    },
  });
  const linuxParameters = new LinuxParameters(definition, "Linux", { initProcessEnabled: true });
  linuxParameters.dropCapabilities(Capability.ALL);
  definition.addContainer("Container", {
    containerName: consumer.container,
    image: ContainerImage.fromRegistry(props.image),
    environment: { ...consumer.environment, ...props.environment },
    secrets: injectedSecrets(definition, target, consumer),
    portMappings: props.port === undefined ? [] : [{ containerPort: props.port }],
    readonlyRootFilesystem: !props.writesToDisk,
    linuxParameters,
    logging: LogDriver.awsLogs({
      logGroup: LogGroup.fromLogGroupName(definition, "LogGroup", names.logGroup),
      streamPrefix: LOG_STREAM_PREFIX,
      ...(props.logDelivery === "wait"
        ? { mode: AwsLogDriverMode.BLOCKING }
        : { mode: AwsLogDriverMode.NON_BLOCKING, maxBufferSize: Mebibytes.mebibytes(10) }),
    }),
  });
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
