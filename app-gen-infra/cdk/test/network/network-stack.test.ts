import assert from "node:assert/strict";
import { test } from "node:test";
import { Match, Template } from "aws-cdk-lib/assertions";
import { loadPlatform } from "../../lib/platform.ts";
import { createApp, template } from "../support.ts";

const network = template("dev", "network");

test("two public subnets and no NAT gateway", () => {
  network.resourceCountIs("AWS::EC2::Subnet", 2);
  network.allResourcesProperties("AWS::EC2::Subnet", { MapPublicIpOnLaunch: true });
  network.resourceCountIs("AWS::EC2::NatGateway", 0);
  network.resourceCountIs("AWS::EC2::EIP", 0);
  network.hasResourceProperties("AWS::EC2::VPC", { CidrBlock: "10.11.0.0/16" });
});

test("S3 is reached by a gateway endpoint from both subnets", () => {
  network.hasResourceProperties("AWS::EC2::VPCEndpoint", {
    ServiceName: { "Fn::Join": ["", ["com.amazonaws.", { Ref: "AWS::Region" }, ".s3"]] },
    VpcEndpointType: "Gateway",
  });
  const [endpoint] = Object.values(network.findResources("AWS::EC2::VPCEndpoint"));
  assert.equal(endpoint?.["Properties"]["RouteTableIds"].length, 2);
});

/** The only inline ingress of each group, by the start of its description. */
function ingress(of: Template, description: string): unknown {
  const found = of.findResources("AWS::EC2::SecurityGroup", {
    Properties: { GroupDescription: Match.stringLikeRegexp(`^${description}`) },
  });
  const [group, ...others] = Object.values(found);
  assert.ok(group !== undefined && others.length === 0, `one group ${description}`);
  return group["Properties"]["SecurityGroupIngress"];
}

const ANYONE = { CidrIp: "0.0.0.0/0", IpProtocol: "tcp" };
const HTTP = { ...ANYONE, FromPort: 80, ToPort: 80, Description: "HTTP from the internet" };
const HTTPS = { ...ANYONE, FromPort: 443, ToPort: 443, Description: "HTTPS from the internet" };

test("the internet reaches the load balancer, which alone reaches the orchestrator's port", () => {
  assert.deepEqual(ingress(network, "Load balancer"), [HTTP]);
  assert.equal(ingress(network, "Orchestrator"), undefined);
  // One rule in each direction; they refer to both groups and so stand beside them.
  for (const type of ["AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"]) {
    network.resourceCountIs(type, 1);
    network.hasResourceProperties(type, { FromPort: 5013, ToPort: 5013, IpProtocol: "tcp" });
  }
  network.hasResourceProperties("AWS::EC2::SecurityGroupIngress", {
    GroupId: { "Fn::GetAtt": [Match.stringLikeRegexp("^OrchestratorSecurityGroup"), "GroupId"] },
    SourceSecurityGroupId: { "Fn::GetAtt": [Match.stringLikeRegexp("^LoadBalancerSecurityGroup"), "GroupId"] },
  });
});

test("nothing reaches a generator", () => {
  assert.equal(ingress(network, "Generator"), undefined);
});

test("HTTPS is let in where there is a certificate", () => {
  const committed = loadPlatform();
  const dev = { ...committed.environments["dev"]!, certificateArn: "arn:aws:acm:us-east-1:000000000001:certificate/c" };
  const platform = { ...committed, environments: { ...committed.environments, dev } };
  const secured = Template.fromStack(createApp("dev", { platform }).network);
  assert.deepEqual(ingress(secured, "Load balancer"), [HTTP, HTTPS]);
});
