/** The table and the queues of an environment that keeps everything there. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Match, Template } from "aws-cdk-lib/assertions";
import { storeApp, template } from "../support.ts";

const data = Template.fromStack(storeApp("dev").data);

test("the table is paid by use, forgets what has a time, and can be restored", () => {
  data.resourceCountIs("AWS::DynamoDB::Table", 1);
  data.hasResourceProperties("AWS::DynamoDB::Table", {
    TableName: "app-gen-saas",
    BillingMode: "PAY_PER_REQUEST",
    KeySchema: [
      { AttributeName: "pk", KeyType: "HASH" },
      { AttributeName: "sk", KeyType: "RANGE" },
    ],
    TimeToLiveSpecification: { AttributeName: "expires", Enabled: true },
    PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    GlobalSecondaryIndexes: [
      Match.objectLike({ IndexName: "work", Projection: Match.objectLike({ ProjectionType: "INCLUDE" }) }),
    ],
  });
});

test("what a queue could not deliver is a dead letter, and no queue takes requests without TLS", () => {
  data.resourceCountIs("AWS::SQS::Queue", 2);
  data.resourceCountIs("AWS::SQS::QueuePolicy", 2);
  data.hasResourceProperties("AWS::SQS::Queue", {
    QueueName: "app-gen-saas-jobs",
    RedrivePolicy: Match.objectLike({ maxReceiveCount: 5 }),
    SqsManagedSseEnabled: true,
  });
});

test("the table outlives the stack where the environment is protected", () => {
  const protectedData = Template.fromStack(storeApp("prod").data);
  protectedData.hasResource("AWS::DynamoDB::Table", {
    DeletionPolicy: "Retain",
    Properties: Match.objectLike({ DeletionProtectionEnabled: true }),
  });
});

test("an environment with a database has neither", () => {
  template("dev", "data").resourceCountIs("AWS::DynamoDB::Table", 0);
  template("dev", "data").resourceCountIs("AWS::SQS::Queue", 0);
});

test("the orchestrator is told where, and is given no address of a database", () => {
  const service = JSON.stringify(Template.fromStack(storeApp("dev").service).toJSON());
  assert.ok(service.includes("https://sqs.us-east-1.amazonaws.com/000000000001/app-gen-saas-jobs"));
  assert.ok(!service.includes("DATABASE_URL"));
});

test("the queues are watched", () => {
  const alarms = Template.fromStack(storeApp("dev").observability);
  for (const name of ["queue-age", "queue-depth", "dead-letters-of-queue"]) {
    alarms.hasResourceProperties("AWS::CloudWatch::Alarm", { AlarmName: `app-gen-saas-${name}` });
  }
});
