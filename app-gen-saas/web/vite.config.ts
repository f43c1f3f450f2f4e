import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const webPort = Number(process.env.WEB_PORT ?? 5173);
const apiPort = Number(process.env.API_PORT ?? 5013);
// The API is asked under its own name and port: addresses of previews are made of them.
const api = { target: `http://127.0.0.1:${apiPort}`, ws: true, changeOrigin: true };
const folder = fileURLToPath(new URL(".", import.meta.url));

export default defineConfig({
  plugins: [react()],
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
