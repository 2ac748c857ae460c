import { LatentSyncError } from "@ls/core";

export interface BucketObject {
  readonly bucket: string;
  readonly key: string;
}

/**
 * Bucket and key of `gs://bucket/key` or `s3://bucket/key`.
 * @param buckets If given, the only ones that may be named.
 * @throws LatentSyncError `invalid_argument`, `forbidden`.
 */
export function parseBucketUrl(url: URL, buckets: readonly string[] | undefined): BucketObject {
  const bucket = url.hostname;
  const isPlain = url.username === "" && url.password === "" && url.port === "";
  if (!isPlain || url.search !== "" || url.hash !== "" || !/^[A-Za-z0-9._-]{3,222}$/.test(bucket)) {
    throw invalid(url, "is not of the form bucket/key");
  }
  if (buckets && !buckets.includes(bucket)) {
    throw new LatentSyncError("forbidden", `The bucket ${bucket} may not be used here.`, {
      hint: "Use a bucket that the operator allows.",
    });
  }
  const key = decodeKey(url);
  if (key === "" || key.includes("\0")) throw invalid(url, "has no usable key");
  return { bucket, key };
}

function decodeKey(url: URL): string {
  try {
    return decodeURIComponent(url.pathname.slice(1));
  } catch {
    throw invalid(url, "holds a percent sign that encodes nothing");
  }
}

function invalid(url: URL, problem: string): LatentSyncError {
  return new LatentSyncError("invalid_argument", `The ${url.protocol} URL ${problem}.`, {
    hint: `Write ${url.protocol}//bucket/key with special characters percent-encoded.`,
  });
}
