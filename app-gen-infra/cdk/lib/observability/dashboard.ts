/** One dashboard: is it up, is it fast, do jobs come out. */

import { AlarmStatusWidget, Dashboard, GraphWidget, type IMetric } from "aws-cdk-lib/aws-cloudwatch";
import type { Construct } from "constructs";
import type { AlarmRegistry } from "./alarm-registry.ts";
import type { AlarmProps } from "./alarms.ts";

/** CloudWatch's grid is 24 wide. */
const FULL_WIDTH = 24;
const HALF_WIDTH = 12;

/** Makes the dashboard. */
export function createDashboard(scope: Construct, name: string, alarms: AlarmRegistry, props: AlarmProps): Dashboard {
  const { service, logs, taskFailures } = props;
  return new Dashboard(scope, "Dashboard", {
    dashboardName: name,
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
    ],
  });
}

function graph(title: string, left: IMetric[], right: IMetric[] = []): GraphWidget {
  return new GraphWidget({ title, left, right, width: HALF_WIDTH });
}
