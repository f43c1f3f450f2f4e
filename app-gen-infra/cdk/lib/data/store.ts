/**
 * Where the orchestrator keeps everything without a database: a table on demand, and a queue that wakes who waits for
 * jobs. `store.json` has the keys, which the orchestrator's tests read, too; docs/stores.md says what is in it.
 */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Duration, RemovalPolicy, Validations } from "aws-cdk-lib";
import { AttributeType, BillingMode, ProjectionType, Table as DynamoTable, TableEncryption } from "aws-cdk-lib/aws-dynamodb";
import { Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";
import type { Target } from "../target.ts";

const SCHEMA_PATH = fileURLToPath(new URL("./store.json", import.meta.url));

/** How long a dead letter is kept: as long as SQS keeps any. */
const DEAD_LETTER_DAYS = 14;

interface Schema {
  readonly partition_key: string;
  readonly sort_key: string;
  readonly time_to_live: string;
  readonly index: {
    readonly name: string;
    readonly partition_key: string;
    readonly sort_key: string;
    readonly attributes: string[];
  };
  readonly queue: {
    readonly visibility_secs: number;
    readonly retention_secs: number;
    readonly max_receives: number;
  };
}

function schema(): Schema {
  return JSON.parse(readFileSync(SCHEMA_PATH, "utf8"));
}

/** The index of what somebody has to look after. */
export function workIndex(): string {
  return schema().index.name;
}

/** Makes the table and the queues. */
export function createStore(scope: Construct, target: Target): void {
  createTable(scope, target);
  createQueues(scope, target);
}

function createTable(scope: Construct, { environment, names }: Target): void {
  const { index, partition_key, sort_key, time_to_live } = schema();
  const text = (name: string) => ({ name, type: AttributeType.STRING });
  const table = new DynamoTable(scope, "Table", {
    tableName: names.table,
    partitionKey: text(partition_key),
    sortKey: text(sort_key),
    timeToLiveAttribute: time_to_live,
    billingMode: BillingMode.PAY_PER_REQUEST,
    encryption: TableEncryption.DEFAULT,
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    // It is all that the environment knows.
    deletionProtection: environment.protected,
    removalPolicy: environment.protected ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
  });
  table.addGlobalSecondaryIndex({
    indexName: index.name,
    partitionKey: text(index.partition_key),
    sortKey: text(index.sort_key),
    projectionType: ProjectionType.INCLUDE,
    nonKeyAttributes: index.attributes,
  });
}

function createQueues(scope: Construct, { names }: Target): void {
  const { max_receives, retention_secs, visibility_secs } = schema().queue;
  const deadLetters = new Queue(scope, "DeadLetters", {
    queueName: names.deadLetterQueue,
    encryption: QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    retentionPeriod: Duration.days(DEAD_LETTER_DAYS),
  });
  new Queue(scope, "Jobs", {
    queueName: names.jobQueue,
    encryption: QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    visibilityTimeout: Duration.seconds(visibility_secs),
    retentionPeriod: Duration.seconds(retention_secs),
    deadLetterQueue: { queue: deadLetters, maxReceiveCount: max_receives },
  });
  Validations.of(deadLetters).acknowledge({
    id: "AwsSolutions-SQS3",
    reason: "it is the queue of dead letters itself",
  });
}
