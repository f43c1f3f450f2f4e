import { test } from "node:test";
import { Match } from "aws-cdk-lib/assertions";
import { loadPlatform } from "../../lib/platform.ts";
import { template } from "../support.ts";

const data = template("prod", "data");

test("every bucket is encrypted and closed to the public", () => {
  data.resourceCountIs("AWS::S3::Bucket", 2);
  data.allResourcesProperties("AWS::S3::Bucket", {
    BucketEncryption: {
      ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }],
    },
    PublicAccessBlockConfiguration: {
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    },
    OwnershipControls: { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" }] },
  });
});

test("every bucket refuses requests without TLS", () => {
  data.resourceCountIs("AWS::S3::BucketPolicy", 2);
  data.allResourcesProperties("AWS::S3::BucketPolicy", {
    PolicyDocument: {
      Statement: Match.arrayWith([
        Match.objectLike({
          Effect: "Deny",
          Principal: { AWS: "*" },
          Action: "s3:*",
          Condition: { Bool: { "aws:SecureTransport": "false" } },
        }),
      ]),
    },
  });
});

test("jobs go when the orchestrator forgets them, backups after five weeks, nothing else does", () => {
  const days = Number(loadPlatform().orchestrator.environment["JOB_RETENTION_DAYS"]);
  data.hasResourceProperties("AWS::S3::Bucket", {
    BucketName: "app-gen-saas-generated-apps-000000000003",
    LifecycleConfiguration: {
      Rules: [
        { Id: "expire-jobs", Prefix: "jobs/", ExpirationInDays: days, Status: "Enabled" },
        { Id: "expire-backups", Prefix: "backups/", ExpirationInDays: 35, Status: "Enabled" },
        {
          Id: "forget-removed",
          ExpiredObjectDeleteMarker: true,
          NoncurrentVersionExpiration: { NoncurrentDays: 7 },
          Status: "Enabled",
        },
        {
          Id: "abort-broken-uploads",
          AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
          Status: "Enabled",
        },
      ],
    },
  });
});

test("what is removed from the bucket of results comes back within a week", () => {
  data.resourcePropertiesCountIs("AWS::S3::Bucket", { VersioningConfiguration: { Status: "Enabled" } }, 1);
  data.hasResourceProperties("AWS::S3::Bucket", {
    BucketName: "app-gen-saas-generated-apps-000000000003",
    VersioningConfiguration: { Status: "Enabled" },
  });
});

test("results outlive the stack where the environment is protected", () => {
  data.allResources("AWS::S3::Bucket", { DeletionPolicy: "Retain" });
  template("dev", "data").allResources("AWS::S3::Bucket", { DeletionPolicy: "Delete" });
});
