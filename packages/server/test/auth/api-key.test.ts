import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { type ApiKey, createApiKeyAuthenticator } from "../../src/auth/api-key.ts";

const hashOf = (key: string) => createHash("sha256").update(key).digest("hex");

const keys: readonly ApiKey[] = [
  { id: "alice", sha256: hashOf("key-a"), role: "user", quota: { perMinute: 5 } },
  { id: "root", sha256: hashOf("key-r"), role: "admin" },
];

function request(headers: Record<string, string>): Request {
  return new Request("http://localhost/jobs", { headers });
}

describe("createApiKeyAuthenticator", () => {
  const authenticate = createApiKeyAuthenticator({ keys });
  const alice = { id: "alice", role: "user", quota: { perMinute: 5 } };

  it.each([
    ["X-API-Key", { "x-api-key": "key-a" }],
    ["Bearer", { authorization: "Bearer key-a" }],
    ["bearer", { authorization: "bearer key-a" }],
  ])("knows a key by %s", async (_, headers) => {
    expect(await authenticate(request(headers))).toEqual(alice);
  });

  it("knows roles", async () => {
    expect(await authenticate(request({ "x-api-key": "key-r" }))).toEqual({
      id: "root",
      role: "admin",
    });
  });

  it.each([
    ["nothing", {}],
    ["another key", { "x-api-key": "key-b" }],
    ["the hash", { "x-api-key": hashOf("key-a") }],
    ["an empty key", { "x-api-key": "" }],
    ["Basic", { authorization: "Basic key-a" }],
    ["a cookie", { cookie: "x-api-key=key-a" }],
  ])("does not know %s", async (_, headers) => {
    expect(await authenticate(request(headers))).toBeUndefined();
  });

  it.each(["id", "sha256"] as const)("refuses two keys with the same %s", (field) => {
    const twins = [keys[0]!, { ...keys[1]!, [field]: keys[0]![field] }];
    expect(() => createApiKeyAuthenticator({ keys: twins })).toThrow(field);
  });
});
