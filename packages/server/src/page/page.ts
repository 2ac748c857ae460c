/** The web page: files that stand in the package's folder `page`, served as they are. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Hono, type Context } from "hono";

const FOLDER = new URL("../../page/", import.meta.url);

/** Every file that is served. */
const assets: Readonly<Record<string, string>> = {
  "api.js": "text/javascript; charset=utf-8",
  "compose.css": "text/css; charset=utf-8",
  "compose.js": "text/javascript; charset=utf-8",
  "dom.js": "text/javascript; charset=utf-8",
  "event-stream.js": "text/javascript; charset=utf-8",
  "face-picker.js": "text/javascript; charset=utf-8",
  "format.js": "text/javascript; charset=utf-8",
  "icon.svg": "image/svg+xml",
  "job-list.js": "text/javascript; charset=utf-8",
  "job-panel.js": "text/javascript; charset=utf-8",
  "jobs.css": "text/css; charset=utf-8",
  "main.js": "text/javascript; charset=utf-8",
  "options.js": "text/javascript; charset=utf-8",
  "player.js": "text/javascript; charset=utf-8",
  "small.css": "text/css; charset=utf-8",
  "style.css": "text/css; charset=utf-8",
  "theme.css": "text/css; charset=utf-8",
};

/** Nothing from elsewhere, nothing inline; blobs are the user's own files and results. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "media-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const headers: Readonly<Record<string, string>> = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "cross-origin-opener-policy": "same-origin",
  "cache-control": "no-cache",
  "permissions-policy": "camera=(), microphone=(), geolocation=()",
};

interface Served {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly etag: string;
}

/**
 * The page at `/`, and its parts at `/page-assets/<name>`. All of its addresses are relative, so it
 * works wherever it is mounted, as long as its own address ends in a slash.
 */
export function createPage(): Hono {
  const page = new Hono();
  const files = new Map<string, Promise<Served>>();
  const serve = async (c: Context, name: string, contentType: string): Promise<Response> => {
    const file = files.get(name) ?? readServed(name);
    files.set(name, file);
    // What could not be read is read again for the next one.
    file.catch(() => files.delete(name));
    const { body, etag } = await file;
    const sent = { ...headers, "content-type": contentType, etag };
    if (c.req.header("if-none-match") === etag) return c.body(null, 304, sent);
    return c.body(body, 200, sent);
  };
  page.get("/", (c) => serve(c, "index.html", "text/html; charset=utf-8"));
  page.get("/page-assets/:name", (c) => {
    const name = c.req.param("name");
    const contentType = Object.hasOwn(assets, name) ? assets[name] : undefined;
    return contentType === undefined ? c.notFound() : serve(c, name, contentType);
  });
  return page;
}

async function readServed(name: string): Promise<Served> {
  const body = Uint8Array.from(await readFile(new URL(name, FOLDER)));
  const hash = createHash("sha256").update(body).digest("base64url");
  return { body, etag: `"${hash.slice(0, 22)}"` };
}
