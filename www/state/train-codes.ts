/** What a training of a link says behind its epochs: `t2~el~do`. Codes are permanent. */

import { type Choice, DEFAULT_CHOICE } from "./choice";
import { codeOf, type Entry, idOf, listed } from "./coding";
import { recipeTeachers } from "./teachers";

const taught = (field: "teacher" | "tunedTeacher"): Entry => ({
  key: "d",
  write: (choice: Choice, catalog) =>
    choice[field] === DEFAULT_CHOICE[field]
      ? undefined
      : codeOf(recipeTeachers(choice.model, catalog), choice[field], "teacher"),
  read: (value, catalog, model) => ({ [field]: idOf(recipeTeachers(model, catalog), value, "teacher") }),
});

/** Of a training behind pruning. An entry is added at the end, with a key that begins like no other. */
export const TUNE_ENTRIES: readonly Entry[] = [taught("tunedTeacher")];

/** Of a training through the quantizer. */
export const TRAIN_ENTRIES: readonly Entry[] = [
  listed("e", "estimator", (catalog) => catalog.estimators),
  taught("teacher"),
];
