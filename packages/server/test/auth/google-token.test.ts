import { type GenerateKeyPairResult, SignJWT, exportJWK, generateKeyPair } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { createGoogleTokenAuthenticator } from "../../src/auth/google-token.ts";
import type { Authenticate } from "../../src/http/services.ts";

const audience = "https://service.example.com";

describe("createGoogleTokenAuthenticator", () => {
  let authenticate: Authenticate;
  let pair: GenerateKeyPairResult;
  let stranger: GenerateKeyPairResult;
  let fetches: string[] = [];

  beforeAll(async () => {
    pair = await generateKeyPair("RS256");
    stranger = await generateKeyPair("RS256");
    const jwk = { ...(await exportJWK(pair.publicKey)), kid: "k1", alg: "RS256", use: "sig" };
    authenticate = createGoogleTokenAuthenticator({
      audience,
      emails: ["Worker@project.example", "boss@project.example"],
      adminEmails: ["boss@project.example"],
      async fetch(url) {
        fetches.push(String(url));
        return Response.json({ keys: [jwk] });
      },
    });
  });

  interface Claims {
    readonly [claim: string]: unknown;
  }

  const good: Claims = {
    iss: "https://accounts.google.com",
    aud: audience,
    sub: "1",
    email: "worker@project.example",
    email_verified: true,
  };

  async function ask(
    claims: Claims = good,
    how: {
      readonly key?: GenerateKeyPairResult["privateKey"];
      readonly expires?: number | string;
      readonly kid?: string;
    } = {},
  ) {
    const token = await new SignJWT({ ...claims })
      .setProtectedHeader({ alg: "RS256", kid: how.kid ?? "k1" })
      .setIssuedAt()
      .setExpirationTime(how.expires ?? "1h")
      .sign(how.key ?? pair.privateKey);
    return authenticate(
      new Request("http://localhost/", { headers: { authorization: `Bearer ${token}` } }),
    );
  }

  const now = () => Math.floor(Date.now() / 1000);

  it("knows listed addresses, and fetches the keys once", async () => {
    fetches = [];
    expect(await ask()).toEqual({ id: "worker@project.example", role: "user" });
    expect(await ask({ ...good, iss: "accounts.google.com" })).toBeDefined();
    expect(await ask({ ...good, email: "boss@project.example" })).toMatchObject({ role: "admin" });
    expect(fetches).toEqual(["https://www.googleapis.com/oauth2/v3/certs"]);
  });

  it.each([
    ["another issuer", { iss: "https://evil.example" }],
    ["another audience", { aud: "https://other.example.com" }],
    ["no audience", { aud: undefined }],
    ["an address that is not listed", { email: "other@project.example" }],
    ["an address that is not verified", { email_verified: false }],
    ["no address", { email: undefined }],
  ])("refuses %s", async (_, change) => {
    expect(await ask({ ...good, ...change })).toBeUndefined();
  });

  it("refuses tokens of others, and old ones, with some tolerance for clocks", async () => {
    expect(await ask(good, { key: stranger.privateKey })).toBeUndefined();
    expect(await ask(good, { expires: now() - 60 })).toBeUndefined();
    expect(await ask(good, { expires: now() - 5 })).toBeDefined();
  });

  it("refuses unsigned and symmetrically signed tokens", async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const payload = part({ ...good, iat: now(), exp: now() + 60 });
    for (const token of [`${part({ alg: "none" })}.${payload}.x`, "a.b.c"]) {
      const headers = { authorization: `Bearer ${token}` };
      expect(await authenticate(new Request("http://localhost/", { headers }))).toBeUndefined();
    }
    const hmac = await new SignJWT({ ...good })
      .setProtectedHeader({ alg: "HS256", kid: "k1" })
      .setIssuedAt()
      .setExpirationTime("1h")
      .sign(new TextEncoder().encode("x".repeat(32)));
    const headers = { authorization: `Bearer ${hmac}` };
    expect(await authenticate(new Request("http://localhost/", { headers }))).toBeUndefined();
  });

  it.each([
    [
      "cannot be reached",
      async () => {
        throw new Error("refused");
      },
    ],
    ["answers 500", async () => new Response(null, { status: 500 })],
    ["answers nonsense", async () => new Response("{")],
  ])("is unavailable when Google %s", async (_, fetch) => {
    const token = await new SignJWT({ ...good })
      .setProtectedHeader({ alg: "RS256", kid: "k1" })
      .setIssuedAt()
      .setExpirationTime("1h")
      .sign(pair.privateKey);
    const broken = createGoogleTokenAuthenticator({
      audience,
      emails: ["worker@project.example"],
      fetch,
    });
    const headers = { authorization: `Bearer ${token}` };
    await expect(broken(new Request("http://localhost/", { headers }))).rejects.toMatchObject({
      code: "unavailable",
    });
  });
});
