import { storageConformance } from "../../src/conformance/storage.ts";
import { createGuardedConnector } from "../../src/net/index.ts";
import { createGcsStorage } from "../../src/storage/gcs-storage.ts";
import { anonymousGoogleTokens } from "../../src/storage/google-tokens.ts";
import { createS3Storage } from "../../src/storage/s3-storage.ts";
import { gcsMissing, s3Missing, startGcs, startS3 } from "../servers/object-stores.ts";

const credentials = { accessKeyId: "key", secretAccessKey: "secret" };

storageConformance("S3 storage", {
  skip: s3Missing,
  async create() {
    const store = await startS3();
    const connector = createGuardedConnector({ allowedPrivateHosts: [store.host] });
    const endpoint = store.origin;
    const storage = createS3Storage({ connector, endpoint, region: "us-east-1", credentials });
    return {
      storage,
      url: (name) => new URL(`s3://conformance/folder/${encodeURIComponent(name)}`),
      async [Symbol.asyncDispose]() {
        await storage[Symbol.asyncDispose]();
        await connector[Symbol.asyncDispose]();
        await store[Symbol.asyncDispose]();
      },
    };
  },
});

storageConformance("Google Cloud Storage", {
  skip: gcsMissing,
  async create() {
    const store = await startGcs();
    const connector = createGuardedConnector({ allowedPrivateHosts: [store.host] });
    return {
      storage: createGcsStorage({
        connector,
        tokens: anonymousGoogleTokens,
        apiEndpoint: store.origin,
      }),
      url: (name) => new URL(`gs://conformance/folder/${encodeURIComponent(name)}`),
      async [Symbol.asyncDispose]() {
        await connector[Symbol.asyncDispose]();
        await store[Symbol.asyncDispose]();
      },
    };
  },
});
