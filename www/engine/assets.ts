/** Files of the site, fetched once and shared by all workers as blobs, which are posted without copying. */

import { EngineError } from "./types";

export class Assets {
  private readonly known = new Map<string, Promise<Blob>>();

  /** `base` is what paths in manifests are relative to. */
  constructor(
    private readonly base: string,
    private readonly fetcher: typeof fetch = (...args) => fetch(...args),
  ) {}

  /** The file at `path`; `fresh` asks the server again, past every cache. A failure is not remembered. */
  get(path: string, fresh = false): Promise<Blob> {
    const known = this.known.get(path);
    if (known && !fresh) return known;
    const asked = this.fetch(path, fresh);
    this.known.set(path, asked);
    asked.catch(() => this.known.get(path) === asked && this.known.delete(path));
    return asked;
  }

  private async fetch(path: string, fresh: boolean): Promise<Blob> {
    const missing = (found: string) => new EngineError({ code: "asset", path, found, allowed: "" });
    let response: Response;
    try {
      response = await this.fetcher(new URL(path, this.base), { cache: fresh ? "reload" : "default" });
    } catch (error) {
      throw missing(error instanceof Error ? error.message : String(error));
    }
    if (!response.ok) throw missing(`HTTP ${response.status}`);
    try {
      return await response.blob();
    } catch (error) {
      throw missing(error instanceof Error ? error.message : String(error));
    }
  }
}
