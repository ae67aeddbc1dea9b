/** Rows as CSV that no spreadsheet takes for formulas. */

/** What a spreadsheet takes for the start of a formula, whatever blanks and controls stand before it. */
const FORMULA = /^(?:\p{Cc}|\s)*[=+\-@]|^[\t\r]/u;

/** One cell. Text that a spreadsheet would run is kept as text by a leading apostrophe; numbers stay numbers. */
export function csvCell(value: string | number | undefined): string {
  if (value === undefined) return "";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  // Bidirectional controls could make a cell read otherwise than it is.
  const plain = value.replace(/[\u202a-\u202e\u2066-\u2069\u200e\u200f]/g, "");
  const safe = FORMULA.test(plain) ? `'${plain}` : plain;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}

/** A table with its header, lines ended as RFC 4180 has it. */
export function csv(header: readonly string[], rows: readonly (readonly (string | number | undefined)[])[]): string {
  return [header, ...rows].map((row) => `${row.map(csvCell).join(",")}\r\n`).join("");
}
