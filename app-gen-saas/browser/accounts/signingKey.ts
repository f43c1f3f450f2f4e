/** Keys that access tokens are signed with, of both kinds that Supabase makes. */
import { createPublicKey, generateKeyPairSync, type KeyObject, randomUUID, sign } from "node:crypto";

export type Algorithm = "ES256" | "RS256";

export interface SigningKey {
  /** What is published of it. */
  published: object;
  /** A token that says this. */
  token: (claims: object) => string;
}

function privateKey(algorithm: Algorithm): KeyObject {
  if (algorithm === "RS256") return generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

export function makeKey(alg: Algorithm): SigningKey {
  const key = privateKey(alg);
  const kid = randomUUID();
  return {
    published: { ...createPublicKey(key).export({ format: "jwk" }), kid, alg, use: "sig", key_ops: ["verify"] },
    token: (claims) => {
      const message = `${encoded({ alg, kid, typ: "JWT" })}.${encoded(claims)}`;
      // Tokens have the two numbers of a signature side by side, and not as DER. RSA takes no notice.
      const signature = sign("sha256", Buffer.from(message), { key, dsaEncoding: "ieee-p1363" });
      return `${message}.${signature.toString("base64url")}`;
    },
  };
}
