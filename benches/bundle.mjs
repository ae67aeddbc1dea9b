// TensorFlow.js bundled for the benchmark's worker, in target/bench.
import { join } from "node:path";
import { fingerprint, once, root } from "../tools/setup/lib.mjs";

export function bundlePeers() {
  const folder = join(root, "target", "bench");
  const mark = fingerprint(["benches/peer-tfjs.mjs", "benches/bundle.mjs", "package-lock.json"]);
  return once(join(root, "target", "stamps", "bench"), mark, [join(folder, "tfjs.mjs")], async () => {
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
        lib: { entry: join(root, "benches", "peer-tfjs.mjs"), formats: ["es"], fileName: () => "tfjs.mjs" },
      },
    });
  });
}
