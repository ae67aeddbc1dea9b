// The command line's words for the core's errors, and its own kinds of failure.

/** Bad input: one clear line, exit code 2. */
export class BadInput extends Error {}
/** A run that could not be finished: one clear line, exit code 1. */
export class Failed extends Error {}

/** Whether a thrown value is the core's `{code, path, found, allowed}`. */
export function isCoreError(value) {
  return (
    typeof value === "object" &&
    value !== null &&
    ["code", "path", "found", "allowed"].every((field) => typeof value[field] === "string")
  );
}

const WORDS = {
  json: ({ found }) => `is not JSON: ${found}`,
  "unknown-field": ({ path, found, allowed }) => `${at(path)}there is no field ${found || path}${only(allowed)}`,
  "missing-field": ({ path, allowed }) => `${path} is missing${only(allowed)}`,
  type: ({ path, found, allowed }) => `${path} is ${found}${only(allowed)}`,
  range: ({ path, found, allowed }) => `${path} is ${found}${only(allowed)}`,
  "unknown-id": ({ path, found, allowed }) => `${path} is ${found}, which does not exist${only(allowed)}`,
  combination: ({ path, found, allowed }) => `${at(path)}${found} do not go together${only(allowed)}`,
  version: ({ path, found, allowed }) => `${path} is ${found}, which this engine does not read${only(allowed)}`,
  asset: ({ path, found }) => `the file ${path} is needed and not there${found === "" ? "" : ` (${found})`}`,
  checksum: ({ path, found, allowed }) =>
    `the file ${path} is not the one its manifest names: found ${found}${only(allowed)}`,
  internal: ({ path, found }) => `the engine failed${path === "" ? "" : ` at ${path}`}: ${found}`,
};

const at = (path) => (path === "" ? "" : `${path}: `);
const only = (allowed) => (allowed === "" ? "" : `; allowed: ${allowed}`);

/** A core error in one line. */
export function describe(error) {
  const words =
    WORDS[error.code] ?? (({ code, path, found, allowed }) => `${code} at ${path}: ${found}${only(allowed)}`);
  return words(error).replaceAll(/\s*[\r\n]+\s*/g, " ");
}

/** The exception for a core error met while reading `file`: input the user can mend, or not. */
export function refusal(file, error) {
  const line = `${file}: ${describe(error)}`;
  return ["asset", "checksum", "internal"].includes(error.code) ? new Failed(line) : new BadInput(line);
}
