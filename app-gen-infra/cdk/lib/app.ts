/** All stacks of one environment. */

import { App, type AppProps, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import { DataStack } from "./data/data-stack.ts";
import { adaptToLocalCloud } from "./local-cloud.ts";
import { NetworkStack } from "./network/network-stack.ts";
import { LogsStack } from "./observability/logs-stack.ts";
import { ObservabilityStack } from "./observability/observability-stack.ts";
import { loadPlatform, LOCAL, type Platform } from "./platform.ts";
import { RegistryStack } from "./registry/registry-stack.ts";
import { ServiceStack } from "./service/service-stack.ts";
import { presentSecretKeys } from "./secret-keys.ts";
import { targetFor } from "./target.ts";

/**
 * The app of the environment that the context names (`-c env=NAME`, default `local`).
 *
 * Dependencies are what a first deployment needs; `--exclusively` deploys a stack alone.
 */
export class AppGen extends App {
  readonly network: NetworkStack;
  readonly registry: RegistryStack;
  readonly data: DataStack;
  readonly logs: LogsStack;
  readonly service: ServiceStack;
  readonly observability: ObservabilityStack;

  constructor(props: AppProps = {}, platform: Platform = loadPlatform()) {
    super(props);
    const name = String(this.node.tryGetContext("env") ?? LOCAL);
    const target = targetFor(platform, name, presentSecretKeys(this.node, platform));
    this.network = new NetworkStack(this, target);
    this.registry = new RegistryStack(this, target);
    this.data = new DataStack(this, target);
    this.logs = new LogsStack(this, target);
    this.service = new ServiceStack(this, { target, network: this.network });
    // The load balancer tries out the bucket of its access log, a task without its log
    // group does not start, and images are there before what runs them.
    for (const stack of [this.data, this.logs, this.registry]) {
      this.service.addStackDependency(stack);
    }
    this.observability = new ObservabilityStack(this, { target, entrance: this.service.entrance });
    this.observability.addStackDependency(this.logs);
    adaptToLocalCloud(this, target);
    Validations.of(this).addPlugins(new AwsSolutionsChecks(this));
  }
}
