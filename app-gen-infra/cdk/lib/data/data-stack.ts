/**
 * Buckets: job specs and generated applications, and the access logs about them. With `storage_mode = "dynamodb"` the
 * table and the queues, too.
 */

import { Duration, RemovalPolicy, Validations } from "aws-cdk-lib";
import { PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { BlockPublicAccess, Bucket, BucketEncryption, type BucketProps, ObjectOwnership } from "aws-cdk-lib/aws-s3";
import type { Construct } from "constructs";
import { ConcernStack } from "../stack.ts";
import type { Target } from "../target.ts";
import { createStore } from "./store.ts";

/** Start of the keys of everything that belongs to a job. */
export const JOBS_PREFIX = "jobs/";
/** Start of the keys of all versions of projects. They stay until their project is deleted. */
export const PROJECTS_PREFIX = "projects/";
/** Start of the keys of files that wait to be attached to a job. The orchestrator removes them after a day. */
export const ATTACHMENTS_PREFIX = "attachments/";
/** Start of the keys of templates. They stay until they are removed. */
export const TEMPLATES_PREFIX = "templates/";

/** Start of the keys of the load balancer's access log. */
export const LOAD_BALANCER_LOG_PREFIX = "load-balancer";

/** The buckets. */
export class DataStack extends ConcernStack {
  constructor(scope: Construct, target: Target) {
    super(scope, "Data", "buckets", target);
    this.createArtifactBucket(this.createAccessLogBucket());
    if (target.hasTable) {
      createStore(this, target);
    }
  }

  private createArtifactBucket(accessLogBucket: Bucket): void {
    new Bucket(this, "Artifacts", {
      ...this.closed(),
      bucketName: this.target.names.artifactBucket,
      serverAccessLogsBucket: accessLogBucket,
      serverAccessLogsPrefix: "s3/",
      lifecycleRules: [
        { id: "expire-jobs", prefix: JOBS_PREFIX, expiration: Duration.days(this.jobDays()) },
        { id: "abort-broken-uploads", abortIncompleteMultipartUploadAfter: Duration.days(1) },
      ],
    });
  }

  /** How long a user can download a result: as long as the orchestrator keeps its job. */
  private jobDays(): number {
    const days = this.target.platform.orchestrator.environment["JOB_RETENTION_DAYS"] ?? "";
    if (!/^[1-9]\d{0,3}$/.test(days)) {
      throw new Error(`environment.JOB_RETENTION_DAYS of services.orchestrator in platform.toml is "${days}", not a number of days`);
    }
    return Number(days);
  }

  private createAccessLogBucket(): Bucket {
    const bucket = new Bucket(this, "AccessLogs", {
      ...this.closed(),
      bucketName: this.target.names.accessLogBucket,
      lifecycleRules: [{ id: "expire-logs", expiration: Duration.days(this.target.environment.logRetentionDays) }],
    });
    bucket.addToResourcePolicy(
      new PolicyStatement({
        sid: "LoadBalancerLogs",
        principals: [new ServicePrincipal("logdelivery.elasticloadbalancing.amazonaws.com")],
        actions: ["s3:PutObject"],
        resources: [bucket.arnForObjects(`${LOAD_BALANCER_LOG_PREFIX}/AWSLogs/${this.account}/*`)],
        conditions: { StringEquals: { "aws:SourceAccount": this.account } },
      }),
    );
    Validations.of(bucket).acknowledge({
      id: "AwsSolutions-S1",
      reason: "it holds access logs; a log of their delivery would log itself",
    });
    return bucket;
  }

  /** Encrypted, TLS only, without public access or access lists. */
  private closed(): BucketProps {
    return {
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      // A bucket that is not empty is never deleted: who destroys the environment empties it first.
      removalPolicy: this.target.environment.protected ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    };
  }
}
