import { describe, expect, it } from "vitest";
import {
  assertSafeExposure,
  combineAuthenticators,
  createOpenAuthenticator,
  isLoopback,
} from "../../src/auth/exposure.ts";

describe("isLoopback", () => {
  it.each(["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST", "::ffff:127.0.0.1"])(
    "%s is",
    (host) => {
      expect(isLoopback(host)).toBe(true);
    },
  );
  it.each(["0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com", ""])(
    "%s is not",
    (host) => {
      expect(isLoopback(host)).toBe(false);
    },
  );
});

describe("assertSafeExposure", () => {
  const closed = { authenticated: false, allowOpen: false };

  it("refuses to serve everybody", () => {
    for (const host of ["0.0.0.0", "::", "192.168.1.2"]) {
      expect(() => assertSafeExposure({ ...closed, host })).toThrow("without any credentials");
    }
  });

  it.each([
    ["loopback", { ...closed, host: "127.0.0.1" }],
    ["with credentials", { ...closed, host: "0.0.0.0", authenticated: true }],
    ["where the operator allows it", { ...closed, host: "0.0.0.0", allowOpen: true }],
  ])("allows %s", (_, options) => {
    expect(() => assertSafeExposure(options)).not.toThrow();
  });
});

describe("createOpenAuthenticator", () => {
  const open = createOpenAuthenticator({ loopbackOnly: true });

  it("lets this machine in", async () => {
    for (const host of ["localhost:8080", "127.0.0.1:8080", "[::1]:8080"]) {
      expect(await open(new Request(`http://${host}/`))).toEqual({
        id: "anonymous",
        role: "admin",
      });
    }
  });

  it("does not answer to names that others give this machine", async () => {
    const rebound = new Request("http://rebound.example:8080/");
    await expect(open(rebound)).rejects.toMatchObject({ code: "forbidden" });
    const everybody = createOpenAuthenticator({ loopbackOnly: false });
    expect(await everybody(rebound)).toMatchObject({ id: "anonymous" });
  });

  it("lets scripts of other sites change nothing", async () => {
    const headers = { "sec-fetch-site": "cross-site" };
    const request = new Request("http://localhost/jobs/x/cancel", { method: "POST", headers });
    await expect(open(request)).rejects.toMatchObject({ code: "forbidden" });
    const own = { "sec-fetch-site": "same-origin" };
    const page = new Request("http://localhost/jobs", { method: "POST", headers: own });
    expect(await open(page)).toBeDefined();
  });
});

describe("combineAuthenticators", () => {
  it("asks in turn", async () => {
    const request = new Request("http://localhost/");
    const none = async () => undefined;
    const bob = async () => ({ id: "bob", role: "user" as const });
    expect(await combineAuthenticators([none, bob])(request)).toEqual({ id: "bob", role: "user" });
    expect(await combineAuthenticators([none, none])(request)).toBeUndefined();
  });
});
