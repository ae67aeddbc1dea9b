/** Who teaches the trainings of a recipe: the network's own float original, or another model of the same data. */

import type { Catalog, Train } from "./schema";

/** In place of a teacher. */
export const UNTAUGHT = "none";
/** The recipe's own model, as it was before the recipe. */
export const ORIGINAL = "original";

/** Everyone who may teach a model in place of labels, with their codes in links. */
export function recipeTeachers(model: string, catalog: Catalog): { readonly id: string; readonly code: string }[] {
  const data = catalog.models.find(({ id }) => id === model)?.data;
  const others = catalog.models.filter((each) => each.data === data && each.id !== model);
  return [{ id: ORIGINAL, code: "o" }, ...others.map(({ id, code }) => ({ id, code }))];
}

/** The teacher, or none where it is not one of the model's or nothing is trained. */
export function settledTeacher(teacher: string, epochs: number, model: string, catalog: Catalog): string {
  return epochs > 0 && recipeTeachers(model, catalog).some(({ id }) => id === teacher) ? teacher : UNTAUGHT;
}

/** Its part of a training: its answers as they are, and no labels; of what docs/tables/distillation.md tries that is the best here. */
export function distillBy(teacher: string): Pick<Train, "distill"> {
  return teacher === UNTAUGHT ? {} : { distill: { teacher, temperature: 1, alpha: 1 } };
}
