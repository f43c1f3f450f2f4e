/**
 * What this app uses of `platform.toml`, typed.
 *
 * The manifest's authority is its Rust reader, which every `cargo xtask` command
 * runs first: references, ports, CIDRs and accounts are checked there. Here each
 * key that is used is only checked for being there and of its type, so that a
 * manifest the two readers disagree on ends with the key's name and not in a
 * half-right template.
 */

import { fileURLToPath } from "node:url";
import { Table } from "./table.ts";

/** The manifest of this checkout. */
export const MANIFEST_PATH = fileURLToPath(new URL("../../platform.toml", import.meta.url));

/** The environment that runs on this machine. */
export const LOCAL = "local";

/** What a task may use. */
export interface Size {
  /** 1024 units are one vCPU. */
  readonly cpuUnits: number;
  readonly memoryMib: number;
}

/** What a service and a task have in common. */
export interface Consumer {
  /** Key into {@link Platform.images}. */
  readonly image: string;
  /** Task definition family. */
  readonly family: string;
  readonly container: string;
  readonly logGroup: string;
  /** Name of the task role; a preview has none. */
  readonly role: string | undefined;
  /** Key into {@link Platform.secrets}. */
  readonly secret: string | undefined;
  /** Environment variables that are not secret. */
  readonly environment: Readonly<Record<string, string>>;
  /** By environment. */
  readonly size: Readonly<Record<string, Size>>;
}

/** The service that is always on. */
export interface Service extends Consumer {
  readonly port: number;
  /** Answers 200 while the service is healthy. */
  readonly healthPath: string;
  /** Tasks that run side by side. */
  readonly desiredTasks: number;
}

/** The task that runs once per job. */
export interface Generator extends Consumer {
  /** Its tasks that deliver; absent where nothing is delivered. */
  readonly deliverer: Deliverer | undefined;
}

/** Tasks of the generator's container with another secret. */
export interface Deliverer {
  /** Task definition family. */
  readonly family: string;
  /** Key into {@link Platform.secrets}. */
  readonly secret: string;
  /** Environment variables beside those of the generator. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Bounds and ports of previews. */
export interface Previews {
  readonly timeToLiveSecs: number;
  /** How many there may be at a time. */
  readonly maxPreviews: number;
  /** Where the orchestrator hands the application over and asks how it is. */
  readonly controlPort: number;
  /** Where the application is. */
  readonly port: number;
}

/** One JSON secret in Secrets Manager. */
export interface Secret {
  /** Name in Secrets Manager. */
  readonly name: string;
  /** When each of its keys is required. */
  readonly keys: Readonly<Record<string, SecretKey>>;
}

/** When a key of a secret is required. */
export interface SecretKey {
  /** Environments that need it; empty means all. */
  readonly environments: readonly string[];
  /** Variables of the orchestrator's environment that must have these values. */
  readonly when: Readonly<Record<string, string>>;
  /** A name of keys of which one is enough; each is injected where the secret has it. */
  readonly oneOf: string | undefined;
}

/** One environment. */
export interface Environment {
  /** The only AWS account it may touch; absent for the local cloud. */
  readonly account: string | undefined;
  /** Where the orchestrator keeps everything: `database` or `dynamodb`. */
  readonly storageMode: string;
  readonly logRetentionDays: number;
  readonly vpcCidr: string;
  /** Its data outlives its stacks, it cannot be destroyed, and nobody runs commands in its tasks. */
  readonly protected: boolean;
  /** The most that a month may cost; absent for the local cloud. */
  readonly budgetUsdPerMonth: number | undefined;
  /** Address for messages of alarms and of the budget; absent for the local cloud. */
  readonly alarmEmail: string | undefined;
  /** Certificate of the load balancer; without one it speaks plain HTTP. */
  readonly certificateArn: string | undefined;
  /** The name below which previews have theirs; without one there are none on AWS. */
  readonly previewHost: string | undefined;
  /** IPv4 blocks that reach the load balancer; empty: everybody, if the orchestrator knows its users. */
  readonly allowedCidrs: readonly string[];
}

/** The part of the manifest that this app uses. */
export interface Platform {
  /** Tag value and name prefix of everything that belongs to the project. */
  readonly project: string;
  /** Tag value: who is responsible for it. */
  readonly owner: string;
  /** AWS region of every environment. */
  readonly region: string;
  /** ECR repository of each image. */
  readonly images: Readonly<Record<string, { readonly repository: string }>>;
  readonly orchestrator: Service;
  readonly generator: Generator;
  readonly preview: Consumer;
  readonly previews: Previews;
  readonly secrets: Readonly<Record<string, Secret>>;
  readonly environments: Readonly<Record<string, Environment>>;
}

/**
 * Reads the manifest.
 *
 * @throws Error naming the key that is missing or of another type.
 */
export function loadPlatform(path: string = MANIFEST_PATH): Platform {
  const table = Table.ofFile(path);
  return {
    project: table.string("project"),
    owner: table.string("owner"),
    region: table.string("region"),
    images: table.table("images").map((image) => ({ repository: image.string("repository") })),
    orchestrator: readService(table.table("services").table("orchestrator")),
    generator: readGenerator(table.table("tasks").table("generator")),
    preview: readConsumer(table.table("tasks").table("preview")),
    previews: readPreviews(table.table("previews")),
    secrets: table.table("secrets").map(readSecret),
    environments: table.table("environments").map(readEnvironment),
  };
}

/** The keys that the secret must hold, each of them, in an environment with the modes of the orchestrator's variables; sorted. */
export function requiredSecretKeys(platform: Platform, secret: string, environment: string): string[] {
  const modes: Record<string, string | undefined> = {
    ...platform.orchestrator.environment,
    STORAGE_MODE: platform.environments[environment]?.storageMode,
  };
  return Object.entries(platform.secrets[secret]?.keys ?? {})
    .filter(([, key]) => key.oneOf === undefined)
    .filter(([, key]) => key.environments.length === 0 || key.environments.includes(environment))
    .filter(([, key]) => Object.entries(key.when).every(([variable, value]) => modes[variable] === value))
    .map(([name]) => name)
    .sort();
}

function readConsumer(table: Table): Consumer {
  return {
    image: table.string("image"),
    family: table.string("family"),
    container: table.string("container"),
    logGroup: table.string("log_group"),
    role: table.optional("role", (key) => table.string(key)),
    secret: table.optional("secret", (key) => table.string(key)),
    environment: table.optional("environment", (key) => table.table(key).strings()) ?? {},
    size: table.table("size").map((size) => ({
      cpuUnits: size.number("cpu_units"),
      memoryMib: size.number("memory_mib"),
    })),
  };
}

function readGenerator(table: Table): Generator {
  return {
    ...readConsumer(table),
    deliverer: table.optional("deliverer", (key) => readDeliverer(table.table(key))),
  };
}

function readDeliverer(table: Table): Deliverer {
  return {
    family: table.string("family"),
    secret: table.string("secret"),
    environment: table.optional("environment", (key) => table.table(key).strings()) ?? {},
  };
}

function readPreviews(table: Table): Previews {
  return {
    timeToLiveSecs: table.number("time_to_live_secs"),
    maxPreviews: table.number("max_previews"),
    controlPort: table.number("control_port"),
    port: table.number("port"),
  };
}

function readService(table: Table): Service {
  return {
    ...readConsumer(table),
    port: table.number("port"),
    healthPath: table.string("health_path"),
    desiredTasks: table.optional("desired_tasks", (key) => table.number(key)) ?? 1,
  };
}

function readSecret(table: Table): Secret {
  return {
    name: table.string("name"),
    keys: table.table("keys").map((key) => ({
      environments: key.optional("environments", (name) => key.stringList(name)) ?? [],
      when: key.optional("when", (name) => key.table(name).strings()) ?? {},
      oneOf: key.optional("one_of", (name) => key.string(name)),
    })),
  };
}

function readEnvironment(table: Table): Environment {
  return {
    account: table.optional("account", (key) => table.string(key)),
    storageMode: table.optional("storage_mode", (key) => table.string(key)) ?? "database",
    logRetentionDays: table.number("log_retention_days"),
    vpcCidr: table.string("vpc_cidr"),
    protected: table.optional("protected", (key) => table.boolean(key)) ?? false,
    budgetUsdPerMonth: table.optional("budget_usd_per_month", (key) => table.number(key)),
    alarmEmail: table.optional("alarm_email", (key) => table.string(key)),
    certificateArn: table.optional("certificate_arn", (key) => table.string(key)),
    previewHost: table.optional("preview_host", (key) => table.string(key)),
    allowedCidrs: table.optional("allowed_cidrs", (key) => table.stringList(key)) ?? [],
  };
}
