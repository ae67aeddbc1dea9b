/** The table of what a quantize step of a link says behind its formats: `~g64`, `~xf-e`, `~og`. Codes are permanent. */

import {
  CACHE_GRANULARITIES,
  DEFAULT_CHOICE,
  FIRST_IMAGES,
  GROUPED,
  MODES,
  NONE,
  SAME,
  weightedLayers,
} from "./choice";
import { byLetter, codeOf, counted, type Entry, flag, idOf, LinkError, listed, number } from "./coding";
import type { Catalog } from "./schema";

/** Formats of the catalog that suit a use. */
const formats = (suits: (format: Catalog["formats"][number]) => boolean) => (catalog: Catalog) =>
  catalog.formats.filter(suits);

/** In the order they are written. An entry is added at the end, with a key that begins like no other. */
export const QUANTIZE_ENTRIES: readonly Entry[] = [
  {
    key: "g",
    write: (choice, catalog) => {
      if (choice.granularity === GROUPED) return String(choice.group);
      const code = () => codeOf(catalog.granularities, choice.granularity, "granularity");
      return choice.granularity === DEFAULT_CHOICE.granularity ? undefined : code();
    },
    read: (value, catalog) =>
      /^\d/.test(value)
        ? { granularity: GROUPED, group: number(value, "weights.group", "granularity", catalog, true) }
        : { granularity: idOf(catalog.granularities, value, "granularity") },
  },
  flag("asym", "symmetric"),
  listed("r", "range", (catalog) => catalog.ranges),
  listed("c", "calibration", (catalog) => catalog.calibrations),
  {
    key: "x",
    write: ({ transforms }, catalog) =>
      transforms.length === 0
        ? undefined
        : transforms.map((id) => codeOf(catalog.transforms, id, "transforms")).join("-"),
    read: (value, catalog) => ({
      transforms: value.split("-").map((code) => idOf(catalog.transforms, code, "transforms")),
    }),
  },
  counted("s", "alpha", "quantize.alpha", false),
  listed("w", "scale", (catalog) => catalog.scales),
  listed("o", "rounding", (catalog) => catalog.roundings),
  counted("d", "damping", "weights.damping", false),
  flag("act", "actOrder"),
  counted("i", "iterations", "weights.iterations"),
  counted("k", "codebook", "weights.bits"),
  flag("huff", "huffman"),
  listed(
    "h",
    "misfits",
    formats((format) => format.block === null),
  ),
  flag("ends", "ends"),
  counted("u", "budget", "bits.budget", false),
  counted("j", "judged", "bits.images"),
  listed("b", "correction", (catalog) => catalog.corrections),
  counted("t", "images", "quantize.images"),
  {
    key: "z",
    write: ({ draw }) => (draw === FIRST_IMAGES ? undefined : String(draw)),
    read: (value, catalog) => ({ draw: number(value, "seed", "draw", catalog, true) }),
  },
  listed("m", "mode", () => byLetter(MODES)),
  flag("iasym", "inputsSymmetric"),
  counted("p", "percentile", "activations.percentile", false),
  counted("n", "watched", "activations.images"),
  {
    key: "v",
    write: ({ cache, cacheGranularity }, catalog) => {
      if (cache === NONE) return undefined;
      const code = codeOf(catalog.formats, cache, "cache");
      const own = codeOf(byLetter(CACHE_GRANULARITIES), cacheGranularity, "cache");
      return cacheGranularity === DEFAULT_CHOICE.cacheGranularity ? code : `${code}-${own}`;
    },
    read: (value, catalog) => {
      const [code = "", own] = value.split("-");
      const suited = formats((format) => format.cache)(catalog);
      const cacheGranularity =
        own === undefined ? DEFAULT_CHOICE.cacheGranularity : idOf(byLetter(CACHE_GRANULARITIES), own, "cache");
      return { cache: idOf(suited, code, "cache"), cacheGranularity };
    },
  },
  {
    // A layer by its place among those with weights, its weights' format, its inputs': `0:8,4:4:4`; nothing for the same as all.
    key: "y",
    write: ({ model, layers }, catalog) => {
      const names = weightedLayers({ model }, catalog).map(({ name }) => name);
      const code = (id: string) => (id === SAME ? "" : codeOf(catalog.formats, id, "layers"));
      const each = layers.map(({ name, weights, activations }) =>
        [names.indexOf(name), code(weights), code(activations)].join(":").replace(/:$/, ""),
      );
      return each.length > 0 ? each.join(",") : undefined;
    },
    read: (value, catalog, model) => {
      const layers = weightedLayers({ model }, catalog);
      const id = (code: string, suits: (format: Catalog["formats"][number]) => boolean) =>
        code === "" ? SAME : idOf(catalog.formats.filter(suits), code, "layers");
      return {
        layers: value.split(",").map((text) => {
          const [place = "", weights = "", activations = ""] = text.split(":");
          const layer = /^\d{1,3}$/.test(place) ? layers[Number(place)] : undefined;
          if (!layer) throw new LinkError("layers", text);
          return {
            name: layer.name,
            weights: id(weights, (format) => format.weights),
            activations: id(activations, (format) => format.activations),
          };
        }),
      };
    },
  },
];
