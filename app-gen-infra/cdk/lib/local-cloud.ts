/**
 * Everything that the local cloud lacks. Only this file makes up for it, and it changes
 * no template for AWS.
 */

import {
  Annotations,
  type App,
  Aspects,
  CfnCondition,
  CfnResource,
  CliCredentialsStackSynthesizer,
  DefaultStackSynthesizer,
  Fn,
  type IAspect,
  type IStackSynthesizer,
  Stack,
  Validations,
} from "aws-cdk-lib";
import { CfnAlarm } from "aws-cdk-lib/aws-cloudwatch";
import { CfnTaskDefinition, Secret as InjectedSecret, TaskDefinition } from "aws-cdk-lib/aws-ecs";
import { type ISecret, Secret } from "aws-cdk-lib/aws-secretsmanager";
import type { IConstruct } from "constructs";
import { LOCAL } from "./platform.ts";
import type { Target } from "./target.ts";

/** Resource types that its CloudFormation does not know, and what is missing without them. */
const UNKNOWN_TYPES: Readonly<Record<string, string>> = {
  "AWS::EC2::SecurityGroupIngress": "rules between security groups; it filters no traffic",
  "AWS::EC2::SecurityGroupEgress": "rules between security groups; it filters no traffic",
  "AWS::ECS::ClusterCapacityProviderAssociations": "Fargate Spot",
};

/** Names the role that each job borrows; empty here, because tasks have credentials that are of no role. */
const GENERATOR_ROLE = "GENERATOR_ROLE_ARN";

/** The key of the orchestrator's secret that its container needs here too. */
const DATABASE_URL = "DATABASE_URL";

/** Adapts the app if it is for the local cloud, and reports what it leaves out. */
export function adaptToLocalCloud(app: App, target: Target): void {
  if (target.isLocal) {
    Aspects.of(app).add(new LeaveOut());
    Aspects.of(app).add(new CompleteTasks(target));
    Aspects.of(app).add(new SpellSecrets());
  }
}

/**
 * How a stack is deployed. Its gate knows its user and tasks, and no session of a role, so CDK keeps the
 * user's credentials there.
 */
export function synthesizerFor(target: Target): IStackSynthesizer {
  return target.isLocal ? new CliCredentialsStackSynthesizer() : new DefaultStackSynthesizer();
}

/** Adds a condition that is never true to resources that the local cloud would refuse. */
class LeaveOut implements IAspect {
  visit(node: IConstruct): void {
    if (!(node instanceof CfnResource)) {
      return;
    }
    const lost = whatIsLost(node);
    if (lost === undefined) {
      return;
    }
    const stack = Stack.of(node);
    node.cfnOptions.condition = neverIn(stack);
    Annotations.of(stack).addInfo(`the local cloud has no ${lost}: left out ${node.node.path}`);
  }
}

/** What is missing without the resource, if the local cloud lacks it. */
function whatIsLost(resource: CfnResource): string | undefined {
  if (resource instanceof CfnAlarm && resource.metrics !== undefined) {
    return "alarms on metric math";
  }
  return UNKNOWN_TYPES[resource.cfnResourceType];
}

function neverIn(stack: Stack): CfnCondition {
  const id = "LocalCloudLacksIt";
  const existing = stack.node.tryFindChild(id);
  if (existing instanceof CfnCondition) {
    return existing;
  }
  Validations.of(stack).acknowledge({
    id: "CloudFormation-Validate::W8003",
    reason: "a condition that never holds is how a resource is left out",
  });
  return new CfnCondition(stack, id, { expression: Fn.conditionEquals("present", "absent") });
}

/**
 * Gives tasks what they would have on AWS.
 *
 * Credentials and region: the local cloud offers tasks credentials at an address that
 * the Rust SDK refuses, and names no region. A database: the local
 * environment does not require one, so `deploy` starts one and stores its address where a
 * user's address would be, unless everything is kept in DynamoDB.
 */
class CompleteTasks implements IAspect {
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  visit(node: IConstruct): void {
    if (node instanceof TaskDefinition) {
      const container = node.defaultContainer;
      // These credentials are visibly not secret.
      container?.addEnvironment("AWS_ACCESS_KEY_ID", LOCAL);
      container?.addEnvironment("AWS_SECRET_ACCESS_KEY", LOCAL);
      container?.addEnvironment("AWS_REGION", this.#target.region);
      if (container?.containerName === this.#target.platform.orchestrator.container) {
        container.addEnvironment(GENERATOR_ROLE, "");
        if (!this.#target.hasTable) {
          container.addSecret(DATABASE_URL, InjectedSecret.fromSecretsManager(this.databaseSecret(node), DATABASE_URL));
        }
      }
    }
  }

  private databaseSecret(scope: TaskDefinition): ISecret {
    const { orchestrator, secrets } = this.#target.platform;
    const secret = orchestrator.secret === undefined ? undefined : secrets[orchestrator.secret];
    if (secret === undefined) {
      throw new Error("platform.toml: `services.orchestrator.secret` is missing: it holds the address of the database");
    }
    return Secret.fromSecretNameV2(scope, "DatabaseSecret", secret.name);
  }
}

/**
 * Writes the entries of `Secrets` in the letter case of the API: CloudFormation of the
 * local cloud passes them to its ECS unchanged, which then does not find them.
 */
class SpellSecrets implements IAspect {
  visit(node: IConstruct): void {
    if (!(node instanceof CfnTaskDefinition)) {
      return;
    }
    const containers: { secrets?: object[] }[] = Stack.of(node).resolve(node.containerDefinitions);
    containers.forEach(({ secrets }, index) => {
      if (secrets !== undefined) {
        node.addPropertyOverride(`ContainerDefinitions.${index}.Secrets`, secrets);
      }
    });
    for (const rule of ["F3002", "F3003"]) {
      Validations.of(node).acknowledge({
        id: `CloudFormation-Validate::${rule}`,
        reason: "the local cloud reads the entries of `Secrets` in the letter case of the API",
      });
    }
  }
}
