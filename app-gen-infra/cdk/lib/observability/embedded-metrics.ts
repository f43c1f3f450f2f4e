/** Metrics that the orchestrator embeds in its log, and the alarms on them, by `metrics.toml`. */

import { fileURLToPath } from "node:url";
import { Duration } from "aws-cdk-lib";
import { ComparisonOperator, Metric, Stats, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import type { Target } from "../target.ts";
import { Table } from "../table.ts";
import type { AlarmRegistry, Severity } from "./alarm-registry.ts";

const METRICS_PATH = fileURLToPath(new URL("./metrics.toml", import.meta.url));

/**
 * What the orchestrator's variable `METRICS` is in an environment. Each metric costs money: the manifest asks for all
 * of them with `emf`.
 */
export function metricsMode({ isLocal, platform }: Target): string {
  // The local cloud makes no metrics of logs.
  return isLocal ? "none" : (platform.orchestrator.environment["METRICS"] ?? "emf-alarms");
}

/** The names of all metrics. */
export function metricNames(): string[] {
  return Table.ofFile(METRICS_PATH).stringList("metrics");
}

/** A metric of the orchestrator. It has no dimensions. */
export function embedded(target: Target, metricName: string, statistic: string, period: Duration): Metric {
  if (!metricNames().includes(metricName)) {
    throw new Error(`metrics.toml: there is no metric ${metricName}`);
  }
  return new Metric({ namespace: target.names.metricNamespace, metricName, statistic, period });
}

/** Adds the alarms of `metrics.toml`. */
export function addEmbeddedAlarms(alarms: AlarmRegistry, target: Target): void {
  const specs = Table.ofFile(METRICS_PATH).table("alarms").map((table) => ({
    severity: severity(table.string("severity")),
    summary: table.string("summary"),
    metric: embedded(
      target,
      table.string("metric"),
      table.string("statistic"),
      Duration.seconds(table.number("period_secs")),
    ),
    threshold: table.number("threshold"),
    evaluationPeriods: table.number("periods"),
  }));
  for (const [id, spec] of Object.entries(specs)) {
    alarms.add(id, {
      ...spec,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      // Who does not run reports nothing, and another alarm says so.
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
  }
}

function severity(text: string): Severity {
  if (text === "urgent" || text === "soon") {
    return text;
  }
  throw new Error(`metrics.toml: severity is ${text}; it is urgent or soon`);
}

/** What the dashboard shows of an environment with all metrics. */
export interface DashboardMetrics {
  readonly queue: Metric;
  readonly age: Metric;
  readonly streams: Metric;
  readonly usd: Metric;
  readonly tokens: Metric;
  readonly store: Metric;
  readonly storeBytes: Metric;
}

/** The metrics of an environment with all of them. */
export function dashboardMetrics(target: Target): DashboardMetrics {
  const minutes = Duration.minutes(5);
  return {
    queue: embedded(target, "QueueDepth", Stats.MAXIMUM, minutes),
    age: embedded(target, "QueueAgeSeconds", Stats.MAXIMUM, minutes),
    streams: embedded(target, "Streams", Stats.SUM, Duration.minutes(1)),
    usd: embedded(target, "Usd", Stats.SUM, minutes),
    tokens: embedded(target, "Tokens", Stats.SUM, minutes),
    store: embedded(target, "StoreMillis", Stats.p(95), minutes),
    storeBytes: embedded(target, "StoreBytes", Stats.SUM, minutes),
  };
}
