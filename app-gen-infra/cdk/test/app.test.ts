/** Rules that hold for every template. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { app, AWS_ENVIRONMENTS, createApp, images, resources, stacks } from "./support.ts";

/** What the checks that run within a synthesis say of an app. */
function findings(of: ReturnType<typeof app>): string[] {
  try {
    of.synth();
  } catch {
    // The report says why.
  }
  const report = JSON.parse(readFileSync(join(of.outdir, "validation-report.json"), "utf8"));
  const rules = report.pluginReports.flatMap((plugin: { violations: { ruleName: string }[] }) =>
    plugin.violations.map((violation) => violation.ruleName),
  );
  // Findings are for this test to judge, not for the process that runs it.
  process.exitCode = 0;
  return rules;
}

test("cdk-nag and CDK's own checks find nothing that is not acknowledged with a reason", () => {
  for (const environment of AWS_ENVIRONMENTS) {
    assert.deepEqual(findings(app(environment)), [], environment);
  }
});

test("they would find an open bucket", () => {
  const faulty = createApp("dev");
  new Bucket(faulty.data, "Open");
  assert.deepEqual(findings(faulty).filter((rule) => rule.startsWith("AwsSolutions")), [
    "AwsSolutions-S1",
    "AwsSolutions-S10",
  ]);
});

test("stacks are named by concern and environment, and protected ones cannot be deleted", () => {
  for (const [environment, protection] of [
    ["dev", false],
    ["prod", true],
  ] as const) {
    for (const stack of stacks(app(environment))) {
      assert.match(stack.stackName, new RegExp(`^AppGen[A-Z][a-z]+-${environment}$`));
      assert.equal(stack.terminationProtection, protection);
    }
  }
});

test("nothing costs what was not meant to: no NAT gateway, no function, no key", () => {
  const meant = new Set([
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::ECR::Repository",
    "AWS::ECS::Cluster",
    "AWS::ECS::ClusterCapacityProviderAssociations",
    "AWS::ECS::Service",
    "AWS::ECS::TaskDefinition",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    "AWS::Events::Rule",
    "AWS::IAM::Role",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::Logs::ResourcePolicy",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
  ]);
  for (const [id, resource] of resources(app("prod"))) {
    assert.ok(meant.has(resource.Type), `${id} is a ${resource.Type}`);
  }
});

test("what can be tagged is tagged, once for each key", () => {
  const tagged = new Set([
    "AWS::CloudWatch::Alarm",
    "AWS::EC2::VPC",
    "AWS::ECR::Repository",
    "AWS::ECS::Service",
    "AWS::ECS::TaskDefinition",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::IAM::Role",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
  ]);
  for (const [id, { Type, Properties }] of resources(app("dev"))) {
    if (!tagged.has(Type)) {
      continue;
    }
    const tags = (Properties["Tags"] ?? []) as { Key: string; Value: string }[];
    const ours = tags.filter(({ Key }) => Key !== "Name").map(({ Key, Value }) => `${Key}=${Value}`);
    const expected = ["environment=dev", "managed-by=cdk", "owner=app-gen", "project=app-gen-saas", "ttl=none"];
    assert.deepEqual(ours, expected, id);
  }
});

test("stacks do not depend on each other's exports", () => {
  for (const stack of stacks(app("dev"))) {
    const template = readFileSync(join(app("dev").synth().directory, stack.templateFile), "utf8");
    assert.ok(!template.includes("Fn::ImportValue"), stack.stackName);
  }
});

test("synthesis is the same every time", () => {
  const again = createApp("dev", { context: images("dev") });
  assert.deepEqual([...resources(again)], [...resources(app("dev"))]);
});
