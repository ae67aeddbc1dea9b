/**
 * Messages: `{name}` is a value, `{name:은/는}` a value with its particle, `{name#one|many}` a word chosen by a count.
 */

import { particle } from "./particles";

export type Values = Readonly<Record<string, string | number>>;

export type Part = { readonly text: string } | { readonly slot: string; readonly text: string };

const HOLE = /\{(\w+)(?::([^}]+)|#([^}]+))?\}/g;

/** Splits a message into texts and slots, so that a page can put a control where a value stands. */
export function parts(message: string, values: Values): Part[] {
  const result: Part[] = [];
  let end = 0;
  for (const hole of message.matchAll(HOLE)) {
    if (hole.index > end) result.push({ text: message.slice(end, hole.index) });
    const name = hole[1] ?? "";
    const value = values[name];
    const text = value === undefined ? "" : String(value);
    if (hole[3] !== undefined) {
      const [one = "", many = ""] = hole[3].split("|");
      const count = Number(text.replace(/,/g, ""));
      result.push({ text: count === 1 ? one : many });
    } else {
      result.push({ slot: name, text });
      if (hole[2] !== undefined) result.push({ text: particle(text, hole[2]) });
    }
    end = hole.index + hole[0].length;
  }
  if (end < message.length) result.push({ text: message.slice(end) });
  return result;
}

/** The message as plain text. */
export function format(message: string, values: Values): string {
  return parts(message, values)
    .map((part) => part.text)
    .join("");
}

/** Names of the values a message asks for. */
export function holes(message: string): string[] {
  return [...new Set([...message.matchAll(HOLE)].map((hole) => hole[1] ?? ""))].sort();
}
