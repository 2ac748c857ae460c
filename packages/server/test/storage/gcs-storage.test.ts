import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createGuardedConnector } from "../../src/net/index.ts";
import { createGcsStorage } from "../../src/storage/gcs-storage.ts";
import { listen } from "../net/local-server.ts";
import { failure } from "./failure.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const bytes = Buffer.from(
  Array.from({ length: 3_000_000 }, (_, at) => (at * 7 + (at >> 8)) & 0xff),
);
const target = new URL("gs://bucket/folder/a b.mp4");

it("an interrupted upload goes on where the store says, with the token at the start alone", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "result.mp4");
  await writeFile(path, bytes);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const log: string[] = [];
  const tokens: (string | undefined)[] = [];
  let announced: unknown;
  let received = Buffer.alloc(0);
  await using api = await listen((request, response) => {
    void (async () => {
      const range = request.headers["content-range"] ?? "";
      log.push(`${request.method} ${range}`.trim());
      tokens.push(request.headers.authorization);
      const parts: Buffer[] = [];
      try {
        for await (const part of request) {
          parts.push(part as Buffer);
          const count = parts.reduce((sum, { length }) => sum + length, 0);
          // The first transfer breaks off after a megabyte.
          if (received.length === 0 && range.startsWith("bytes 0-") && count > 1_000_000) {
            received = Buffer.concat(parts).subarray(0, 1_000_000);
            request.socket.destroy();
            return;
          }
        }
      } catch {
        return;
      }
      if (request.method === "POST") {
        announced = JSON.parse(Buffer.concat(parts).toString());
        response.writeHead(200, { location: `${api.origin}/session/1` }).end();
      } else if (range.startsWith("bytes */")) {
        response.writeHead(308, { range: `bytes=0-${received.length - 1}` }).end();
      } else {
        received = Buffer.concat([received, ...parts]);
        response.writeHead(200).end("{}");
      }
    })();
  });
  await using connector = createGuardedConnector({ allowedPrivateHosts: [api.host] });
  const storage = createGcsStorage({
    connector,
    tokens: { accessToken: async () => "token" },
    apiEndpoint: api.origin,
  });
  await storage.put(target, { path, sizeBytes: bytes.length, sha256, contentType: "video/mp4" });
  expect(received.equals(bytes)).toBe(true);
  expect(log).toEqual([
    "POST",
    `PUT bytes 0-2999999/3000000`,
    `PUT bytes */3000000`,
    `PUT bytes 1000000-2999999/3000000`,
  ]);
  expect(tokens).toEqual(["Bearer token", undefined, undefined, undefined]);
  expect(announced).toMatchObject({ name: "folder/a b.mp4", metadata: { sha256 } });
});

it("refusals are errors, and objects that are stored packed are not read", async () => {
  let status = 403;
  await using api = await listen((_request, response) => {
    response.writeHead(status, { "content-encoding": "gzip", "x-goog-generation": "1" }).end("x");
  });
  await using connector = createGuardedConnector({ allowedPrivateHosts: [api.host] });
  const storage = createGcsStorage({
    connector,
    tokens: { accessToken: async () => undefined },
    apiEndpoint: `${api.origin}/`,
  });
  expect((await failure(storage.open(target))).code).toBe("forbidden");
  status = 503;
  expect((await failure(storage.open(target))).code).toBe("network");
  status = 200;
  expect((await failure(storage.open(target))).code).toBe("unsupported");
});
