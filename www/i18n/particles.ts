/**
 * Korean particles after any value: the form depends on whether the spoken value ends in a consonant.
 * Hangul is exact; digits and the units of this page are read as Korean reads them; other Latin words by their last letters.
 */

/** Final sound of a spoken text: none, ㄹ, or another consonant. */
export type FinalSound = "none" | "rieul" | "consonant";

/** 영 일 이 삼 사 오 육 칠 팔 구 */
const DIGITS: readonly FinalSound[] = [
  "consonant",
  "rieul",
  "none",
  "consonant",
  "none",
  "none",
  "consonant",
  "rieul",
  "rieul",
  "none",
];

/** Spoken units: KB 킬로바이트, MB 메가바이트, % 퍼센트, × 배. */
const UNITS: Readonly<Record<string, FinalSound>> = { "%": "none", KB: "none", MB: "none", B: "none", "×": "none" };

/** Names of Latin letters that end in a consonant: L 엘, M 엠, N 엔, R 알. */
const LETTERS: Readonly<Record<string, FinalSound>> = { L: "rieul", M: "consonant", N: "consonant", R: "rieul" };

function latinWord(word: string): FinalSound {
  if (word === word.toUpperCase()) return LETTERS[word.at(-1) ?? ""] ?? "none";
  if (/[lL]e?$/.test(word)) return "rieul";
  if (/(m|n|ng|me|ne|[aeiou][bkptc]|ck)$/i.test(word)) return "consonant";
  return "none";
}

function digits(text: string): FinalSound {
  const plain = text.replace(/,/g, "");
  // 십 백 천 만: every power of ten but the zero itself ends in a consonant.
  if (/0$/.test(plain) && !plain.includes(".") && Number(plain) !== 0) return "consonant";
  return DIGITS[Number(plain.at(-1))] ?? "none";
}

/** The final sound of `text` as it is read aloud in Korean. */
export function finalSound(text: string): FinalSound {
  const trimmed = text.replace(/[\s)\]"'’”.…›»]+$/u, "");
  const last = trimmed.at(-1);
  if (last === undefined) return "none";
  const code = last.codePointAt(0) ?? 0;
  if (code >= 0xac00 && code <= 0xd7a3) {
    const final = (code - 0xac00) % 28;
    return final === 0 ? "none" : final === 8 ? "rieul" : "consonant";
  }
  const number = /[\d.,]*\d$/.exec(trimmed);
  if (number) return digits(number[0]);
  const word = /[A-Za-z]+$/.exec(trimmed)?.[0];
  if (word !== undefined) return UNITS[word] ?? latinWord(word);
  return UNITS[last] ?? "none";
}

/** Picks from a pair written consonant form first, such as `은/는` or `으로/로`. After ㄹ, `으로/로` is 로. */
export function particle(text: string, pair: string): string {
  const [consonant = "", open = ""] = pair.split("/");
  const sound = finalSound(text);
  if (sound === "rieul" && consonant.startsWith("으")) return open;
  return sound === "none" ? open : consonant;
}
