/** Which data sets are spoken of: those a model here reads, and those that may be packed beside them. */

import type { Catalog, DataSet } from "../../state/schema";

/** Sets that the data command packs when their packages are present; never part of a copy. */
export const OPTIONAL_SETS = ["mnist", "cifar10"] as const;

/** Sets with test images that some model reads. Others, such as whole training sets, are no use to the page. */
export function readSets(catalog: Pick<Catalog, "data" | "models">): DataSet[] {
  return catalog.data.filter(
    (set) => (set.splits.test ?? 0) > 0 && catalog.models.some((model) => model.data === set.id),
  );
}

/** Optional sets, parted by whether this copy has them; one that a model reads is spoken of as read. */
export function optionalSets(catalog: Pick<Catalog, "data" | "models">): {
  readonly present: string[];
  readonly absent: string[];
} {
  const read = new Set(readSets(catalog).map((set) => set.id));
  const has = (id: string) => catalog.data.some((set) => set.id === id);
  return {
    present: OPTIONAL_SETS.filter((id) => has(id) && !read.has(id)),
    absent: OPTIONAL_SETS.filter((id) => !has(id)),
  };
}
