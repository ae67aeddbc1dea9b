/**
 * Checkpoints of trainings under way, kept in the browser, so that one that was stopped, or lost with its page, goes on where it was.
 * Results are the same either way. A browser that keeps nothing for this page keeps none of these.
 */

/** Where checkpoints are kept. */
export interface Checkpoints {
  /** The newest of a run, if there is one. */
  take(key: string): Promise<Uint8Array | undefined>;
  keep(key: string, bytes: Uint8Array): void;
  /** The run is over. */
  drop(key: string): void;
}

const NAME = "featherweight";
const STORE = "checkpoints";
/** Of a checkpoint's bytes: those of another form are not used. */
const FORM = 2;
/** Of more trainings than these the oldest are forgotten; as many are under way at once at most. */
const MOST = 8;

interface Entry {
  readonly bytes: Uint8Array;
  /** When it was kept. */
  readonly at: number;
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Checkpoints in IndexedDB, of the engine with this name: another one's are not used. */
export function keptCheckpoints(engine: string, factory: IDBFactory | undefined, now: () => number): Checkpoints {
  let opened: Promise<IDBDatabase | undefined> | undefined;
  const open = async (): Promise<IDBDatabase | undefined> => {
    if (!factory) return undefined;
    const request = factory.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    // Refused in private windows: then there is nothing to go on from, and nothing else is missing.
    return settled(request).catch(() => undefined);
  };
  const store = async (mode: IDBTransactionMode): Promise<IDBObjectStore | undefined> => {
    opened ??= open();
    return (await opened)?.transaction(STORE, mode).objectStore(STORE);
  };
  const nameOf = (key: string) => `${engine} ${FORM} ${key}`;
  const put = async (key: string, entry: Entry): Promise<void> => {
    const all = await store("readwrite");
    if (!all) return;
    await settled(all.put(entry, nameOf(key)));
    const names = await settled(all.getAllKeys());
    if (names.length <= MOST) return;
    const entries: Entry[] = await settled(all.getAll());
    const oldest = names.map((name, i) => ({ name, at: entries[i]?.at ?? 0 })).sort((a, b) => a.at - b.at);
    for (const { name } of oldest.slice(0, names.length - MOST)) all.delete(name);
  };
  return {
    take: async (key) => {
      const all = await store("readonly");
      const entry: Entry | undefined = all && (await settled(all.get(nameOf(key))));
      return entry?.bytes;
    },
    // A full disk keeps no more; the training itself goes on.
    keep: (key, bytes) => void put(key, { bytes, at: now() }).catch(() => undefined),
    drop: (key) => void store("readwrite").then((all) => all?.delete(nameOf(key))),
  };
}
