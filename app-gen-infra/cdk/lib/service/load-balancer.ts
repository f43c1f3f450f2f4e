/** The public entrance: load balancer, listeners, and the target group of the orchestrator. */

import { Duration } from "aws-cdk-lib";
import type { ISecurityGroup, IVpc } from "aws-cdk-lib/aws-ec2";
import {
  ApplicationListener,
  ApplicationLoadBalancer,
  ApplicationProtocol,
  ApplicationTargetGroup,
  ListenerAction,
  ListenerCertificate,
  SslPolicy,
  TargetType,
} from "aws-cdk-lib/aws-elasticloadbalancingv2";
import { Construct } from "constructs";
import { LOAD_BALANCER_LOG_PREFIX } from "../data/data-stack.ts";
import type { Target } from "../target.ts";

/** Seconds between two health checks; two good ones admit a task, three bad ones end it. */
const HEALTH_CHECK_INTERVAL_SECS = 10;
const HEALTHY_COUNT = 2;
const UNHEALTHY_COUNT = 3;

/** `/health` asks the database and gives up after 2 s. */
const HEALTH_CHECK_TIMEOUT_SECS = 5;

/** Requests are short, and event streams resume at another task after the last number they have seen. */
const DRAIN_SECS = 15;

/** What the entrance is made of. */
export interface EntranceProps {
  readonly target: Target;
  readonly vpc: IVpc;
  readonly securityGroup: ISecurityGroup;
}

/** The public entrance. */
export class Entrance extends Construct {
  readonly loadBalancer: ApplicationLoadBalancer;
  readonly targetGroup: ApplicationTargetGroup;
  /** Where users go. */
  readonly url: string;

  constructor(scope: Construct, id: string, props: EntranceProps) {
    super(scope, id);
    const { target, vpc } = props;
    this.loadBalancer = this.createLoadBalancer(props);
    this.targetGroup = new ApplicationTargetGroup(this, "TargetGroup", {
      vpc,
      targetType: TargetType.IP,
      protocol: ApplicationProtocol.HTTP,
      port: target.platform.orchestrator.port,
      deregistrationDelay: Duration.seconds(DRAIN_SECS),
      healthCheck: {
        path: target.platform.orchestrator.healthPath,
        healthyHttpCodes: "200",
        interval: Duration.seconds(HEALTH_CHECK_INTERVAL_SECS),
        timeout: Duration.seconds(HEALTH_CHECK_TIMEOUT_SECS),
        healthyThresholdCount: HEALTHY_COUNT,
        unhealthyThresholdCount: UNHEALTHY_COUNT,
      },
    });
    const scheme = this.createListeners(target.environment.certificateArn);
    this.url = `${scheme}://${this.loadBalancer.loadBalancerDnsName}`;
  }

  private createLoadBalancer({ target, vpc, securityGroup }: EntranceProps): ApplicationLoadBalancer {
    const loadBalancer = new ApplicationLoadBalancer(this, "LoadBalancer", {
      loadBalancerName: target.names.loadBalancer,
      vpc,
      internetFacing: true,
      securityGroup,
      dropInvalidHeaderFields: true,
      deletionProtection: target.environment.protected,
    });
    // By attribute: CDK's own way would reach into the stack of the bucket.
    loadBalancer.setAttribute("access_logs.s3.enabled", "true");
    loadBalancer.setAttribute("access_logs.s3.bucket", target.names.accessLogBucket);
    loadBalancer.setAttribute("access_logs.s3.prefix", LOAD_BALANCER_LOG_PREFIX);
    return loadBalancer;
  }

  /** Returns the scheme that the orchestrator answers to. */
  private createListeners(certificateArn: string | undefined): "http" | "https" {
    const { loadBalancer } = this;
    const forward = ListenerAction.forward([this.targetGroup]);
    if (certificateArn === undefined) {
      new ApplicationListener(this, "Http", { loadBalancer, port: 80, open: false, defaultAction: forward });
      return "http";
    }
    new ApplicationListener(this, "Https", {
      loadBalancer,
      port: 443,
      open: false,
      certificates: [ListenerCertificate.fromArn(certificateArn)],
      sslPolicy: SslPolicy.RECOMMENDED_TLS,
      defaultAction: forward,
    });
    new ApplicationListener(this, "Http", {
      loadBalancer,
      port: 80,
      open: false,
      defaultAction: ListenerAction.redirect({ protocol: "HTTPS", port: "443", permanent: true }),
    });
    return "https";
  }
}
