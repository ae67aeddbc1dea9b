/** The worker's script: one classic file that is sent the compiled module and then does what the pool asks. */

import { chooseKernel } from "./kernels";
import type { Request, Response } from "./protocol";
import { Session } from "./session";
import { turns } from "./turn";
import type { Bindings } from "./types";
import * as wasm from "./wasm/featherweight.js";

let session: Session | null = null;

self.onmessage = (event: MessageEvent<Request>) => {
  const message = event.data;
  if (message.type !== "init") {
    session?.handle(message);
    return;
  }
  wasm.initSync({ module: message.module });
  const bindings = wasm as unknown as Bindings;
  chooseKernel(bindings, () => performance.now());
  const post = (answer: Response) => (self as unknown as { postMessage(answer: Response): void }).postMessage(answer);
  session = new Session(bindings, message.manifests, {
    post,
    turn: turns(),
    now: () => performance.now(),
  });
  post({ type: "ready" });
};
