/**
 * Tasks that did not start, crashed or ran out of memory.
 *
 * ECS forgets a stopped task after an hour, so the event of its end is written to a log
 * group at once; the rule's own count feeds the alarm.
 */

import { Duration } from "aws-cdk-lib";
import { Metric, Stats } from "aws-cdk-lib/aws-cloudwatch";
import { Match, Rule } from "aws-cdk-lib/aws-events";
import { PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { ResourcePolicy } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import { Arns } from "../arns.ts";
import type { Target } from "../target.ts";

/**
 * Exit codes of a generator that worked correctly (`app-gen/contract/src/exit.rs`): it succeeded, reported why the job
 * failed, ended because a person must decide (3) or a limit must pass (4), or was asked to stop.
 */
const ORDERLY_EXIT_CODES = [0, 1, 3, 4, 143];

/** Records and counts task failures. */
export class TaskFailures extends Construct {
  /** Failed tasks. */
  readonly count: Metric;

  constructor(scope: Construct, id: string, target: Target) {
    super(scope, id);
    const arns = new Arns(target);
    const { taskFailureRule, taskFailureLogGroup } = target.names;
    const logGroupArn = arns.logGroup(taskFailureLogGroup);
    const rule = new Rule(this, "Rule", {
      ruleName: taskFailureRule,
      description: "Tasks that did not start, crashed or ran out of memory",
      eventPattern: {
        source: ["aws.ecs"],
        detailType: ["ECS Task State Change"],
        detail: {
          clusterArn: [arns.cluster()],
          lastStatus: ["STOPPED"],
          $or: [
            { stopCode: ["TaskFailedToStart"] },
            // A service's container must not end by itself.
            { group: Match.prefix("service:"), stopCode: ["EssentialContainerExited"] },
            { group: Match.prefix("family:"), containers: { exitCode: Match.anythingBut(...ORDERLY_EXIT_CODES) } },
          ],
        },
      },
    });
    // CDK's own target would bring a Lambda function to write the policy below.
    rule.addTarget({ bind: () => ({ arn: logGroupArn }) });
    const write = new PolicyStatement({
      principals: [new ServicePrincipal("events.amazonaws.com"), new ServicePrincipal("delivery.logs.amazonaws.com")],
      actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
      resources: [arns.logStreams(taskFailureLogGroup)],
      conditions: { ArnEquals: { "aws:SourceArn": rule.ruleArn } },
    });
    new ResourcePolicy(this, "MayWrite", { resourcePolicyName: taskFailureRule, policyStatements: [write] });
    this.count = new Metric({
      namespace: "AWS/Events",
      metricName: "Invocations",
      dimensionsMap: { RuleName: taskFailureRule },
      statistic: Stats.SUM,
      period: Duration.minutes(5),
    });
  }
}
