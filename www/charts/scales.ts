/** Scales and ticks of the charts: thin choices on top of d3-scale and d3-array. */

import { scaleLinear, scaleLog } from "d3-scale";

export type Scale = (value: number) => number;

export interface Axis {
  readonly scale: Scale;
  readonly ticks: readonly number[];
  readonly domain: readonly [number, number];
}

/** One kilobyte of the page: 1,000 bytes. */
export const KILOBYTE = 1000;

/** Bytes on a log₂ axis from the power of two (of kilobytes) below the least to the one above the greatest. */
export function bytesAxis(values: readonly number[], range: readonly [number, number]): Axis {
  const least = Math.max(1, Math.min(...values));
  const greatest = Math.max(least, ...values);
  let from = Math.floor(Math.log2((least * 0.97) / KILOBYTE));
  let to = Math.ceil(Math.log2((greatest * 1.03) / KILOBYTE));
  if (to - from < 2) {
    from -= 1;
    to += 1;
  }
  const domain: [number, number] = [2 ** from * KILOBYTE, 2 ** to * KILOBYTE];
  const every = Math.max(1, Math.ceil((to - from) / Math.max(2, Math.floor((range[1] - range[0]) / 52))));
  const ticks: number[] = [];
  for (let power = from; power <= to; power += every) ticks.push(2 ** power * KILOBYTE);
  return {
    scale: scaleLog()
      .base(2)
      .domain(domain)
      .range([...range]),
    ticks,
    domain,
  };
}

/** Mean bits per weight on a log₂ axis, from the power of two below the least (scales set aside) to the one above. */
export function bitsAxis(values: readonly number[], range: readonly [number, number]): Axis {
  const from = Math.floor(Math.log2(Math.min(16, ...values) * 0.97));
  // Scales add a little to the bits of a format; that little need not open another octave.
  const to = Math.max(from + 1, Math.ceil(Math.log2(Math.max(2, ...values) * 0.97)));
  const domain: [number, number] = [2 ** from, 2 ** to];
  const ticks = Array.from({ length: to - from + 1 }, (_, index) => 2 ** (from + index));
  return {
    scale: scaleLog()
      .base(2)
      .domain(domain)
      .range([...range]),
    ticks,
    domain,
  };
}

/** Bits per character, fewer at the top: from the tenth below the least to the one above the greatest. */
export function bitsPerCharacterAxis(bits: readonly number[], range: readonly [number, number]): Axis {
  const from = Math.floor(Math.min(...bits) * 10 - 0.5) / 10;
  const to = Math.max(from + 0.5, Math.ceil(Math.max(...bits) * 10 + 0.5) / 10);
  const scale = scaleLinear()
    .domain([to, from])
    .range([...range]);
  return { scale, ticks: scale.ticks(5), domain: [from, to] };
}

/**
 * Accuracy in percent. Starts at zero once something falls below 40 %, otherwise at the ten below the least;
 * always ends at 100. `truncated` tells whether the axis must say where it starts.
 */
export function accuracyAxis(
  percents: readonly number[],
  range: readonly [number, number],
): Axis & { readonly truncated: boolean } {
  const least = Math.min(100, ...percents);
  const from = least < 40 ? 0 : Math.min(90, Math.floor(least / 10) * 10);
  const scale = scaleLinear()
    .domain([from, 100])
    .range([...range]);
  const ticks = scale.ticks(5);
  return { scale, ticks, domain: [from, 100], truncated: from > 0 };
}

/** Percent from 0 to 100, as they are. */
export function percentAxis(range: readonly [number, number]): Axis {
  const scale = scaleLinear()
    .domain([0, 100])
    .range([...range]);
  return { scale, ticks: scale.ticks(5), domain: [0, 100] };
}

/** Multiply-adds from none on, on a plain axis. */
export function macsAxis(values: readonly number[], range: readonly [number, number]): Axis {
  const scale = scaleLinear()
    .domain([0, Math.max(1, ...values)])
    .nice(5)
    .range([...range]);
  return { scale, ticks: scale.ticks(5), domain: [0, scale.domain()[1] ?? 1] };
}
