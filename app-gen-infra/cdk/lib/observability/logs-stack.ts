/**
 * Log groups, in a stack of their own: when the first deployment of the service
 * fails, CloudFormation removes all that its stack made, and the log that says why
 * must not be among that.
 */

import { RemovalPolicy } from "aws-cdk-lib";
import { LogGroup, type RetentionDays } from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";
import { ConcernStack } from "../stack.ts";
import type { Target } from "../target.ts";

/** The log groups of all that runs. */
export class LogsStack extends ConcernStack {
  constructor(scope: Construct, target: Target) {
    super(scope, "Logs", "log groups", target);
    this.createLogGroup("Orchestrator", target.names.orchestrator.logGroup);
    this.createLogGroup("Generator", target.names.generator.logGroup);
    this.createLogGroup("Preview", target.names.preview.logGroup);
    this.createLogGroup("TaskFailures", target.names.taskFailureLogGroup);
  }

  private createLogGroup(id: string, name: string): void {
    const { logRetentionDays, protected: keep } = this.target.environment;
    new LogGroup(this, id, {
      logGroupName: name,
      // The manifest's reader admits only numbers of days that CloudWatch Logs offers.
      retention: logRetentionDays as RetentionDays,
      removalPolicy: keep ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
  }
}
