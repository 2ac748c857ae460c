/** Objects of Amazon S3 and of stores that speak its protocol. */
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { LatentSyncError } from "@ls/core";
import { type GuardedConnector, toNetworkError, watchedBody } from "../net/index.ts";
import { type BucketObject, parseBucketUrl } from "./bucket-url.ts";
import { releaseBody, type Storage, type StoredObject, type UploadFile } from "./storage.ts";
import { statusError } from "./store-error.ts";
import { toSystemError } from "./system-error.ts";

export interface S3StorageOptions {
  readonly connector: GuardedConnector;
  /** Address of another store than Amazon's. */
  readonly endpoint?: string;
  /** Default: as the AWS tools find it. */
  readonly region?: string;
  /** The bucket in the path instead of the host name; default: with an `endpoint`. */
  readonly forcePathStyle?: boolean;
  /**
   * Default: as the AWS tools find them. That search is the operator's own, and may ask the
   * machine's metadata service, which no client's URL can reach.
   */
  readonly credentials?: NonNullable<S3ClientConfig["credentials"]>;
  /** If given, only these buckets; otherwise all that the credentials open. */
  readonly buckets?: readonly string[];
}

/** Files above are sent in parts of this size, two at a time. */
const PART_BYTES = 16 * 1024 * 1024;

/** `s3://bucket/key`. Every object carries its SHA-256 as metadata, so that `holds` can tell. */
export function createS3Storage(options: S3StorageOptions): Storage & AsyncDisposable {
  const { connector, buckets } = options;
  const client = createClient(options);
  const locate = (url: URL): BucketObject => parseBucketUrl(url, buckets);
  return {
    protocols: ["s3:"],
    check: (url) => void locate(url),
    async open(url, { offset = 0, etag, signal } = {}) {
      const { bucket, key } = locate(url);
      const answer = await client
        .send(
          new GetObjectCommand({
            Bucket: bucket,
            Key: key,
            ...(offset > 0 ? { Range: `bytes=${offset}-` } : { ChecksumMode: "ENABLED" }),
            ...(etag === undefined ? {} : { IfMatch: etag }),
          }),
          abortable(signal),
        )
        .catch(fail(`Reading ${url.href}`, url, signal));
      const object = describe(answer, { url, connector, signal });
      // Not every store heeds `If-Match`.
      if (etag === undefined || object.etag === etag) return object;
      await releaseBody(object);
      throw statusError(`Reading ${url.href}`, 412);
    },
    async put(url, file, { signal } = {}) {
      const target = locate(url);
      const failed = fail(`Writing ${url.href}`, url, signal);
      if (file.sizeBytes <= PART_BYTES) await putWhole(client, target, file, signal).catch(failed);
      else await putParts(client, target, file, signal).catch(failed);
    },
    async holds(url, file, { signal } = {}) {
      const { bucket, key } = locate(url);
      try {
        const command = new HeadObjectCommand({ Bucket: bucket, Key: key });
        const head = await client.send(command, abortable(signal));
        return head.ContentLength === file.sizeBytes && head.Metadata?.["sha256"] === file.sha256;
      } catch (error) {
        // Whoever may only write is told 403 of everything.
        if ([403, 404].includes(statusOf(error) ?? 0)) return false;
        return fail(`Looking for ${url.href}`, url, signal)(error);
      }
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
    },
  };
}

function createClient(options: S3StorageOptions): S3Client {
  const { connector, endpoint, region, credentials } = options;
  const { connectTimeoutMs, headersTimeoutMs } = connector.limits;
  return new S3Client({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(credentials === undefined ? {} : { credentials }),
    // Some stores state the checksum of the whole object when they send a part of it.
    responseChecksumValidation: "WHEN_REQUIRED",
    forcePathStyle: options.forcePathStyle ?? endpoint !== undefined,
    requestHandler: {
      httpAgent: connector.httpAgent,
      httpsAgent: connector.httpsAgent,
      connectionTimeout: connectTimeoutMs,
      socketTimeout: headersTimeoutMs,
    },
  });
}

function abortable(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

function describe(
  answer: GetObjectCommandOutput,
  context: {
    readonly url: URL;
    readonly connector: GuardedConnector;
    readonly signal: AbortSignal | undefined;
  },
): StoredObject {
  const { url, connector, signal } = context;
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(answer.ContentRange ?? "");
  const sha256 = answer.ChecksumSHA256 ?? "";
  return {
    sizeBytes: range ? Number(range[2]) : answer.ContentLength,
    etag: answer.ETag,
    offset: range ? Number(range[1]) : 0,
    // Of an object in parts it is a checksum of checksums, which ends in the number of parts.
    checksum: /^[A-Za-z0-9+/]{43}=$/.test(sha256)
      ? { algorithm: "sha256", base64: sha256 }
      : undefined,
    body: watchedBody(answer.Body as Readable, { url, limits: connector.limits, signal }),
  };
}

function objectParameters({ bucket, key }: BucketObject, file: UploadFile) {
  return {
    Bucket: bucket,
    Key: key,
    ContentType: file.contentType,
    Metadata: { sha256: file.sha256 },
  };
}

async function putWhole(
  client: S3Client,
  target: BucketObject,
  file: UploadFile,
  signal: AbortSignal | undefined,
): Promise<void> {
  await client.send(
    new PutObjectCommand({
      ...objectParameters(target, file),
      Body: await readFile(file.path),
      ChecksumSHA256: Buffer.from(file.sha256, "hex").toString("base64"),
    }),
    abortable(signal),
  );
}

/** Parts become an object all at once, when the last one is there; after a failure they are removed. */
async function putParts(
  client: S3Client,
  target: BucketObject,
  file: UploadFile,
  signal: AbortSignal | undefined,
): Promise<void> {
  const body = createReadStream(file.path);
  const upload = new Upload({
    client,
    params: { ...objectParameters(target, file), Body: body },
    partSize: PART_BYTES,
    queueSize: 2,
  });
  const onAbort = (): void => void upload.abort();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    await upload.done();
  } finally {
    signal?.removeEventListener("abort", onAbort);
    body.destroy();
  }
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("$metadata" in error)) return undefined;
  return (error.$metadata as { readonly httpStatusCode?: number }).httpStatusCode;
}

/** What the client throws, in the words of the seam. */
function fail(what: string, url: URL, signal: AbortSignal | undefined): (error: unknown) => never {
  return (error) => {
    signal?.throwIfAborted();
    const status = statusOf(error);
    if (status !== undefined && status >= 300) throw statusError(what, status, error);
    const systemError = toSystemError(error, what);
    if (LatentSyncError.is(systemError) && systemError.code === "disk_full") throw systemError;
    if (error instanceof Error && error.name === "CredentialsProviderError") {
      throw new LatentSyncError("forbidden", `${what} failed: the server has no credentials.`, {
        cause: error,
        hint: "The operator sets AWS credentials, such as AWS_ACCESS_KEY_ID.",
      });
    }
    throw toNetworkError(error, url);
  };
}
