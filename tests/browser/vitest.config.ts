import { defineConfig } from "vitest/config";

// End to end, in the system's Chromium: one file after the other, since they measure time.
export default defineConfig({
  test: {
    include: ["tests/browser/**/*.spec.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
