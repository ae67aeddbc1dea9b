// node benches/bytes.mjs: what the engine's WebAssembly is made of, by the module that a function's name begins with, before
// compression. Generic functions go by the crate they come from, whoever uses them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ensureEngine } from "../tools/setup/all.mjs";
import { main, refuse, root, run } from "../tools/setup/lib.mjs";
import { raw } from "../tools/setup/steps.mjs";

const IMPORTS = 2;
const CODE = 10;
const CUSTOM = 0;
/** Reads the binary format, WebAssembly Core Specification 2.0, chapter 5. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }
  byte() {
    return this.bytes[this.at++];
  }
  number() {
    let [value, shift, byte] = [0, 0, 0];
    do {
      byte = this.byte();
      value |= (byte & 127) << shift;
      shift += 7;
    } while (byte & 128);
    return value >>> 0;
  }
  text() {
    const length = this.number();
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at).toString();
  }
}

/** Functions with their bytes and names. */
function functions(bytes) {
  const read = new Reader(bytes);
  const [sizes, names] = [[], new Map()];
  let imported = 0;
  read.at = 8;
  while (read.at < bytes.length) {
    const [section, length] = [read.byte(), read.number()];
    const end = read.at + length;
    if (section === IMPORTS) {
      for (let left = read.number(); left > 0; left--) {
        read.text();
        read.text();
        // After wasm-bindgen the engine imports functions alone.
        if (read.byte() !== 0) throw new Error("an import that is no function");
        imported += 1;
        read.number();
      }
    }
    if (section === CODE) {
      for (let left = read.number(); left > 0; left--) {
        const size = read.number();
        sizes.push(size);
        read.at += size;
      }
    }
    if (section === CUSTOM && read.text() === "name") {
      while (read.at < end) {
        const [part, size] = [read.byte(), read.number()];
        const behind = read.at + size;
        if (part === 1) for (let left = read.number(); left > 0; left--) names.set(read.number(), read.text());
        read.at = behind;
      }
    }
    read.at = end;
  }
  return sizes.map((size, i) => ({ size, name: names.get(i + imported) ?? "" }));
}

/** The module of this crate, or the crate, that a name begins with. */
function ownerOf(name) {
  const own = name.match(/featherweight::([a-z_]+)(?:::([a-z_]+))?/);
  if (own) return ["methods", "kernels"].includes(own[1]) && own[2] ? `${own[1]}::${own[2]}` : own[1];
  if (/^__w|wasm_bindgen|js_sys|serde|tsify/.test(name)) return "values to and from JavaScript, JSON";
  return /\b(?:core|alloc|std)::/.test(name) ? "generic code of core, alloc and std" : "other crates, exports";
}

await main(async () => {
  await ensureEngine();
  // As the page loads it, but with its names.
  const named = join(root, "target", "named");
  const { code, output } = await run("wasm-bindgen", [
    raw,
    "--target",
    "web",
    "--out-name",
    "engine",
    "--out-dir",
    named,
  ]);
  if (code !== 0) refuse("the engine", "wasm-bindgen refused it.", output);
  const by = new Map();
  for (const { size, name } of functions(readFileSync(join(named, "engine_bg.wasm"))))
    by.set(ownerOf(name), (by.get(ownerOf(name)) ?? 0) + size);
  const all = [...by.values()].reduce((sum, size) => sum + size, 0);
  for (const [owner, size] of [...by].sort((a, b) => b[1] - a[1]))
    console.log(
      `${owner.padEnd(40)} ${String(Math.round(size / 1000)).padStart(6)} KB ${((100 * size) / all).toFixed(1).padStart(6)} %`,
    );
  console.log(`${"all code".padEnd(40)} ${String(Math.round(all / 1000)).padStart(6)} KB`);
});
