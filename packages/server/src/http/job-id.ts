/** Ids of jobs: random, or derived from what makes a request the same request. */
import { createHash, randomUUID } from "node:crypto";

export const uuidPattern: RegExp = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/;

export function randomJobId(): string {
  return randomUUID();
}

/** The same UUID (version 8) for the same parts, which nobody can guess without knowing them. */
export function derivedJobId(parts: readonly string[]): string {
  const digest = createHash("sha256").update(JSON.stringify(parts)).digest();
  digest[6] = (digest.readUInt8(6) & 0x0f) | 0x80;
  digest[8] = (digest.readUInt8(8) & 0x3f) | 0x80;
  const hex = digest.toString("hex", 0, 16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}
