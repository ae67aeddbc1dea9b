/** The engine on the page's own thread, for pages that allow no workers: the same session, cut into the same slices. */

import { chooseKernel } from "./kernels";
import type { Manifest, Port, Request, Response } from "./protocol";
import { Session } from "./session";
import { turns } from "./turn";
import type { Bindings } from "./types";

export function localPort(bindings: Bindings, manifests: readonly Manifest[]): Port {
  let ended = false;
  const port: Port = {
    onmessage: null,
    onerror: null,
    postMessage: (message: Request) => {
      if (!ended && message.type !== "init") session.handle(message);
    },
    terminate: () => {
      ended = true;
    },
  };
  const post = (data: Response) => queueMicrotask(() => !ended && port.onmessage?.({ data }));
  chooseKernel(bindings, () => performance.now());
  const session = new Session(bindings, manifests, { post, turn: turns(), now: () => performance.now() });
  post({ type: "ready" });
  return port;
}
