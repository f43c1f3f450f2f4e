/**
 * Which keys of a secret are there, of those of which one is enough, given as context:
 * `-c secretKeys.generator=ANTHROPIC_API_KEY,OPENAI_API_KEY`. A synthesis asks no account, and a template holds
 * names of keys, never a value.
 */

import type { Node } from "constructs";
import type { Platform } from "./platform.ts";

/**
 * The keys that were given for each secret of the manifest.
 *
 * @throws Error when one is given of which the manifest knows nothing, or that it requires.
 */
export function presentSecretKeys(node: Node, platform: Platform): Record<string, readonly string[]> {
  const entries = Object.entries(platform.secrets).map(([secret, { keys }]): [string, readonly string[]] => {
    const given = String(node.tryGetContext(`secretKeys.${secret}`) ?? "")
      .split(",")
      .filter((key) => key !== "");
    const unknown = given.find((key) => keys[key]?.oneOf === undefined);
    if (unknown !== undefined) {
      throw new Error(`-c secretKeys.${secret} names ${unknown}, which is no key of platform.toml with \`one_of\``);
    }
    return [secret, given];
  });
  return Object.fromEntries(entries);
}
