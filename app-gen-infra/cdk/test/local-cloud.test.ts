import assert from "node:assert/strict";
import { test } from "node:test";
import { Match, Template } from "aws-cdk-lib/assertions";
import { app, AWS_ENVIRONMENTS, resources, stacks, template } from "./support.ts";

test("no template for AWS bends to the local cloud", () => {
  for (const environment of AWS_ENVIRONMENTS) {
    for (const stack of stacks(app(environment))) {
      assert.equal(Template.fromStack(stack).toJSON()["Conditions"], undefined, stack.stackName);
    }
  }
});

test("what the local cloud lacks, and nothing else, is left out", () => {
  const leftOut = [...resources(app("local"))].filter(([, resource]) => resource.Condition !== undefined);
  assert.deepEqual(leftOut.map(([, resource]) => resource.Type).sort(), [
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Alarm",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::ECS::ClusterCapacityProviderAssociations",
  ]);
});

test("apart from that it has what dev has, less the budget and its mail", () => {
  const types = (environment: string) => [...resources(app(environment)).values()].map(({ Type }) => Type).sort();
  const withoutMail = types("dev").filter((type) => !["AWS::Budgets::Budget", "AWS::SNS::Subscription"].includes(type));
  assert.deepEqual(types("local"), withoutMail);
});

test("tasks are given fake credentials and the address of the database", () => {
  template("local", "service").hasResourceProperties("AWS::ECS::TaskDefinition", {
    Family: "app-gen-saas-app",
    ContainerDefinitions: [
      Match.objectLike({
        Environment: Match.arrayWith([
          // Credentials that are of no role are not replaced by those of one.
          { Name: "GENERATOR_ROLE_ARN", Value: "" },
          { Name: "AWS_ACCESS_KEY_ID", Value: "local" },
          { Name: "AWS_SECRET_ACCESS_KEY", Value: "local" },
          { Name: "AWS_REGION", Value: "us-east-1" },
        ]),
        Secrets: [
          {
            name: "DATABASE_URL",
            valueFrom: "arn:aws:secretsmanager:us-east-1:000000000000:secret:app-gen-saas/orchestrator:DATABASE_URL::",
          },
        ],
      }),
    ],
  });
});
