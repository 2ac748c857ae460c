import { createHash } from "node:crypto";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { storageConformance } from "../../src/conformance/storage.ts";
import { createGuardedConnector } from "../../src/net/index.ts";
import { createFileStorage } from "../../src/storage/file-storage.ts";
import { createHttpStorage } from "../../src/storage/http-storage.ts";
import { createUploadStorage } from "../../src/storage/upload-storage.ts";
import { startObjectServer } from "./object-server.ts";
import { temporaryFolder } from "./temporary-folder.ts";

storageConformance("file storage", {
  async create() {
    const folder = await temporaryFolder();
    return {
      storage: createFileStorage({ roots: [folder.path] }),
      url: (name) => pathToFileURL(join(folder.path, name)),
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    };
  },
});

storageConformance("http storage", {
  async create() {
    const server = await startObjectServer();
    const connector = createGuardedConnector({ allowedPrivateHosts: [server.host] });
    return {
      storage: createHttpStorage(connector),
      url: (name) => new URL(`${server.origin}/${encodeURIComponent(name)}?signature=1`),
      async [Symbol.asyncDispose]() {
        await connector[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  },
});

storageConformance("upload storage", {
  async create() {
    const folder = await temporaryFolder();
    return {
      storage: createUploadStorage({ folder: join(folder.path, "uploads") }),
      url: (name) => {
        const hex = createHash("sha256").update(name).digest("hex");
        const groups = [8, 12, 16, 20, 32].map((end, at) => hex.slice([0, 8, 12, 16, 20][at], end));
        return new URL(`upload:${groups.join("-")}`);
      },
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    };
  },
});
