/** What all stacks have in common: name, account, tags. */

import { PermissionsBoundary, Stack, Tags } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { synthesizerFor } from "./local-cloud.ts";
import { stackName, type Target } from "./target.ts";

/** A stack of one concern. */
export abstract class ConcernStack extends Stack {
  protected readonly target: Target;

  constructor(scope: Construct, concern: string, description: string, target: Target) {
    super(scope, stackName(concern, target.name), {
      description: `${target.platform.project} ${target.name}: ${description}`,
      env: { account: target.account, region: target.region },
      synthesizer: synthesizerFor(target),
      terminationProtection: target.environment.protected,
      // CloudFormation may make no role without it (`bootstrap/execution-policies.json`).
      permissionsBoundary: PermissionsBoundary.fromArn(
        `arn:aws:iam::${target.account}:policy/${target.names.permissionsBoundary}`,
      ),
    });
    this.target = target;
    const tags = {
      project: target.platform.project,
      environment: target.name,
      owner: target.platform.owner,
      "managed-by": "cdk",
      // A stack stays until it is destroyed by name; a stack that may be swept away carries a time here.
      ttl: "none",
    };
    for (const [key, value] of Object.entries(tags)) {
      Tags.of(this).add(key, value);
    }
  }
}
