/** Free metrics of the queues that wake who waits for jobs. */

import { Duration } from "aws-cdk-lib";
import { Metric, Stats } from "aws-cdk-lib/aws-cloudwatch";
import type { Target } from "../target.ts";

/** How many jobs wait, for how long, and how many messages nobody took care of. */
export class QueueMetrics {
  readonly waiting: Metric;
  readonly oldestSecs: Metric;
  readonly deadLetters: Metric;

  constructor({ names }: Target) {
    this.waiting = queueMetric(names.jobQueue, "ApproximateNumberOfMessagesVisible");
    this.oldestSecs = queueMetric(names.jobQueue, "ApproximateAgeOfOldestMessage");
    this.deadLetters = queueMetric(names.deadLetterQueue, "ApproximateNumberOfMessagesVisible");
  }
}

function queueMetric(queue: string, metricName: string): Metric {
  return new Metric({
    namespace: "AWS/SQS",
    metricName,
    dimensionsMap: { QueueName: queue },
    statistic: Stats.MAXIMUM,
    period: Duration.minutes(5),
  });
}
