/** Hands a file to the reader. */
export function save(name: string, type: string, content: string | Uint8Array): void {
  const bytes = typeof content === "string" ? content : new Uint8Array(content);
  const address = URL.createObjectURL(new Blob([bytes], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
