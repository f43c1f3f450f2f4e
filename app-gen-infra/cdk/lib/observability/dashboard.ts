/** One dashboard: is it up, is it fast, do jobs come out. */

import { Duration } from "aws-cdk-lib";
import {
  AlarmStatusWidget,
  Dashboard,
  GraphWidget,
  type IMetric,
  type IWidget,
  LogQueryVisualizationType,
  LogQueryWidget,
  Stats,
} from "aws-cdk-lib/aws-cloudwatch";
import type { Construct } from "constructs";
import type { Target } from "../target.ts";
import type { AlarmRegistry } from "./alarm-registry.ts";
import type { AlarmProps } from "./alarms.ts";
import { dashboardMetrics, embedded, metricsMode } from "./embedded-metrics.ts";

/** CloudWatch's grid is 24 wide. */
const FULL_WIDTH = 24;
const HALF_WIDTH = 12;

/** Makes the dashboard. */
export function createDashboard(scope: Construct, target: Target, alarms: AlarmRegistry, props: AlarmProps): Dashboard {
  const { service, logs, taskFailures } = props;
  return new Dashboard(scope, "Dashboard", {
    dashboardName: target.names.dashboard,
    widgets: [
      [new AlarmStatusWidget({ title: "Alarms", alarms: alarms.alarms, width: FULL_WIDTH, height: 3 })],
      [
        graph("Requests", [service.requests], [service.serverErrors, service.loadBalancerErrors]),
        graph("Response time, seconds", [service.responseSecsMedian, service.responseSecsP95]),
      ],
      [
        graph("Tasks", [service.runningTasks, service.healthyTargets, service.unhealthyTargets]),
        graph("CPU and memory, percent", [service.cpuPercent, service.memoryPercent]),
      ],
      [
        graph("Jobs", [logs.jobsEnded, logs.jobsFailed], [logs.jobAgeSecs]),
        graph("Errors", [logs.errors, taskFailures]),
      ],
      [
        graph("Time of the oldest job, percent of its limit", [
          embedded(target, "JobTimePercent", Stats.MAXIMUM, Duration.minutes(1)),
        ]),
        graph("Calls that AWS refused, jobs that nobody ended", [
          embedded(target, "Throttles", Stats.SUM, Duration.minutes(5)),
          embedded(target, "DeadLetters", Stats.SUM, Duration.minutes(5)),
        ]),
      ],
      ...embeddedRows(target),
      [jobsByState(target)],
    ],
  });
}

function graph(title: string, left: IMetric[], right: IMetric[] = []): GraphWidget {
  return new GraphWidget({ title, left, right, width: HALF_WIDTH });
}

/** Rows of the metrics that only some environments pay for. Elsewhere the log has the same numbers. */
function embeddedRows(target: Target): IWidget[][] {
  if (metricsMode(target) !== "emf") {
    return [];
  }
  const { queue, age, streams, usd, tokens, store, storeBytes } = dashboardMetrics(target);
  return [
    [graph("Queue, and its oldest job in seconds", [queue], [age]), graph("Live streams", [streams])],
    [graph("Dollars and tokens", [usd], [tokens]), graph("Store: milliseconds, bytes", [store], [storeBytes])],
  ];
}

/** Jobs by state and provider, from the log: as metrics, each pair would be one more to pay for. */
function jobsByState(target: Target): LogQueryWidget {
  return new LogQueryWidget({
    title: "Jobs by state and provider, newest first",
    logGroupNames: [target.names.orchestrator.logGroup],
    view: LogQueryVisualizationType.TABLE,
    queryLines: [
      "fields @timestamp, QueueDepth, QueueAgeSeconds, jobs.queued.claude, jobs.queued.codex, jobs.running.claude, jobs.running.codex",
      "filter ispresent(QueueDepth)",
      "sort @timestamp desc",
      "limit 30",
    ],
    width: FULL_WIDTH,
    height: 6,
  });
}
