/** What the page's build leaves for the orchestrator to serve. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { filesOfPage } from "./server.ts";

test("each script and style is there compressed, with the same bytes", () => {
  const files = filesOfPage();
  const large = [...files].filter(([name]) => /\.(js|css)$/.test(name));
  assert.ok(large.length >= 2, `only ${[...files.keys()].join(", ")} were built`);
  for (const [name, bytes] of large) {
    for (const [ending, decompress] of [["br", brotliDecompressSync], ["gz", gunzipSync]] as const) {
      const compressed = files.get(`${name}.${ending}`);
      assert.ok(compressed, `${name}.${ending} was not built`);
      assert.ok(compressed.length < bytes.length / 2, `${name}.${ending} has ${compressed.length} of ${bytes.length} bytes`);
      assert.ok(decompress(compressed).equals(bytes), `${name}.${ending} holds something else than ${name}`);
    }
  }
});

test("nothing is part of the page but scripts, styles, pictures and one document", () => {
  const strangers = [...filesOfPage().keys()].filter((name) => !/^\/index\.html$|\.svg$|^\/assets\/[^/]+\.(js|css)(\.br|\.gz)?$/.test(name));
  assert.deepEqual(strangers, []);
});
