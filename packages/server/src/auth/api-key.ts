/** API keys, of which the server knows only sha256 hashes. */
import { createHash, timingSafeEqual } from "node:crypto";
import { LatentSyncError } from "@ls/core";
import { z } from "zod";
import type { Authenticate, Identity } from "../http/services.ts";
import { bearerToken } from "./bearer-token.ts";

export interface ApiKey {
  /** Owner of the jobs that are created with it. */
  readonly id: string;
  /** Of the key, in hex. Keys must be random: at least 32 characters of a generator. */
  readonly sha256: string;
  readonly role: "user" | "admin";
  readonly quota?:
    | { readonly maxUnfinished?: number | undefined; readonly perMinute?: number | undefined }
    | undefined;
}

/** A key as configuration holds it. */
export const apiKeySchema: z.ZodType<ApiKey> = z.strictObject({
  id: z.string().regex(/^[\w.@:-]{1,128}$/, "1 to 128 letters, digits or . _ @ : -"),
  sha256: z
    .string()
    .regex(/^[\da-fA-F]{64}$/, "sha256 of the key, 64 hex digits")
    .transform((hex) => hex.toLowerCase()),
  role: z.enum(["user", "admin"]).default("user"),
  quota: z
    .strictObject({
      maxUnfinished: z.int().min(1).optional(),
      perMinute: z.number().positive().optional(),
    })
    .optional(),
});

/**
 * Knows callers by `X-API-Key` or `Authorization: Bearer`. There are no cookies, so that no other
 * site can use a browser's credentials.
 * @throws LatentSyncError `invalid_argument` if two keys share an id or a hash.
 */
export function createApiKeyAuthenticator(options: {
  readonly keys: readonly ApiKey[];
}): Authenticate {
  const known = options.keys.map((key) => ({
    hash: Buffer.from(key.sha256, "hex"),
    identity: toIdentity(key),
  }));
  for (const field of ["id", "sha256"] as const) {
    if (new Set(options.keys.map((key) => key[field])).size === options.keys.length) continue;
    throw new LatentSyncError("invalid_argument", `Two API keys have the same ${field}.`, {
      hint: "Give each key an id and a value of its own.",
    });
  }
  return async (request) => {
    const key = request.headers.get("x-api-key") ?? bearerToken(request);
    if (key === undefined) return undefined;
    const hash = createHash("sha256").update(key).digest();
    let found: Identity | undefined;
    // All of them, so that the time does not tell which one.
    for (const candidate of known) {
      if (timingSafeEqual(candidate.hash, hash)) found = candidate.identity;
    }
    return found;
  };
}

function toIdentity({ id, quota, role }: ApiKey): Identity {
  return { id, role, ...(quota && { quota }) };
}
