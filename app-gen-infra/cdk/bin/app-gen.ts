/** What the CDK command line runs; `cdk.json` names it. */

import { AppGen } from "../lib/app.ts";

try {
  new AppGen().synth();
} catch (error) {
  // The user sees one line; with DEBUG set, the stack too.
  console.error(error instanceof Error ? (process.env["DEBUG"] ? error.stack : `error: ${error.message}`) : error);
  process.exitCode = 1;
}
