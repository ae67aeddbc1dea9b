// npm run targets: `fit` finds the cost model's constants from published measurements and writes them; `validate` says how far off the
// model is, on what it was fitted to and on targets left out, and writes docs/targets.md with its picture.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readMeasured, readRegistry } from "../../www/targets/facts.mjs";
import { root } from "../setup/lib.mjs";
import { errorsOf, fitAll, fourOfFive, leaveOut, rounded } from "./fit.mjs";
import { page } from "./page.mjs";
import { scatter } from "./picture.mjs";
import { casesOf } from "./points.mjs";
import { groups, summary } from "./summary.mjs";

const CONSTANTS = join(root, "data/targets/constants.json");
const LEFT_OUT = join(root, "data/targets/left-out.json");

/** One entry a line. */
const lines = (entries) =>
  `{\n${entries.map(([k, v]) => ` ${JSON.stringify(k)}: ${JSON.stringify(v)}`).join(",\n")}\n}\n`;
const digits = (value) => (value === undefined ? null : Number(value.toFixed(4)));

/**
 * How far off kinds are: the factor that four of five stay within, of targets left out, or of the fit where a kind has but one. `field`:
 * `time`, or `ratio` for speed-ups, of which a kind without any has that of its times.
 */
export function bandsOf(errors, left, field) {
  const kinds = [...new Set(errors.map((each) => each.case.kind))];
  const found = kinds.map((kind) => {
    const of = (list, name) =>
      list.filter((each) => each.case.kind === kind && each[name] !== undefined).map((each) => each[name]);
    const lists = [of(left, field), of(errors, field), of(errors, "time")];
    return [kind, Number(Math.exp(fourOfFive(lists.find((list) => list.length > 0) ?? [])).toPrecision(3))];
  });
  return Object.fromEntries(found);
}

function fit() {
  const { cases } = casesOf(readRegistry(), readMeasured());
  const constants = rounded(fitAll(cases));
  const errors = errorsOf(cases, { constants, band: {} });
  const left = leaveOut(cases, constants);
  const fitted = { constants, band: bandsOf(errors, left, "time"), ratio_band: bandsOf(errors, left, "ratio") };
  writeFileSync(CONSTANTS, `${JSON.stringify(fitted, null, 1)}\n`);
  writeFileSync(LEFT_OUT, lines(left.map((each) => [each.case.point.id, [digits(each.time), digits(each.ratio)]])));
  for (const [kind, values] of Object.entries(constants)) console.log(kind, values);
  print(errors, left);
}

/** What the documents are made of, from the committed constants and errors of targets left out. */
export function results() {
  const { cases, left: without } = casesOf(readRegistry(), readMeasured());
  const fitted = JSON.parse(readFileSync(CONSTANTS, "utf8"));
  const stored = JSON.parse(readFileSync(LEFT_OUT, "utf8"));
  const errors = errorsOf(cases, fitted);
  const left = errors
    .filter((each) => stored[each.case.point.id])
    .map((each) => {
      const [time, ratio] = stored[each.case.point.id];
      return { ...each, time: time ?? undefined, ratio: ratio ?? undefined };
    });
  return { fitted, cases, without, errors, left };
}

function print(errors, left) {
  for (const [name, own] of groups(errors)) {
    const others = left.filter((each) => own.some((one) => one.case.point.id === each.case.point.id));
    console.log(
      `\n${name}\n  fit       ${summary(own)}\n  left out  ${others.length > 0 ? summary(others) : "no other target of its kind is measured"}`,
    );
  }
}

function validate() {
  const all = results();
  print(all.errors, all.left);
  writeFileSync(join(root, "docs/targets.md"), page(all, readRegistry().targets));
  writeFileSync(join(root, "docs/targets.svg"), scatter(all.errors));
}

const COMMANDS = { fit, validate };

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const command = Object.hasOwn(COMMANDS, process.argv[2] ?? "") ? COMMANDS[process.argv[2]] : undefined;
  if (command) command();
  else {
    console.error(`npm run targets -- ${Object.keys(COMMANDS).join(" or ")}`);
    process.exitCode = 2;
  }
}
