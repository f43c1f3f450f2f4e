/** Every alarm. Each has a section in the runbook, under the same name. */

import { Duration } from "aws-cdk-lib";
import { ComparisonOperator, MathExpression, Metric, Stats, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import type { AlarmRegistry } from "./alarm-registry.ts";
import type { LogMetrics } from "./log-metrics.ts";
import type { QueueMetrics } from "./queue-metrics.ts";
import type { ServiceMetrics } from "./service-metrics.ts";

/** What the alarms watch. */
export interface AlarmProps {
  readonly service: ServiceMetrics;
  readonly logs: LogMetrics;
  /** Failed tasks. */
  readonly taskFailures: Metric;
  /** How many orchestrators the manifest asks for. */
  readonly desiredTasks: number;
  /** The queues, where there are any. */
  readonly queues: QueueMetrics | undefined;
}

const { GREATER_THAN_THRESHOLD, LESS_THAN_THRESHOLD } = ComparisonOperator;
const { BREACHING, NOT_BREACHING } = TreatMissingData;

/** Adds all alarms. */
export function addAlarms(alarms: AlarmRegistry, props: AlarmProps): void {
  addServiceAlarms(alarms, props.service, props.desiredTasks);
  addJobAlarms(alarms, props.logs);
  if (props.queues !== undefined) {
    addQueueAlarms(alarms, props.queues);
  }
  alarms.add("log-errors", {
    severity: "soon",
    summary: "The orchestrator logs more than 5 errors in 5 minutes.",
    metric: props.logs.errors,
    threshold: 5,
    comparisonOperator: GREATER_THAN_THRESHOLD,
    evaluationPeriods: 1,
    treatMissingData: NOT_BREACHING,
  });
  alarms.add("task-failures", {
    severity: "soon",
    summary: "Tasks do not start, crash or run out of memory: 3 or more in 15 minutes.",
    metric: props.taskFailures.with({ period: Duration.minutes(15) }),
    threshold: 2,
    comparisonOperator: GREATER_THAN_THRESHOLD,
    evaluationPeriods: 1,
    treatMissingData: NOT_BREACHING,
  });
}

function addServiceAlarms(alarms: AlarmRegistry, service: ServiceMetrics, desiredTasks: number): void {
  alarms.add("server-errors", {
    severity: "urgent",
    summary: "More than 5 % of the requests of 5 minutes end with a 5xx, twice in 15 minutes.",
    metric: service.serverErrorPercent,
    threshold: 5,
    comparisonOperator: GREATER_THAN_THRESHOLD,
    evaluationPeriods: 3,
    datapointsToAlarm: 2,
    treatMissingData: NOT_BREACHING,
  });
  alarms.add("unhealthy-target", {
    severity: "urgent",
    summary: "A task has failed its health checks for 3 minutes.",
    metric: service.unhealthyTargets,
    threshold: 0,
    comparisonOperator: GREATER_THAN_THRESHOLD,
    evaluationPeriods: 3,
    treatMissingData: NOT_BREACHING,
  });
  alarms.add("running-below-desired", {
    severity: "urgent",
    summary: "Fewer orchestrators run than the service asks for, for 5 minutes.",
    metric: service.runningTasks,
    // No free metric says how many tasks a service asks for. `cargo xtask scale` and every rollout
    // set this threshold to the service's own number, and silence the alarm where that is 0.
    threshold: desiredTasks,
    comparisonOperator: LESS_THAN_THRESHOLD,
    evaluationPeriods: 5,
    // Where nothing runs, nothing reports.
    treatMissingData: BREACHING,
  });
  alarms.add("memory", {
    severity: "soon",
    summary: "The orchestrator has used more than 85 % of its memory for 15 minutes.",
    metric: service.memoryPercent,
    threshold: 85,
    comparisonOperator: GREATER_THAN_THRESHOLD,
    evaluationPeriods: 3,
    treatMissingData: NOT_BREACHING,
  });
}

function addJobAlarms(alarms: AlarmRegistry, logs: LogMetrics): void {
  const hour = { period: Duration.hours(1), statistic: Stats.SUM };
  alarms.add("job-failure-rate", {
    severity: "soon",
    summary: "More than half of the jobs of an hour failed, of at least 3.",
    metric: new MathExpression({
      label: "Failed jobs, percent",
      // A single failed job says nothing about the others.
      expression: "IF(ended >= 3, 100 * failed / ended, 0)",
      usingMetrics: { failed: logs.jobsFailed.with(hour), ended: logs.jobsEnded.with(hour) },
      period: hour.period,
    }),
    threshold: 50,
    comparisonOperator: GREATER_THAN_THRESHOLD,
    evaluationPeriods: 1,
    treatMissingData: NOT_BREACHING,
  });
  alarms.add("job-age", {
    severity: "soon",
    summary: "A job waited longer than 10 minutes before it was taken up.",
    metric: logs.jobAgeSecs,
    threshold: Duration.minutes(10).toSeconds(),
    comparisonOperator: GREATER_THAN_THRESHOLD,
    evaluationPeriods: 1,
    treatMissingData: NOT_BREACHING,
  });
}

function addQueueAlarms(alarms: AlarmRegistry, queues: QueueMetrics): void {
  alarms.add("queue-age", {
    severity: "soon",
    summary: "A job has waited in the queue for more than 15 minutes.",
    metric: queues.oldestSecs,
    threshold: Duration.minutes(15).toSeconds(),
    comparisonOperator: GREATER_THAN_THRESHOLD,
    evaluationPeriods: 1,
    treatMissingData: NOT_BREACHING,
  });
  alarms.add("queue-depth", {
    severity: "soon",
    summary: "More than 100 jobs have waited in the queue for 15 minutes.",
    metric: queues.waiting,
    threshold: 100,
    comparisonOperator: GREATER_THAN_THRESHOLD,
    evaluationPeriods: 3,
    treatMissingData: NOT_BREACHING,
  });
  alarms.add("dead-letters-of-queue", {
    severity: "soon",
    summary: "A message about a job was received five times, and no orchestrator took care of it.",
    metric: queues.deadLetters,
    threshold: 0,
    comparisonOperator: GREATER_THAN_THRESHOLD,
    evaluationPeriods: 1,
    treatMissingData: NOT_BREACHING,
  });
}
