// A static file server for the built page: no headers a plain static host would not send.
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize, sep } from "node:path";
import { Stop } from "./lib.mjs";

const TYPES = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

function answer(folder, extra, request, response) {
  const plain = (code, text) => {
    response.writeHead(code, { "content-type": "text/plain; charset=utf-8" });
    response.end(`${text}\n`);
  };
  if (request.method !== "GET" && request.method !== "HEAD") return plain(405, "Only GET and HEAD.");
  let path;
  try {
    path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
  } catch {
    return plain(400, "Not a path.");
  }
  const file = normalize(join(folder, path.endsWith("/") ? `${path}index.html` : path));
  if (!file.startsWith(folder + sep) || path.includes("\0")) return plain(404, "Not found.");
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) return plain(404, "Not found.");
  const tag = `"${stat.size.toString(16)}-${Math.round(stat.mtimeMs).toString(16)}"`;
  const headers = {
    ...extra,
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "cache-control": path.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
    etag: tag,
  };
  if (request.headers["if-none-match"] === tag) {
    response.writeHead(304, headers);
    return response.end();
  }
  response.writeHead(200, { ...headers, "content-length": stat.size });
  if (request.method === "HEAD") return response.end();
  createReadStream(file)
    .on("error", () => response.destroy())
    .pipe(response);
}

function listen(folder, extra, host, port) {
  return new Promise((resolve, reject) => {
    const server = createServer((request, response) => answer(folder, extra, request, response));
    server.once("error", reject);
    server.listen(port, host, () => resolve(server));
  });
}

/**
 * Serves `folder`. Without `port` the first free one from 4173 is taken and a busy one is named; with `port` a busy one is
 * an error; port 0 takes any. `headers` are sent with every file.
 *
 * @param {string} folder
 * @param {{port?: number | undefined, host?: string, headers?: Record<string, string>, say?: (line: string) => void}} [options]
 */
export async function serve(folder, { port, host = "localhost", headers = {}, say = console.log } = {}) {
  const first = port ?? 4173;
  const last = port === undefined ? first + 50 : first;
  for (let next = first; next <= last; next++) {
    try {
      const server = await listen(folder, headers, host, next);
      return { server, url: `http://${host}:${server.address().port}/` };
    } catch (error) {
      if (error.code === "EACCES")
        throw new Stop(`Port ${next} is not allowed for this user: choose one above 1023 with --port.`);
      if (error.code !== "EADDRINUSE") throw error;
      if (port !== undefined)
        throw new Stop(`Port ${port} is taken: choose another with --port, or none to take the next free one.`);
      if (next < last) say(`  port ${next} is taken, trying ${next + 1}`);
    }
  }
  throw new Stop(`Ports ${first} to ${last} are all taken: choose one with --port.`);
}

/** The number after --port, checked. */
export function portOf(text) {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65535) return port;
  throw new Stop(`--port ${text} is not a port: a whole number from 0 to 65535 is.`);
}
