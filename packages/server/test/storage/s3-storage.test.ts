import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createGuardedConnector, type GuardedConnector } from "../../src/net/index.ts";
import { downloadTo } from "../../src/storage/download.ts";
import { createS3Storage } from "../../src/storage/s3-storage.ts";
import { listen } from "../net/local-server.ts";
import { failure } from "./failure.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const credentials = { accessKeyId: "key", secretAccessKey: "secret" };
const url = new URL("s3://bucket/folder/a%20b.mp4");

function storageAt(connector: GuardedConnector, endpoint: string) {
  return createS3Storage({ connector, endpoint, credentials, region: "us-east-1" });
}

describe("S3 answers", () => {
  it("whose checksum does not agree are not taken", async () => {
    const body = Buffer.from("the object's bytes");
    const stated = createHash("sha256").update("other bytes").digest("base64");
    await using api = await listen((request, response) => {
      expect(request.url).toContain("/bucket/folder/a%20b.mp4");
      expect(request.headers["x-amz-checksum-mode"]).toBe("ENABLED");
      response.writeHead(200, {
        "content-length": body.length,
        "x-amz-checksum-sha256": stated,
        "x-amz-checksum-type": "FULL_OBJECT",
        etag: '"1"',
      });
      response.end(body);
    });
    await using folder = await temporaryFolder();
    await using connector = createGuardedConnector({ allowedPrivateHosts: [api.host] });
    await using storage = storageAt(connector, api.origin);
    const path = join(folder.path, "video.mp4");
    const download = downloadTo(storage, url, path, { maxBytes: 100, attempts: 1 });
    expect((await failure(download)).code).toBe("network");
  });

  it.each([
    [403, "forbidden"],
    [404, "not_found"],
    [412, "conflict"],
  ] as const)("%i are errors", async (status, code) => {
    await using api = await listen((_request, response) => {
      response.writeHead(status).end();
    });
    await using connector = createGuardedConnector({ allowedPrivateHosts: [api.host] });
    await using storage = storageAt(connector, api.origin);
    expect((await failure(storage.open(url))).code).toBe(code);
  });
});

it("parts of an upload that fails are removed", async () => {
  const requests: string[] = [];
  await using api = await listen((request, response) => {
    requests.push(
      `${request.method} ${/uploads|uploadId|partNumber=\d+/.exec(request.url ?? "")?.[0]}`,
    );
    request.resume();
    request.on("end", () => {
      if (request.method === "POST") {
        response.end(
          "<InitiateMultipartUploadResult><Bucket>bucket</Bucket><Key>key</Key><UploadId>1</UploadId></InitiateMultipartUploadResult>",
        );
      } else response.writeHead(request.method === "PUT" ? 403 : 204).end();
    });
  });
  await using folder = await temporaryFolder();
  await using connector = createGuardedConnector({ allowedPrivateHosts: [api.host] });
  await using storage = storageAt(connector, api.origin);
  const path = join(folder.path, "large.mp4");
  const sizeBytes = 17 * 1024 * 1024;
  await writeFile(path, Buffer.alloc(sizeBytes));
  const file = { path, sizeBytes, sha256: "0".repeat(64), contentType: "video/mp4" };
  expect((await failure(storage.put(url, file))).code).toBe("forbidden");
  expect(requests[0]).toBe("POST uploads");
  expect(requests.some((request) => request.startsWith("DELETE"))).toBe(true);
});
