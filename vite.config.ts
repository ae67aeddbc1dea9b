import { defineConfig } from "vitest/config";
import { firstPaint } from "./tools/vite/first-paint.mjs";

// Relative base: the build works from any folder of any static host.
export default defineConfig({
  base: "./",
  publicDir: false,
  plugins: [firstPaint()],
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  // One classic script: a module worker cannot be started from a foreign page.
  worker: { format: "iife" },
  test: {
    include: ["www/**/*.test.ts", "tools/**/*.test.mjs", "tests/scripts/**/*.test.mjs"],
    environment: "node",
  },
});
