/** Synthesis for tests: the committed manifest, the flags of `cdk.json`, images by digest. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import type { Stack } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { AppGen } from "../lib/app.ts";
import { loadPlatform, type Platform } from "../lib/platform.ts";

/** The checkout. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** Environments on AWS. */
export const AWS_ENVIRONMENTS = ["dev", "staging", "prod"] as const;

/** A digest that names no image. */
export const DIGEST = `sha256:${"a".repeat(64)}`;

const outputFolder = mkdtempSync(join(tmpdir(), "app-gen-cdk-"));
after(() => rmSync(outputFolder, { recursive: true }));

/** What a test may change. */
export interface Changes {
  /** Context beside the environment and the flags; replaces the images. */
  readonly context?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
}

/** The flags that the command line reads from `cdk.json`. */
export function flags(): Record<string, unknown> {
  return JSON.parse(readFileSync(join(ROOT, "app-gen-infra/cdk/cdk.json"), "utf8")).context;
}

/** The images of an environment, as context. */
export function images(environment: string, platform: Platform = loadPlatform()): Record<string, string> {
  const account = platform.environments[environment]?.account;
  const registry =
    account === undefined ? "localhost:5000" : `${account}.dkr.ecr.${platform.region}.amazonaws.com`;
  const entries = Object.entries(platform.images).map(([image, { repository }]) => [
    `images.${image}`,
    `${registry}/${repository}@${DIGEST}`,
  ]);
  return Object.fromEntries(entries);
}

/** The app of an environment. */
export function createApp(environment: string, changes: Changes = {}): AppGen {
  const context = { ...flags(), ...(changes.context ?? images(environment)), env: environment };
  return new AppGen({ context, outdir: mkdtempSync(join(outputFolder, `${environment}-`)) }, changes.platform);
}

const apps = new Map<string, AppGen>();

/** The unchanged app of an environment, made once. */
export function app(environment: string): AppGen {
  const made = apps.get(environment) ?? createApp(environment);
  apps.set(environment, made);
  return made;
}

/** The app of an environment that keeps everything in DynamoDB, and is the committed one otherwise. */
export function storeApp(environment: string): AppGen {
  const key = `${environment}, dynamodb`;
  const made = apps.get(key) ?? createApp(environment, { platform: withTable(environment) });
  apps.set(key, made);
  return made;
}

function withTable(environment: string): Platform {
  const platform = loadPlatform();
  const settings = platform.environments[environment];
  if (settings === undefined) {
    throw new Error(`there is no environment ${environment}`);
  }
  const environments = { ...platform.environments, [environment]: { ...settings, storageMode: "dynamodb" } };
  return { ...platform, environments };
}

/** A concern's template in an environment. */
export function template(environment: string, concern: Concern): Template {
  return Template.fromStack(app(environment)[concern]);
}

/** Stacks by concern, in the order of their deployment. */
export const CONCERNS = ["network", "registry", "data", "logs", "service", "observability"] as const;
export type Concern = (typeof CONCERNS)[number];

/** All stacks of an app. */
export function stacks(of: AppGen): Stack[] {
  return CONCERNS.map((concern) => of[concern]);
}

/** A resource of a template. */
export interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, unknown>;
  readonly Condition?: string;
}

/** All resources of all stacks, by `stack/logical id`. */
export function resources(of: AppGen): Map<string, Resource> {
  const entries = stacks(of).flatMap((stack) =>
    Object.entries(Template.fromStack(stack).toJSON()["Resources"] as Record<string, Resource>).map(
      ([id, resource]): [string, Resource] => [`${stack.stackName}/${id}`, resource],
    ),
  );
  return new Map(entries);
}
