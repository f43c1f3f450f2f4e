/** Observability of the platform: metrics, alarms, dashboard, budget. */

import { CfnOutput } from "aws-cdk-lib";
import { PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Topic } from "aws-cdk-lib/aws-sns";
import { EmailSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import type { Construct } from "constructs";
import type { Entrance } from "../service/load-balancer.ts";
import { ConcernStack } from "../stack.ts";
import type { Target } from "../target.ts";
import { AlarmRegistry } from "./alarm-registry.ts";
import { type AlarmProps, addAlarms } from "./alarms.ts";
import { createBudget } from "./budget.ts";
import { createDashboard } from "./dashboard.ts";
import { addEmbeddedAlarms } from "./embedded-metrics.ts";
import { LogMetrics } from "./log-metrics.ts";
import { QueueMetrics } from "./queue-metrics.ts";
import { ServiceMetrics } from "./service-metrics.ts";
import { TaskFailures } from "./task-failures.ts";

/** What the observability stack watches. */
export interface ObservabilityStackProps {
  readonly target: Target;
  readonly entrance: Entrance;
}

/** Metrics, alarms, dashboard, budget. */
export class ObservabilityStack extends ConcernStack {
  constructor(scope: Construct, { target, entrance }: ObservabilityStackProps) {
    super(scope, "Observability", "alarms, dashboard, budget", target);
    const { names, environment } = target;
    const topic = this.createTopic();
    const alarms = new AlarmRegistry(this, names.alarmPrefix, topic);
    const watched: AlarmProps = {
      service: new ServiceMetrics(target, entrance),
      logs: new LogMetrics(this, "LogMetrics", target),
      taskFailures: new TaskFailures(this, "TaskFailures", target).count,
      desiredTasks: target.platform.orchestrator.desiredTasks,
      queues: target.hasTable ? new QueueMetrics(target) : undefined,
    };
    addAlarms(alarms, watched);
    addEmbeddedAlarms(alarms, target);
    createDashboard(this, target, alarms, watched);
    if (environment.budgetUsdPerMonth !== undefined && environment.alarmEmail !== undefined) {
      createBudget(this, {
        name: `${target.platform.project}-${target.name}`,
        usdPerMonth: environment.budgetUsdPerMonth,
        email: environment.alarmEmail,
      });
    }
    new CfnOutput(this, "DashboardName", { value: names.dashboard });
    new CfnOutput(this, "AlarmTopicArn", { value: topic.topicArn });
  }

  private createTopic(): Topic {
    const { names, environment } = this.target;
    const topic = new Topic(this, "Alarms", { topicName: names.alarmTopic, enforceSSL: true });
    // A topic with a policy of its own has lost the default policy, which admits the account's alarms.
    topic.addToResourcePolicy(
      new PolicyStatement({
        sid: "AlarmsOfThisAccount",
        principals: [new ServicePrincipal("cloudwatch.amazonaws.com")],
        actions: ["sns:Publish"],
        resources: [topic.topicArn],
        conditions: { StringEquals: { "aws:SourceAccount": this.account } },
      }),
    );
    if (environment.alarmEmail !== undefined) {
      topic.addSubscription(new EmailSubscription(environment.alarmEmail));
    }
    return topic;
  }
}
