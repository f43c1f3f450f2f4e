/** Free metrics of the load balancer and of ECS. */

import { Duration } from "aws-cdk-lib";
import { MathExpression, Metric, Stats } from "aws-cdk-lib/aws-cloudwatch";
import { HttpCodeElb, HttpCodeTarget } from "aws-cdk-lib/aws-elasticloadbalancingv2";
import type { Entrance } from "../service/load-balancer.ts";
import type { Target } from "../target.ts";

const MINUTE = { period: Duration.minutes(1) };
const FIVE_MINUTES = { period: Duration.minutes(5) };

/** Below this many requests a percentage says nothing. */
const MIN_REQUESTS = 20;

/** Metrics of the orchestrator as a service. */
export class ServiceMetrics {
  readonly requests: Metric;
  readonly serverErrors: Metric;
  readonly loadBalancerErrors: Metric;
  /** Of all requests, those that the orchestrator or the load balancer answered with a 5xx. */
  readonly serverErrorPercent: MathExpression;
  readonly responseSecsMedian: Metric;
  readonly responseSecsP95: Metric;
  readonly healthyTargets: Metric;
  readonly unhealthyTargets: Metric;
  readonly cpuPercent: Metric;
  readonly memoryPercent: Metric;
  /** Tasks that run. */
  readonly runningTasks: Metric;

  constructor(target: Target, entrance: Entrance) {
    const { loadBalancer } = entrance;
    this.requests = loadBalancer.metrics.requestCount(FIVE_MINUTES);
    this.serverErrors = loadBalancer.metrics.httpCodeTarget(HttpCodeTarget.TARGET_5XX_COUNT, FIVE_MINUTES);
    this.loadBalancerErrors = loadBalancer.metrics.httpCodeElb(HttpCodeElb.ELB_5XX_COUNT, FIVE_MINUTES);
    this.serverErrorPercent = new MathExpression({
      label: "5xx, percent",
      // A count of nothing is reported as no data at all.
      expression: `IF(requests >= ${MIN_REQUESTS}, 100 * (FILL(target, 0) + FILL(balancer, 0)) / requests, 0)`,
      usingMetrics: { requests: this.requests, target: this.serverErrors, balancer: this.loadBalancerErrors },
      ...FIVE_MINUTES,
    });
    this.responseSecsMedian = loadBalancer.metrics.targetResponseTime({ ...FIVE_MINUTES, statistic: Stats.p(50) });
    this.responseSecsP95 = loadBalancer.metrics.targetResponseTime({ ...FIVE_MINUTES, statistic: Stats.p(95) });
    this.healthyTargets = hostMetric(entrance, "HealthyHostCount", Stats.MINIMUM);
    this.unhealthyTargets = hostMetric(entrance, "UnHealthyHostCount", Stats.MAXIMUM);
    this.cpuPercent = ecsMetric(target, "CPUUtilization", { ...FIVE_MINUTES, statistic: Stats.AVERAGE });
    this.memoryPercent = ecsMetric(target, "MemoryUtilization", { ...FIVE_MINUTES, statistic: Stats.MAXIMUM });
    // Every running task sends one sample a minute: their number is the number of tasks,
    // and Container Insights, which counts tasks for money, is not needed.
    this.runningTasks = ecsMetric(target, "CPUUtilization", {
      ...MINUTE,
      statistic: Stats.SAMPLE_COUNT,
    });
  }
}

/** By the group's own attributes: CDK takes the listener's ARN apart, which no other stack's output allows. */
function hostMetric({ loadBalancer, targetGroup }: Entrance, metricName: string, statistic: string): Metric {
  return new Metric({
    namespace: "AWS/ApplicationELB",
    metricName,
    dimensionsMap: {
      LoadBalancer: loadBalancer.loadBalancerFullName,
      TargetGroup: targetGroup.targetGroupFullName,
    },
    statistic,
    ...MINUTE,
  });
}

function ecsMetric(
  target: Target,
  metricName: string,
  options: { period: Duration; statistic: string },
): Metric {
  return new Metric({
    namespace: "AWS/ECS",
    metricName,
    dimensionsMap: { ClusterName: target.names.cluster, ServiceName: target.names.service },
    ...options,
  });
}
