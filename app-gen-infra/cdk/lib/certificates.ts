/**
 * Certificates of authorities that generators trust besides those of their image, given as context:
 * `-c extraCertificates=BASE64`, where the text is PEM. A network that inspects TLS has one of its own, and
 * no image may hold it.
 *
 * It is base64 because the CDK command line ends a value at the first line feed.
 */

import type { Node } from "constructs";

/** The variable of a generator's environment (`app-gen/contract/src/env.rs`). */
export const EXTRA_CA_CERTIFICATES = "EXTRA_CA_CERTIFICATES";

const KEY = "extraCertificates";

/**
 * The certificates as PEM, where some were given.
 *
 * @throws Error when what was given is none.
 */
export function extraCertificates(node: Node): string | undefined {
  const given: unknown = node.tryGetContext(KEY);
  if (given === undefined || given === "") {
    return undefined;
  }
  const pem = typeof given === "string" ? Buffer.from(given, "base64").toString("utf8") : "";
  // A task definition can be read by more people than a key should be.
  if (!pem.startsWith("-----BEGIN CERTIFICATE-----") || pem.includes("PRIVATE KEY")) {
    throw new Error(`-c ${KEY} must be base64 of certificates in PEM, and of nothing else`);
  }
  return pem;
}
