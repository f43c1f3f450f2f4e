/** What runs: the cluster, the orchestrator behind its load balancer, the task definitions of generator and preview. */

import { Annotations, CfnOutput, Duration, Validations } from "aws-cdk-lib";
import { type ISecurityGroup, type IVpc, SecurityGroup, SubnetType } from "aws-cdk-lib/aws-ec2";
import {
  Capability,
  CfnClusterCapacityProviderAssociations,
  Cluster,
  ContainerInsights,
  ExecuteCommandLogging,
  FargateService,
  type FargateTaskDefinition,
  PropagatedTagSource,
} from "aws-cdk-lib/aws-ecs";
import type { Construct } from "constructs";
import { Arns } from "../arns.ts";
import { EXTRA_CA_CERTIFICATES, extraCertificates } from "../certificates.ts";
import { imageReference } from "../images.ts";
import type { Consumer } from "../platform.ts";
import type { NetworkStack } from "../network/network-stack.ts";
import { metricsMode } from "../observability/embedded-metrics.ts";
import { taskUsdPerHour } from "../prices.ts";
import { ConcernStack } from "../stack.ts";
import { type ConsumerNames, sizeIn, type Target } from "../target.ts";
import { AGENT_FOLDERS } from "./exec.ts";
import { Entrance } from "./load-balancer.ts";
import {
  delivererOf,
  delivererRoles,
  generatorRoles,
  orchestratorRoles,
  previewRoles,
  type TaskRoles,
} from "./roles.ts";
import { createTaskDefinition, LOG_STREAM_PREFIX, type TaskProps } from "./task-definitions.ts";

/** The start waits up to 30 s for the database and then migrates it; until here no health check counts. */
const HEALTH_CHECK_GRACE_SECS = 60;

/** What a container has that keeps what strangers wrote in cages (app-gen/cage). */
const CAGED = {
  // It starts as root and keeps CHOWN, KILL, SETGID, SETPCAP and SETUID until it has made its folders,
  // then three of them, with which it starts commands as another user and ends them.
  // There is no name for all others that leaves some, so each is named.
  droppedCapabilities: [
    Capability.AUDIT_WRITE,
    Capability.DAC_OVERRIDE,
    Capability.FOWNER,
    Capability.FSETID,
    Capability.MKNOD,
    Capability.NET_BIND_SERVICE,
    Capability.NET_RAW,
    Capability.SETFCAP,
    Capability.SYS_CHROOT,
  ],
  // It is the first process itself, and ends whatever is left. An init beside it would be root, too,
  // with the secrets in its environment.
  hasInit: false,
  volumes: { state: "/state", tmp: "/tmp" },
} satisfies Partial<TaskProps>;

/** The stacks and values that the service stack builds on. */
export interface ServiceStackProps {
  readonly target: Target;
  readonly network: NetworkStack;
}

/** Cluster, service and task definitions. */
export class ServiceStack extends ConcernStack {
  readonly entrance: Entrance;
  readonly #vpc: IVpc;
  readonly #generatorSecurityGroup: ISecurityGroup;
  readonly #previewSecurityGroup: ISecurityGroup;

  constructor(scope: Construct, { target, network }: ServiceStackProps) {
    super(scope, "Service", "cluster, orchestrator, generator, preview", target);
    this.#vpc = network.vpc;
    this.#generatorSecurityGroup = network.generatorSecurityGroup;
    this.#previewSecurityGroup = network.previewSecurityGroup;
    const cluster = this.createCluster();
    this.entrance = new Entrance(this, "Entrance", {
      target,
      vpc: network.vpc,
      securityGroup: this.sealed("LoadBalancerSecurityGroup", network.loadBalancerSecurityGroup),
    });
    const roles = generatorRoles(this, target);
    const generator = this.createGenerator("Generator", target.platform.generator, target.names.generator, roles);
    const deliverer = this.createDeliverer(roles);
    const preview = this.createPreview();
    const orchestrator = this.createOrchestrator(generator, deliverer, preview);
    this.createService(cluster, orchestrator, network);
    new CfnOutput(this, "Url", { value: this.entrance.url, description: "Where users go" });
    new CfnOutput(this, "ClusterName", { value: cluster.clusterName });
    new CfnOutput(this, "ServiceName", { value: target.names.service });
    new CfnOutput(this, "LoadBalancerName", { value: target.names.loadBalancer });
    new CfnOutput(this, "OrchestratorTaskDefinitionArn", { value: orchestrator.taskDefinitionArn });
    new CfnOutput(this, "GeneratorTaskDefinitionArn", { value: generator.taskDefinitionArn });
    new CfnOutput(this, "PreviewTaskDefinitionArn", { value: preview.taskDefinitionArn });
  }

  private createCluster(): Cluster {
    const cluster = new Cluster(this, "Cluster", {
      clusterName: this.target.names.cluster,
      vpc: this.#vpc,
      containerInsightsV2: ContainerInsights.DISABLED,
      // The input and output of commands may be secret; CloudTrail records that a command was run.
      ...(this.target.admitsCommands ? { executeCommandConfiguration: { logging: ExecuteCommandLogging.NONE } } : {}),
    });
    Validations.of(cluster).acknowledge({
      id: "AwsSolutions-ECS4",
      reason:
        "Container Insights is priced by metric and would cost as much as the orchestrator; " +
        "what the alarms need is in the free metrics of ECS and the load balancer",
    });
    // One task definition runs on both: whoever starts a task chooses.
    new CfnClusterCapacityProviderAssociations(this, "CapacityProviders", {
      cluster: cluster.clusterName,
      capacityProviders: ["FARGATE", "FARGATE_SPOT"],
      defaultCapacityProviderStrategy: [{ capacityProvider: "FARGATE", weight: 1 }],
    });
    return cluster;
  }

  /** The same container with the tokens that deliver, which no agent ever runs beside. */
  private createDeliverer(roles: TaskRoles): FargateTaskDefinition | undefined {
    const { target } = this;
    const [consumer, own] = [delivererOf(target), delivererRoles(this, target, roles)];
    if (consumer === undefined || own === undefined || target.names.deliverer === undefined) {
      return undefined;
    }
    return this.createGenerator("Deliverer", consumer, target.names.deliverer, own);
  }

  private createGenerator(id: string, consumer: Consumer, names: ConsumerNames, roles: TaskRoles): FargateTaskDefinition {
    const { target } = this;
    return createTaskDefinition(this, id, {
      target,
      consumer,
      names,
      roles,
      image: this.image(consumer.image),
      environment: this.certificates(),
      hasTaskRole: false,
      ...CAGED,
      // Its log is the stream of events that its user watches: no event may be lost.
      logDelivery: "wait",
    });
  }

  private createPreview(): FargateTaskDefinition {
    const { target } = this;
    const { controlPort, port } = target.platform.previews;
    return createTaskDefinition(this, "Preview", {
      target,
      consumer: target.platform.preview,
      names: target.names.preview,
      roles: previewRoles(this, target),
      image: this.image(target.platform.preview.image),
      environment: {
        ...this.certificates(),
        PREVIEW_CONTROL_PORT: String(controlPort),
        PREVIEW_PORT: String(port),
      },
      otherPorts: [controlPort, port],
      hasTaskRole: false,
      ...CAGED,
      // Nobody waits for its log.
      logDelivery: "drop",
    });
  }

  /** The authorities that tasks trust besides those of their image, as a variable. */
  private certificates(): Record<string, string> {
    const certificates = extraCertificates(this.node);
    return certificates === undefined ? {} : { [EXTRA_CA_CERTIFICATES]: certificates };
  }

  /** What the orchestrator needs to know of previews. */
  private previewEnvironment(preview: FargateTaskDefinition): Record<string, string> {
    const { environment, isLocal, platform } = this.target;
    const { controlPort, maxPreviews, port, timeToLiveSecs } = platform.previews;
    const known = {
      PREVIEW_MAX: String(maxPreviews),
      PREVIEW_TIME_TO_LIVE_SECS: String(timeToLiveSecs),
      PREVIEW_TASK_DEFINITION: preview.taskDefinitionArn,
      PREVIEW_CONTAINER: platform.preview.container,
      PREVIEW_CONTROL_PORT: String(controlPort),
      PREVIEW_PORT: String(port),
      PREVIEW_SECURITY_GROUPS: this.#previewSecurityGroup.securityGroupId,
    };
    if (environment.previewHost !== undefined) {
      return { ...known, PREVIEW_HOST: environment.previewHost };
    }
    // On AWS no name leads to a preview without it.
    return isLocal ? known : {};
  }

  /** Where the orchestrator keeps everything; the address of a database is in its secret. */
  private storeEnvironment(): Record<string, string> {
    const { account, environment, hasTable, names, region } = this.target;
    const mode = { STORAGE_MODE: environment.storageMode };
    return hasTable
      ? {
          ...mode,
          DYNAMODB_TABLE: names.table,
          JOB_QUEUE_URL: `https://sqs.${region}.amazonaws.com/${account}/${names.jobQueue}`,
        }
      : mode;
  }

  private createOrchestrator(
    generator: FargateTaskDefinition,
    deliverer: FargateTaskDefinition | undefined,
    preview: FargateTaskDefinition,
  ): FargateTaskDefinition {
    const { target } = this;
    const { names, platform } = target;
    return createTaskDefinition(this, "Orchestrator", {
      target,
      consumer: platform.orchestrator,
      names: names.orchestrator,
      roles: orchestratorRoles(this, target),
      image: this.image(platform.orchestrator.image),
      port: platform.orchestrator.port,
      hasTaskRole: true,
      environment: {
        PORT: String(platform.orchestrator.port),
        // Under other names it answers nobody: a page could point a name of its own at it.
        ALLOWED_HOSTS: [platform.orchestrator.environment["ALLOWED_HOSTS"], this.entrance.loadBalancer.loadBalancerDnsName]
          .filter((host) => host !== undefined)
          .join(","),
        // The load balancer, and nobody else reaches the task: what it adds to X-Forwarded-For is true.
        TRUSTED_PROXIES: "1",
        METRICS: metricsMode(target),
        METRICS_NAMESPACE: names.metricNamespace,
        ARTIFACT_URI: `s3://${names.artifactBucket}`,
        ...this.storeEnvironment(),
        ECS_CLUSTER: names.cluster,
        // With its revision: an orchestrator that is rolled back takes its generator with it.
        GENERATOR_TASK_DEFINITION: generator.taskDefinitionArn,
        ...(deliverer === undefined ? {} : { DELIVERER_TASK_DEFINITION: deliverer.taskDefinitionArn }),
        GENERATOR_CONTAINER: platform.generator.container,
        GENERATOR_ROLE_ARN: new Arns(target).role(names.generator.taskRole),
        GENERATOR_LOG_GROUP: names.generator.logGroup,
        GENERATOR_LOG_STREAM_PREFIX: LOG_STREAM_PREFIX,
        GENERATOR_SUBNETS: this.#vpc.publicSubnets.map((subnet) => subnet.subnetId).join(","),
        GENERATOR_SECURITY_GROUPS: this.#generatorSecurityGroup.securityGroupId,
        // Nothing is paid for what runs on this machine.
        ...(target.isLocal
          ? {}
          : { GENERATOR_USD_PER_HOUR: taskUsdPerHour(sizeIn(target, platform.generator.size)).toFixed(6) }),
        // What a task costs is told apart by them; the orchestrator adds the job.
        GENERATOR_TAGS: JSON.stringify({ project: platform.project, environment: target.name }),
        ...this.previewEnvironment(preview),
      },
      droppedCapabilities: [Capability.ALL],
      hasInit: true,
      volumes: target.admitsCommands ? AGENT_FOLDERS : {},
      // Its log is for operators. The service must not stop because CloudWatch Logs is slow.
      logDelivery: "drop",
    });
  }

  private createService(cluster: Cluster, definition: FargateTaskDefinition, network: NetworkStack): void {
    const service = new FargateService(this, "Service", {
      serviceName: this.target.names.service,
      cluster,
      taskDefinition: definition,
      desiredCount: this.target.platform.orchestrator.desiredTasks,
      // The old task serves until the new one is healthy.
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: { enable: true, rollback: true },
      healthCheckGracePeriod: Duration.seconds(HEALTH_CHECK_GRACE_SECS),
      // The subnets are public and have no NAT: without an address of its own a task cannot reach anything.
      assignPublicIp: true,
      vpcSubnets: { subnetType: SubnetType.PUBLIC },
      securityGroups: [this.sealed("OrchestratorSecurityGroup", network.orchestratorSecurityGroup)],
      propagateTags: PropagatedTagSource.SERVICE,
      enableECSManagedTags: true,
      // Always set: a service keeps the old value of a property that the template leaves out.
      enableExecuteCommand: this.target.admitsCommands,
    });
    service.attachToApplicationTargetGroup(this.entrance.targetGroup);
  }

  /** The group, closed to rules that CDK adds by itself: the network stack holds all rules. */
  private sealed(id: string, group: ISecurityGroup): ISecurityGroup {
    return SecurityGroup.fromSecurityGroupId(this, id, group.securityGroupId, { mutable: false });
  }

  /** The image by digest; without one this stack cannot be deployed, and the others can. */
  private image(name: string): string {
    const found = imageReference(this.node, this.target, name);
    if ("reference" in found) {
      return found.reference;
    }
    Annotations.of(this).addError(found.fault);
    return `${name}-is-not-given`;
  }
}
