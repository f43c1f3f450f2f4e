import assert from "node:assert/strict";
import { test } from "node:test";
import { Match, Template } from "aws-cdk-lib/assertions";
import { type Environment, loadPlatform } from "../../lib/platform.ts";
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

const http = (block: string) => ({
  CidrIp: block,
  IpProtocol: "tcp",
  FromPort: 80,
  ToPort: 80,
  Description: "HTTP from users",
});
const https = (block: string) => ({ ...http(block), FromPort: 443, ToPort: 443, Description: "HTTPS from users" });

/** The network of `dev` with changes of its entry and of the orchestrator's variables. */
function changed(environment: Partial<Environment>, variables: Record<string, string> = {}): Template {
  const committed = loadPlatform();
  const platform = {
    ...committed,
    orchestrator: {
      ...committed.orchestrator,
      environment: { ...committed.orchestrator.environment, ...variables },
    },
    environments: { ...committed.environments, dev: { ...committed.environments["dev"]!, ...environment } },
  };
  return Template.fromStack(createApp("dev", { platform }).network);
}

test("users reach the load balancer, which alone reaches the orchestrator's port", () => {
  assert.deepEqual(ingress(network, "Load balancer"), [http("203.0.113.0/24")]);
  assert.equal(ingress(network, "Orchestrator"), undefined);
  // One rule in each direction; they refer to both groups and so stand beside them. Two more are of previews.
  for (const [type, count] of [
    ["AWS::EC2::SecurityGroupIngress", 3],
    ["AWS::EC2::SecurityGroupEgress", 1],
  ] as const) {
    network.resourceCountIs(type, count);
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

test("the orchestrator alone reaches a preview, which reaches nothing but HTTPS", () => {
  assert.equal(ingress(network, "Previews"), undefined);
  for (const port of [5080, 5081]) {
    network.hasResourceProperties("AWS::EC2::SecurityGroupIngress", {
      GroupId: { "Fn::GetAtt": [Match.stringLikeRegexp("^PreviewSecurityGroup"), "GroupId"] },
      SourceSecurityGroupId: { "Fn::GetAtt": [Match.stringLikeRegexp("^OrchestratorSecurityGroup"), "GroupId"] },
      FromPort: port,
      ToPort: port,
    });
  }
  network.hasResourceProperties("AWS::EC2::SecurityGroup", {
    GroupDescription: Match.stringLikeRegexp("^Previews"),
    SecurityGroupEgress: [
      { CidrIp: "0.0.0.0/0", Description: "Image, log, packages", FromPort: 443, IpProtocol: "tcp", ToPort: 443 },
    ],
  });
});

test("HTTPS is let in where there is a certificate", () => {
  const certificateArn = "arn:aws:acm:us-east-1:000000000001:certificate/c";
  const secured = changed({ certificateArn, allowedCidrs: ["198.51.100.7/32", "203.0.113.0/24"] });
  assert.deepEqual(
    ingress(secured, "Load balancer"),
    ["198.51.100.7/32", "203.0.113.0/24"].flatMap((block) => [http(block), https(block)]),
  );
});

test("everybody is let in only where the orchestrator knows its users and no address is named", () => {
  const everybody = [http("0.0.0.0/0")];
  const named = [http("198.51.100.7/32")];
  assert.equal(ingress(changed({ allowedCidrs: [] }), "Load balancer"), undefined);
  assert.deepEqual(ingress(changed({ allowedCidrs: [] }, { AUTH_MODE: "login" }), "Load balancer"), everybody);
  const both = changed({ allowedCidrs: ["198.51.100.7/32"] }, { AUTH_MODE: "login" });
  assert.deepEqual(ingress(both, "Load balancer"), named);
});
