/**
 * The images of a synthesis, given as context: `-c images.orchestrator=REPOSITORY@sha256:…`.
 *
 * A tag is refused. A template that names one does not change when the tag moves,
 * so nothing would be deployed, and a task that restarts could run something else.
 */

import type { Node } from "constructs";
import type { Target } from "./target.ts";

const BY_DIGEST = /^(?<repository>[^@\s]+)@sha256:[0-9a-f]{64}$/;

/** The image by digest, or the fault of the reference that was given. */
export type ImageReference = { readonly reference: string } | { readonly fault: string };

/** The reference that was given for an image of the manifest. */
export function imageReference(node: Node, target: Target, image: string): ImageReference {
  const key = `images.${image}`;
  const given: unknown = node.tryGetContext(key);
  if (typeof given !== "string" || given === "") {
    return { fault: `no image is given: add -c ${key}=REPOSITORY@sha256:DIGEST` };
  }
  const repository = BY_DIGEST.exec(given)?.groups?.["repository"];
  if (repository === undefined) {
    return { fault: `${key} is \`${given}\`, which does not name an image by digest: REPOSITORY@sha256:DIGEST` };
  }
  const expected = repositoryUri(target, image);
  // The execution role may pull from this repository alone: anything else fails, minutes later.
  if (expected !== undefined && repository !== expected) {
    return { fault: `${key} is of ${repository}, but ${target.name} pulls from ${expected}` };
  }
  return { reference: given };
}

/** The image's repository in ECR; the local cloud pulls from the registry that the reference names. */
function repositoryUri(target: Target, image: string): string | undefined {
  if (target.isLocal) {
    return undefined;
  }
  return `${target.account}.dkr.ecr.${target.region}.amazonaws.com/${repositoryName(target, image)}`;
}

/** The repository's name, without a registry. */
export function repositoryName(target: Target, image: string): string {
  const found = target.platform.images[image];
  if (found === undefined) {
    throw new Error(`platform.toml has no image \`${image}\``);
  }
  return found.repository;
}
