/** Languages of the page. A language is one folder and one line here. */

import { en } from "./en";
import { ko } from "./ko";
import { format, type Part, parts, type Values } from "./message";

/** A value and its unit stay on one line. */
const JOINED = "\u00a0";

export type Words = Readonly<Record<string, string>>;
export type Language = "en" | "ko";

export const LANGUAGES: Readonly<Record<Language, { readonly name: string; readonly words: Words }>> = {
  en: { name: "English", words: en },
  ko: { name: "한국어", words: ko },
};

export function isLanguage(value: unknown): value is Language {
  return typeof value === "string" && Object.hasOwn(LANGUAGES, value);
}

/** The words of one language and its ways of writing numbers. */
export class Speech {
  readonly language: Language;
  readonly #words: Words;
  readonly #whole: Intl.NumberFormat;

  constructor(language: Language) {
    this.language = language;
    this.#words = LANGUAGES[language].words;
    this.#whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
  }

  /** A message with its values. A key without words shows itself, so that nothing vanishes silently. */
  t(key: string, values: Values = {}): string {
    return format(this.#words[key] ?? key, values);
  }

  /** A message in parts, for controls inside a sentence. */
  parts(key: string, values: Values): Part[] {
    return parts(this.#words[key] ?? key, values);
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#words, key);
  }

  /** Words for a catalog id, or the id itself when a registry is ahead of the words. */
  name(kind: string, id: string): string {
    return this.#words[`${kind}.${id}`] ?? id;
  }

  whole(value: number): string {
    return this.#whole.format(value);
  }

  /** A share of one as percent with one or two decimals. */
  percent(share: number, decimals = 1): string {
    return `${(share * 100).toFixed(decimals)}${JOINED}%`;
  }

  /** Bytes in kilobytes of 1,000, with a decimal below 10. */
  kilobytes(bytes: number): string {
    const value = bytes / 1000;
    return `${value < 10 ? value.toFixed(1) : this.whole(Math.round(value))}${JOINED}KB`;
  }

  /** Seconds with a decimal; below a tenth, milliseconds. */
  duration(seconds: number): string {
    return seconds < 0.1
      ? this.t("time.ms", { value: Math.max(1, Math.round(seconds * 1000)) })
      : this.t("time.s", { value: seconds.toFixed(1) });
  }

  /** A change in points of a percent, with a true minus sign. */
  points(share: number): string {
    const value = (Math.abs(share) * 100).toFixed(2);
    if (Number(value) === 0) return "0.00";
    return `${share < 0 ? "−" : "+"}${value}`;
  }
}
