/**
 * ARNs of what other stacks hold, put together from names.
 *
 * Names instead of references between stacks: no export ties one stack's update to
 * another's, each can be deployed alone, and a policy shows in full what it admits.
 */

import type { Target } from "./target.ts";

/** ARNs of a target's account. */
export class Arns {
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  cluster(): string {
    return this.#regional("ecs", `cluster/${this.#target.names.cluster}`);
  }

  /** All tasks of the cluster. */
  tasks(): string {
    return this.#regional("ecs", `task/${this.#target.names.cluster}/*`);
  }

  /** All revisions of a family. */
  taskDefinition(family: string): string {
    return this.#regional("ecs", `task-definition/${family}:*`);
  }

  role(name: string): string {
    return `arn:aws:iam::${this.#target.account}:role/${name}`;
  }

  repository(name: string): string {
    return this.#regional("ecr", `repository/${name}`);
  }

  logGroup(name: string): string {
    return this.#regional("logs", `log-group:${name}`);
  }

  /** A log group with all its streams. */
  logStreams(logGroup: string): string {
    return this.#regional("logs", `log-group:${logGroup}:*`);
  }

  /** A secret; Secrets Manager adds six characters of its own to a name. */
  secret(name: string): string {
    return this.#regional("secretsmanager", `secret:${name}-??????`);
  }

  artifactBucket(): string {
    return `arn:aws:s3:::${this.#target.names.artifactBucket}`;
  }

  /** Objects of the artifact bucket whose keys begin with `prefix`. */
  artifacts(prefix: string): string {
    return `${this.artifactBucket()}/${prefix}*`;
  }

  table(): string {
    return this.#regional("dynamodb", `table/${this.#target.names.table}`);
  }

  /** An index of the table. */
  tableIndex(name: string): string {
    return `${this.table()}/index/${name}`;
  }

  jobQueue(): string {
    return this.#regional("sqs", this.#target.names.jobQueue);
  }

  #regional(service: string, resource: string): string {
    return `arn:aws:${service}:${this.#target.region}:${this.#target.account}:${resource}`;
  }
}
