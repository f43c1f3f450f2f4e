import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Match, Template } from "aws-cdk-lib/assertions";
import { RUNBOOK } from "../../lib/observability/alarm-registry.ts";
import { metricNames } from "../../lib/observability/embedded-metrics.ts";
import { JOB_ENDED, JOB_TAKEN_UP } from "../../lib/observability/log-metrics.ts";
import { loadPlatform } from "../../lib/platform.ts";
import { createApp, ROOT, storeApp, template } from "../support.ts";

const dev = template("dev", "observability");

/** Alarms by name, without the prefix. */
const alarms = new Map<string, { AlarmDescription: string; AlarmActions?: unknown[] }>(
  Object.values(dev.findResources("AWS::CloudWatch::Alarm")).map((alarm) => [
    String(alarm["Properties"]["AlarmName"]).replace(/^app-gen-saas-/, ""),
    alarm["Properties"],
  ]),
);

/** The runbook's sections, each with its headings. */
const sections = new Map(
  readFileSync(join(ROOT, RUNBOOK), "utf8")
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.split("\n")[0], [...section.matchAll(/^### (.+)$/gm)].map((heading) => heading[1])]),
);

test("what has to be watched is", () => {
  assert.deepEqual([...alarms.keys()].sort(), [
    "dead-letters",
    "job-age",
    "job-failure-rate",
    "job-time",
    "log-errors",
    "memory",
    "running-below-desired",
    "server-errors",
    "task-failures",
    "throttles",
    "unhealthy-target",
  ]);
});

test("every alarm tells somebody, names its severity, and leads to its section of the runbook", () => {
  for (const [name, alarm] of alarms) {
    assert.equal(alarm.AlarmActions?.length, 1, name);
    assert.match(alarm.AlarmDescription, /^\[(urgent|soon)\] /, name);
    assert.ok(alarm.AlarmDescription.endsWith(` Runbook: ${RUNBOOK}#${name}`), alarm.AlarmDescription);
    assert.deepEqual(sections.get(name), ["Description", "Investigation", "Resolution"], `section ${name}`);
  }
});

test("where there is a queue, its age, its depth and its dead letters are watched, by the runbook", () => {
  const found = Template.fromStack(storeApp("dev").observability).findResources("AWS::CloudWatch::Alarm");
  const names = Object.values(found).map((alarm) => String(alarm["Properties"]["AlarmName"]).replace(/^app-gen-saas-/, ""));
  const more = names.filter((name) => !alarms.has(name)).sort();
  assert.deepEqual(more, ["dead-letters-of-queue", "queue-age", "queue-depth"]);
  for (const name of more) {
    assert.deepEqual(sections.get(name), ["Description", "Investigation", "Resolution"], `section ${name}`);
  }
});

test("the log lines that metrics are made from are in the orchestrator's sources", () => {
  const folder = join(ROOT, "app-gen-saas/src/worker");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".rs"));
  const sources = files.map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
  const logged = (message: string) => sources.match(new RegExp(`tracing::info!\\([^;]*"${message}"\\s*\\)`))?.[0];
  assert.match(logged(JOB_ENDED) ?? "", /\bstate = /);
  const takenUp = logged(JOB_TAKEN_UP) ?? "";
  assert.match(takenUp, /\bstate = /);
  assert.match(takenUp, /\bage_secs = /);
});

test("alarms on embedded metrics are those of metrics.toml, in the namespace that the orchestrator is given", () => {
  const expected = {
    "dead-letters": ["DeadLetters", "Sum", 300, 0],
    "job-time": ["JobTimePercent", "Maximum", 60, 80],
    throttles: ["Throttles", "Sum", 300, 20],
  } as const;
  for (const [name, [MetricName, Statistic, Period, Threshold]] of Object.entries(expected)) {
    dev.hasResourceProperties("AWS::CloudWatch::Alarm", {
      AlarmName: `app-gen-saas-${name}`,
      Namespace: "app-gen-saas",
      MetricName,
      Statistic,
      Period,
      Threshold,
      EvaluationPeriods: 1,
      ComparisonOperator: "GreaterThanThreshold",
      TreatMissingData: "notBreaching",
      Dimensions: Match.absent(),
    });
  }
});

/** The committed manifest, which asks for all metrics. */
function withAllMetrics() {
  const committed = loadPlatform();
  const environment = { ...committed.orchestrator.environment, METRICS: "emf" };
  return createApp("prod", { platform: { ...committed, orchestrator: { ...committed.orchestrator, environment } } });
}

test("the orchestrator writes the metrics that are paid for", () => {
  for (const [service, METRICS] of [
    [template("local", "service"), "none"],
    [template("prod", "service"), "emf-alarms"],
    [Template.fromStack(withAllMetrics().service), "emf"],
  ] as const) {
    service.hasResourceProperties("AWS::ECS::TaskDefinition", {
      ContainerDefinitions: Match.arrayWith([
        Match.objectLike({
          Environment: Match.arrayWith([
            { Name: "METRICS", Value: METRICS },
            { Name: "METRICS_NAMESPACE", Value: "app-gen-saas" },
          ]),
        }),
      ]),
    });
  }
});

test("every metric is written by the orchestrator", () => {
  const source = readFileSync(join(ROOT, "app-gen-saas/src/observe/metrics.rs"), "utf8");
  for (const name of metricNames()) {
    assert.ok(source.includes(`line.metric("${name}", `), name);
  }
  assert.equal([...source.matchAll(/line\.metric\("/g)].length, metricNames().length);
});

test("the dashboard shows what there is", () => {
  const shown = (of: Template) => JSON.stringify(of.findResources("AWS::CloudWatch::Dashboard"));
  for (const name of ["JobTimePercent", "Throttles", "DeadLetters"]) {
    assert.ok(shown(dev).includes(name), name);
  }
  assert.ok(!shown(dev).includes("StoreMillis"));
  assert.ok(shown(Template.fromStack(withAllMetrics().observability)).includes("StoreMillis"));
});

test("too few tasks are as many as platform.toml asks for, less one", () => {
  const committed = loadPlatform();
  const platform = { ...committed, orchestrator: { ...committed.orchestrator, desiredTasks: 3 } };
  const stack = Template.fromStack(createApp("dev", { platform }).observability);
  stack.hasResourceProperties("AWS::CloudWatch::Alarm", {
    AlarmName: "app-gen-saas-running-below-desired",
    Threshold: 3,
    ComparisonOperator: "LessThanThreshold",
  });
});

test("no task is no data, which is an alarm", () => {
  dev.hasResourceProperties("AWS::CloudWatch::Alarm", {
    AlarmName: "app-gen-saas-running-below-desired",
    Statistic: "SampleCount",
    Period: 60,
    Threshold: 1,
    ComparisonOperator: "LessThanThreshold",
    TreatMissingData: "breaching",
  });
});

test("alarms go out by mail, and only this account's are let in", () => {
  dev.hasResourceProperties("AWS::SNS::Subscription", { Protocol: "email", Endpoint: "alarms@example.com" });
  dev.hasResourceProperties("AWS::SNS::TopicPolicy", {
    PolicyDocument: {
      Statement: Match.arrayWith([
        Match.objectLike({
          Action: "sns:Publish",
          Principal: { Service: "cloudwatch.amazonaws.com" },
          Condition: { StringEquals: { "aws:SourceAccount": "000000000001" } },
        }),
      ]),
    },
  });
});

test("the budget is the ceiling of platform.toml, told of at 80 %", () => {
  for (const [environment, amount] of [
    ["dev", 50],
    ["prod", 150],
  ] as const) {
    template(environment, "observability").hasResourceProperties("AWS::Budgets::Budget", {
      Budget: { BudgetType: "COST", TimeUnit: "MONTHLY", BudgetLimit: { Amount: amount, Unit: "USD" } },
      NotificationsWithSubscribers: Match.arrayWith([
        {
          Notification: {
            NotificationType: "ACTUAL",
            Threshold: 80,
            ThresholdType: "PERCENTAGE",
            ComparisonOperator: "GREATER_THAN",
          },
          Subscribers: [{ SubscriptionType: "EMAIL", Address: "alarms@example.com" }],
        },
      ]),
    });
  }
  template("local", "observability").resourceCountIs("AWS::Budgets::Budget", 0);
});

test("what ECS says of a failed task is kept", () => {
  dev.hasResourceProperties("AWS::Events::Rule", {
    EventPattern: { source: ["aws.ecs"], detail: Match.objectLike({ lastStatus: ["STOPPED"] }) },
    Targets: [
      Match.objectLike({
        Arn: "arn:aws:logs:us-east-1:000000000001:log-group:/aws/events/app-gen-saas-task-failures",
      }),
    ],
  });
});
