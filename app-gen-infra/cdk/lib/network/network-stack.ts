/**
 * The network: two zones, public subnets only.
 *
 * There is no NAT gateway. It would cost more than everything else here together.
 * Tasks have public addresses instead, and security groups admit only the parts that
 * need to reach them.
 */

import { Fn, Validations } from "aws-cdk-lib";
import {
  GatewayVpcEndpointAwsService,
  IpAddresses,
  Peer,
  Port,
  SecurityGroup,
  SubnetType,
  Vpc,
} from "aws-cdk-lib/aws-ec2";
import type { Construct } from "constructs";
import { ConcernStack } from "../stack.ts";
import type { Target } from "../target.ts";

const HTTP_PORT = 80;
const HTTPS_PORT = 443;

/** VPC and security groups. */
export class NetworkStack extends ConcernStack {
  readonly vpc: Vpc;
  readonly loadBalancerSecurityGroup: SecurityGroup;
  readonly orchestratorSecurityGroup: SecurityGroup;
  readonly generatorSecurityGroup: SecurityGroup;
  readonly previewSecurityGroup: SecurityGroup;

  constructor(scope: Construct, target: Target) {
    super(scope, "Network", "VPC, subnets, security groups", target);
    this.vpc = this.createVpc();
    this.loadBalancerSecurityGroup = this.createSecurityGroup("LoadBalancer", "Load balancer, the one entrance");
    this.orchestratorSecurityGroup = this.createSecurityGroup("Orchestrator", "Orchestrator, behind the load balancer");
    this.generatorSecurityGroup = this.createSecurityGroup("Generator", "Generator tasks, which nobody may reach");
    this.previewSecurityGroup = this.createSecurityGroup("Preview", "Previews, behind the orchestrator");
    this.allowTraffic();
  }

  /** The account's first two zones. CloudFormation finds them, because synthesis does not ask an account. */
  override get availabilityZones(): string[] {
    return [0, 1].map((index) => Fn.select(index, Fn.getAzs()));
  }

  private createVpc(): Vpc {
    const vpc = new Vpc(this, "Vpc", {
      ipAddresses: IpAddresses.cidr(this.target.environment.vpcCidr),
      natGateways: 0,
      subnetConfiguration: [{ name: "public", subnetType: SubnetType.PUBLIC }],
      // It takes a Lambda function and its role to empty a group that nothing uses.
      restrictDefaultSecurityGroup: false,
    });
    // Image layers and artifacts stay inside AWS; gateway endpoints cost nothing.
    vpc.addGatewayEndpoint("S3", { service: GatewayVpcEndpointAwsService.S3 });
    Validations.of(vpc).acknowledge({
      id: "AwsSolutions-VPC7",
      reason:
        "flow logs are priced by volume and answer a question nobody has asked yet; " +
        "requests are in the load balancer's access log, and nothing else may come in",
    });
    return vpc;
  }

  /** A group that lets nothing in or out yet. */
  private createSecurityGroup(id: string, description: string): SecurityGroup {
    return new SecurityGroup(this, `${id}SecurityGroup`, {
      vpc: this.vpc,
      description,
      allowAllOutbound: false,
    });
  }

  private allowTraffic(): void {
    const servicePort = Port.tcp(this.target.platform.orchestrator.port);
    const loadBalancer = this.loadBalancerSecurityGroup;
    const orchestrator = this.orchestratorSecurityGroup;
    const secured = this.target.environment.certificateArn !== undefined;
    for (const block of this.target.admitted) {
      loadBalancer.addIngressRule(Peer.ipv4(block), Port.tcp(HTTP_PORT), "HTTP from users");
      if (secured) {
        loadBalancer.addIngressRule(Peer.ipv4(block), Port.tcp(HTTPS_PORT), "HTTPS from users");
      }
    }
    Validations.of(loadBalancer).acknowledge({
      id: "AwsSolutions-EC23",
      reason: "it is the one entrance; it is open to everybody only where the orchestrator asks for a login",
    });
    loadBalancer.addEgressRule(orchestrator, servicePort, "Requests and health checks");
    orchestrator.addIngressRule(loadBalancer, servicePort, "Requests and health checks");
    // The port of the database is part of a secret, so it cannot be named here.
    orchestrator.addEgressRule(Peer.anyIpv4(), Port.allTcp(), "AWS APIs and the database");
    // It works on texts of strangers: HTTPS to AWS, providers and package registries, nothing else.
    this.generatorSecurityGroup.addEgressRule(Peer.anyIpv4(), Port.tcp(HTTPS_PORT), "AWS APIs, providers, packages");
    this.allowPreviews();
  }

  /**
   * A preview runs what strangers wrote, in a cage without a network. This is the wall around that: nobody but the
   * orchestrator reaches it, no preview another one. What goes out is for ECS, which pulls the image and writes
   * the log by the address of the task, and for the mirror of packages.
   */
  private allowPreviews(): void {
    const preview = this.previewSecurityGroup;
    const { controlPort, port } = this.target.platform.previews;
    preview.addIngressRule(this.orchestratorSecurityGroup, Port.tcp(controlPort), "Hands the application over");
    preview.addIngressRule(this.orchestratorSecurityGroup, Port.tcp(port), "Requests");
    preview.addEgressRule(Peer.anyIpv4(), Port.tcp(HTTPS_PORT), "Image, log, packages");
  }
}
