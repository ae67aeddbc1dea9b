/** Holds work where it is, and lets it go on. */

import type { Hold } from "./schema";

export class Holder extends EventTarget implements Hold {
  #held = false;

  get held(): boolean {
    return this.#held;
  }

  set held(held: boolean) {
    if (held === this.#held) return;
    this.#held = held;
    this.dispatchEvent(new Event("change"));
  }
}
