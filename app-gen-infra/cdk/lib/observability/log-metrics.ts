/**
 * Metrics made from what the orchestrator logs (JSON lines).
 *
 * The lines are a contract with `app-gen-saas`; a test looks for each of them in its
 * sources, because an alarm on a line that nobody writes is silent for ever.
 */

import { Duration } from "aws-cdk-lib";
import { Metric, Stats } from "aws-cdk-lib/aws-cloudwatch";
import { FilterPattern, LogGroup, MetricFilter } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import type { Target } from "../target.ts";

/** Logged when a job reaches its last state, with `state`. */
export const JOB_ENDED = "a job has ended";

/** Logged when an orchestrator claims a job, with `state` and the job's `age_secs`. */
export const JOB_TAKEN_UP = "following a job";

/** States of a job that ended otherwise than its user meant it to. */
const FAILED_STATES = ["failed", "timed_out", "lost"];

/** The metrics. */
export class LogMetrics extends Construct {
  /** Log lines of level ERROR. */
  readonly errors: Metric;
  /** Jobs that ended, however. */
  readonly jobsEnded: Metric;
  /** Jobs that failed, ran out of time or were lost. */
  readonly jobsFailed: Metric;
  /** Age of the oldest job when it was claimed. */
  readonly jobAgeSecs: Metric;

  constructor(scope: Construct, id: string, target: Target) {
    super(scope, id);
    const logGroup = LogGroup.fromLogGroupName(this, "Log", target.names.orchestrator.logGroup);
    const namespace = target.names.metricNamespace;
    const filter = (metricName: string, pattern: string, metricValue = "1"): MetricFilter =>
      new MetricFilter(this, metricName, {
        logGroup,
        metricNamespace: namespace,
        metricName,
        metricValue,
        filterName: metricName,
        filterPattern: FilterPattern.literal(pattern),
      });
    const period = Duration.minutes(5);
    const sum = { statistic: Stats.SUM, period };
    const failed = FAILED_STATES.map((state) => `$.state = "${state}"`).join(" || ");
    this.errors = filter("LogErrors", `{ $.level = "ERROR" }`).metric(sum);
    this.jobsEnded = filter("JobsEnded", `{ $.message = "${JOB_ENDED}" }`).metric(sum);
    this.jobsFailed = filter("JobsFailed", `{ $.message = "${JOB_ENDED}" && (${failed}) }`).metric(sum);
    this.jobAgeSecs = filter(
      "JobAgeSeconds",
      // A job in a later state was taken over from another orchestrator and waits for nothing.
      `{ $.message = "${JOB_TAKEN_UP}" && $.state = "starting" }`,
      "$.age_secs",
    ).metric({ statistic: Stats.MAXIMUM, period });
  }
}
