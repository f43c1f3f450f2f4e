/**
 * What the local cloud lacks, all of it. Nothing outside this file knows of it, and
 * no template for AWS is touched by it.
 */

import { Annotations, type App, Aspects, CfnCondition, CfnResource, Fn, type IAspect, Stack } from "aws-cdk-lib";
import { CfnAlarm } from "aws-cdk-lib/aws-cloudwatch";
import { CfnTaskDefinition } from "aws-cdk-lib/aws-ecs";
import type { IConstruct } from "constructs";
import { LOCAL } from "./platform.ts";
import type { Target } from "./target.ts";

/** Resource types that its CloudFormation does not know, and what is gone with them. */
const UNKNOWN_TYPES: Readonly<Record<string, string>> = {
  "AWS::EC2::SecurityGroupIngress": "rules between security groups; it filters no traffic",
  "AWS::EC2::SecurityGroupEgress": "rules between security groups; it filters no traffic",
  "AWS::ECS::ClusterCapacityProviderAssociations": "Fargate Spot",
};

/** The key of the orchestrator's secret that its container needs here too. */
const DATABASE_URL = "DATABASE_URL";

/** Adapts the app where it is for the local cloud, and says what it leaves out. */
export function adaptToLocalCloud(app: App, target: Target): void {
  if (target.name === LOCAL) {
    Aspects.of(app).add(new LeaveOut());
    Aspects.of(app).add(new CompleteTasks(target));
  }
}

/** Puts a condition that never holds on what the local cloud would refuse. */
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

/** What is gone with the resource, where the local cloud lacks it. */
function whatIsLost(resource: CfnResource): string | undefined {
  if (resource instanceof CfnAlarm && resource.metrics !== undefined) {
    return "alarms on metric math";
  }
  return UNKNOWN_TYPES[resource.cfnResourceType];
}

function neverIn(stack: Stack): CfnCondition {
  const id = "LocalCloudLacksIt";
  const existing = stack.node.tryFindChild(id);
  return existing instanceof CfnCondition
    ? existing
    : new CfnCondition(stack, id, { expression: Fn.conditionEquals("present", "absent") });
}

/**
 * Gives tasks what AWS would give them.
 *
 * Credentials and region: the local cloud offers tasks credentials at an address that
 * the Rust SDK refuses, and names no region. Secrets: its CloudFormation hands the
 * entries of a container's `Secrets` on as they are written, and its ECS reads them in
 * the letter case of the API.
 */
class CompleteTasks implements IAspect {
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  visit(node: IConstruct): void {
    if (!(node instanceof CfnTaskDefinition)) {
      return;
    }
    const containers: Container[] = Stack.of(node).resolve(node.containerDefinitions);
    containers.forEach((container, index) => {
      const at = `ContainerDefinitions.${index}`;
      const environment = (container.environment ?? []).map(({ name, value }) => ({ Name: name, Value: value }));
      node.addPropertyOverride(`${at}.Environment`, [...environment, ...this.environment()]);
      const secrets = [...(container.secrets ?? []), ...this.extraSecrets(container.name)];
      if (secrets.length > 0) {
        node.addPropertyOverride(`${at}.Secrets`, secrets);
      }
    });
  }

  /** Credentials that are no secret at first sight. */
  private environment(): { Name: string; Value: string }[] {
    return [
      { Name: "AWS_ACCESS_KEY_ID", Value: LOCAL },
      { Name: "AWS_SECRET_ACCESS_KEY", Value: LOCAL },
      { Name: "AWS_REGION", Value: this.#target.region },
    ];
  }

  /** Nobody is asked for a database here: `deploy` starts one and stores its address like a user's. */
  private extraSecrets(container: string): SecretEntry[] {
    const { orchestrator, secrets } = this.#target.platform;
    const secret = orchestrator.secret === undefined ? undefined : secrets[orchestrator.secret];
    if (container !== orchestrator.container || secret === undefined) {
      return [];
    }
    const { account, region } = this.#target;
    const arn = `arn:aws:secretsmanager:${region}:${account}:secret:${secret.name}`;
    return [{ name: DATABASE_URL, valueFrom: `${arn}:${DATABASE_URL}::` }];
  }
}

/** A container definition as CDK resolves it, as far as it matters here. */
interface Container {
  readonly name: string;
  readonly environment?: readonly { readonly name: string; readonly value: string }[];
  readonly secrets?: readonly SecretEntry[];
}

interface SecretEntry {
  readonly name: string;
  readonly valueFrom: string;
}
