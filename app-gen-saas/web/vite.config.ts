import { readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const webPort = Number(process.env.WEB_PORT ?? 5173);
const apiPort = Number(process.env.API_PORT ?? 5013);
// The API is asked under its own name and port: addresses of previews are made of them.
const api = { target: `http://127.0.0.1:${apiPort}`, ws: true, changeOrigin: true };
const folder = fileURLToPath(new URL(".", import.meta.url));

/**
 * Writes `.br` and `.gz` beside scripts and styles: compressed once, as far as it goes, where they are built. The
 * orchestrator sends the one that a browser asks for.
 */
function compressedAssets(): Plugin {
  return {
    name: "compressed-assets",
    apply: "build",
    // Only now are the files as they are served: other plugins change them until they are written.
    writeBundle({ dir }) {
      if (!dir) throw new Error("the build names no folder for its output");
      for (const name of readdirSync(join(dir, "assets"))) {
        if (!/\.(js|css)$/.test(name)) continue;
        const path = join(dir, "assets", name);
        const bytes = readFileSync(path);
        const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
        writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }));
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }));
      }
    },
  };
}

export default defineConfig({
  plugins: [react(), compressedAssets()],
  server: {
    host: "127.0.0.1",
    port: webPort,
    strictPort: true,
    // node_modules is a link to a folder named by the lock file's digest, outside this one.
    fs: { allow: [folder, realpathSync(`${folder}/node_modules`)] },
    proxy: { "/api": api, "/health": api },
  },
  build: {
    // Every asset is a file of its own: the orchestrator's Content-Security-Policy is `default-src 'self'`.
    assetsInlineLimit: 0,
  },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: ["vitest.setup.ts"],
    // Longer than the waits of a test, so that one that is not met says itself what is missing.
    testTimeout: 60_000,
    restoreMocks: true,
  },
});
