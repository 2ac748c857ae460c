import { LatentSyncError, type LatentSyncErrorCode } from "@ls/core";
import { describe, expect, test } from "vitest";
import { failureOf, withoutPaths } from "../../src/work/failure.ts";
import { packError, unpackError } from "../../src/work/messages.ts";

describe("what a failure means", () => {
  const permanent: LatentSyncErrorCode[] = [
    "disk_full",
    "forbidden",
    "invalid_argument",
    "invalid_media",
    "no_face",
    "not_found",
    "too_large",
    "unsupported",
  ];
  const passing: LatentSyncErrorCode[] = [
    "crashed",
    "network",
    "runtime",
    "timeout",
    "unavailable",
  ];
  test.each([
    ...permanent.map((code) => [code, false] as const),
    ...passing.map((code) => [code, true] as const),
  ])("%s is tried again: %s", (code, retry) => {
    expect(failureOf(new LatentSyncError(code, "So it is."))).toMatchObject({
      retry,
      error: { code },
    });
  });

  test("a full disk is known by its cause, too", () => {
    const cause = Object.assign(new Error("no space left"), { code: "ENOSPC" });
    const error = new LatentSyncError("io", "Writing /data/jobs/1/x failed.", { cause });
    expect(failureOf(error).error.code).toBe("disk_full");
    expect(unpackError(packError(error))).toMatchObject({ code: "disk_full" });
  });

  test("what was not foreseen is not told to clients", () => {
    expect(failureOf(new TypeError("x is undefined")).error.message).not.toContain("undefined");
    expect(failureOf("a string").error.code).toBe("runtime");
  });
});

test("an error crosses to another process with code, message and hint", () => {
  const error = new LatentSyncError("no_face", "No face.", { hint: "Show one." });
  const crossed = unpackError(JSON.parse(JSON.stringify(packError(error))));
  expect(crossed).toMatchObject({ code: "no_face", message: "No face.", hint: "Show one." });
});

test.each([
  ["None of 3 frames of /data/jobs/1/video_in shows", "None of 3 frames of video_in shows"],
  ["at '/a/b/c.so': x", "at 'c.so': x"],
  ["file:///data/x/y.mp4 is bad", "y.mp4 is bad"],
  ["GET https://host.example/a/b.mp4 failed", "GET https://host.example/a/b.mp4 failed"],
  ["gs://bucket/a/b is gone", "gs://bucket/a/b is gone"],
  ["1/2 of a/b/c", "1/2 of a/b/c"],
])("paths of the server are cut short: %s", (text, expected) => {
  expect(withoutPaths(text)).toBe(expected);
});
