/** What the CDK command line runs; `cdk.json` names it. */

import { AppGen } from "../lib/app.ts";

try {
  new AppGen().synth();
} catch (error) {
  // A fault of the input is one line; anything else is ours and shows where.
  console.error(error instanceof Error ? (process.env["DEBUG"] ? error.stack : `error: ${error.message}`) : error);
  process.exitCode = 1;
}
