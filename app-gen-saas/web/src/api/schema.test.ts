// @vitest-environment node
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

test("the types are those of the server's OpenAPI (`npm run types` writes them anew)", () => {
  // The command line and not the library: the two check the description by different rules.
  const tool = here("../../node_modules/openapi-typescript/bin/cli.js");
  const generated = execFileSync(process.execPath, [tool, here("../../../openapi.json")], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
  expect(readFileSync(here("schema.d.ts"), "utf8").trimEnd()).toBe(generated.trimEnd());
});
