/** Numbers as the explorer shows them: few digits, a true minus sign, no exponent where none is needed. */

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A number to three or four significant digits. */
export function short(value: number, digits = 3): string {
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e5) return minus(String(Number(value.toPrecision(digits))));
  const [mantissa = "", exponent = "0"] = value.toExponential(digits - 1).split("e");
  return `${minus(String(Number(mantissa)))}×10${power(Number(exponent))}`;
}

/** All digits that tell an f32 from its neighbours. */
export function exact(value: number): string {
  for (let digits = 1; digits <= 9; digits += 1) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return minus(String(Number(text)));
  }
  return minus(String(value));
}

function power(exponent: number): string {
  const digits = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPTS[Number(digit)] ?? digit).join("");
  return exponent < 0 ? `⁻${digits}` : digits;
}

function minus(text: string): string {
  return text.replaceAll("-", "−");
}

/** Decibels with so many decimals. */
export function decibels(db: number, decimals: number): string {
  return minus(db.toFixed(decimals));
}

/** A byte as two hexadecimal digits. */
export function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

/** A code as bits, `width` of them; longer ones than 16 as hexadecimal. */
export function codeWords(code: number, width: number): string {
  return width > 16 ? `0x${code.toString(16).padStart(8, "0")}` : code.toString(2).padStart(width, "0");
}

/** Ascending numbers as ranges: "0–3, 5". */
export function ranges(numbers: readonly number[]): string {
  const parts: [number, number][] = [];
  for (const number of numbers) {
    const last = parts.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else parts.push([number, number]);
  }
  return parts.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(", ");
}
