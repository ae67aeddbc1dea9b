// TensorFlow.js, and what the page chooses its kernel by, bundled for the benchmark's worker, in target/bench.
import { join } from "node:path";
import { fingerprint, once, root } from "../tools/setup/lib.mjs";

export function bundlePeers() {
  const folder = join(root, "target", "bench");
  const mark = fingerprint([
    "benches/peer-tfjs.mjs",
    "benches/engine.ts",
    "benches/bundle.mjs",
    "www/engine/kernels.ts",
    "www/engine/support.ts",
    "package-lock.json",
  ]);
  return once(
    join(root, "target", "stamps", "bench"),
    mark,
    ["tfjs.mjs", "engine.mjs"].map((name) => join(folder, name)),
    async () => {
      const { build } = await import("vite");
      await build({
        root,
        configFile: false,
        logLevel: "error",
        publicDir: false,
        build: {
          outDir: folder,
          emptyOutDir: false,
          reportCompressedSize: false,
          chunkSizeWarningLimit: 10_000,
          lib: {
            entry: { tfjs: join(root, "benches", "peer-tfjs.mjs"), engine: join(root, "benches", "engine.ts") },
            formats: ["es"],
            fileName: (_, name) => `${name}.mjs`,
          },
        },
      });
    },
  );
}
