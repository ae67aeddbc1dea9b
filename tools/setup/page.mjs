// The page: Vite's build, with the data and models that the manifests name beside it.
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fingerprint, once, root, Stop } from "./lib.mjs";

export const dist = join(root, "dist");
const LOCAL = "data/local/manifest.json";
const EMPTY = `${JSON.stringify({ version: 1, sets: {} })}\n`;

/** Every `{path, bytes}` in a manifest, wherever it stands. */
export function filesNamed(manifest) {
  if (manifest === null || typeof manifest !== "object") return [];
  const own = typeof manifest.path === "string" && typeof manifest.bytes === "number" ? [manifest] : [];
  return [...own, ...Object.values(manifest).flatMap(filesNamed)];
}

function read(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), "utf8"));
  } catch (error) {
    throw new Stop(`${path} cannot be read (${error.message}): restore it with \`git checkout ${path}\`.`);
  }
}

/** The files to serve, each seen to be there and of the length its manifest names. */
function served() {
  const local = existsSync(join(root, LOCAL)) ? [LOCAL] : [];
  const manifests = ["data/manifest.json", "models/manifest.json", ...local];
  const files = manifests.flatMap((path) => filesNamed(read(path)));
  for (const { path, bytes } of files) {
    if (!/^(data|models)\/[\w./-]+$/.test(path) || path.includes(".."))
      throw new Stop(`A manifest names a file outside data/ and models/: ${path}.`);
    if (!existsSync(join(root, path)))
      throw new Stop(`${path} is missing: restore it with git, or pack it with \`npm run data\`.`);
    const found = statSync(join(root, path)).size;
    if (found !== bytes)
      throw new Stop(
        `${path} has ${found} bytes, its manifest says ${bytes}: restore it with git, or pack it with \`npm run data\`.`,
      );
  }
  return [...manifests, ...files.map(({ path }) => path)];
}

/** Local sets are optional; their manifest is always there to be asked for. */
export function ensureLocalManifest(folder = root) {
  const path = join(folder, LOCAL);
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, EMPTY);
}

/** dist/, ready for any static host. */
export function buildPage() {
  const files = served();
  const mark = fingerprint([
    "index.html",
    "www",
    "vite.config.ts",
    "tsconfig.json",
    "package-lock.json",
    "tools/setup/page.mjs",
    ...files,
  ]);
  return once(join(root, "target", "stamps", "page"), mark, [join(dist, "index.html")], async () => {
    const { build } = await import("vite");
    try {
      await build({ root, logLevel: "warn" });
    } catch (error) {
      throw new Stop("The page does not build.", String(error.message ?? error));
    }
    for (const path of new Set(files)) {
      mkdirSync(dirname(join(dist, path)), { recursive: true });
      copyFileSync(join(root, path), join(dist, path));
    }
    ensureLocalManifest(dist);
  });
}
