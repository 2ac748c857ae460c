import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeConfiguration, readConfiguration } from "../src/configuration.ts";

const HASH = "ab".repeat(32);

describe("readConfiguration", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "configuration-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function file(name: string, content: unknown): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  }

  it("has defaults that keep the service private", async () => {
    expect(await readConfiguration({ env: {} })).toMatchObject({
      port: 8080,
      host: "127.0.0.1",
      noAuth: false,
      publicMetrics: false,
      allowedPrivateHosts: [],
      fileRoots: [],
      corsOrigins: [],
      maxQueued: 1000,
      workers: 1,
    });
  });

  it("reads texts of the environment", async () => {
    const configuration = await readConfiguration({
      env: {
        PORT: "9000",
        DATA_DIR: "/storage",
        QUEUE_URL: "redis://localhost:6379",
        FILE_ROOTS: "/a, /b,",
        ALLOWED_PRIVATE_HOSTS: "minio:9000",
        PRICE_PER_HOUR: "0.73",
        NO_AUTH: "true",
        CORS_ORIGINS: "https://a.example,https://b.example:8443",
        API_KEYS: JSON.stringify([{ id: "a", sha256: HASH.toUpperCase() }]),
        WEIGHTS_DIR: "",
        UNRELATED: "x",
      },
    });
    expect(configuration).toMatchObject({
      port: 9000,
      dataDir: "/storage",
      queueUrl: "redis://localhost:6379",
      fileRoots: ["/a", "/b"],
      allowedPrivateHosts: ["minio:9000"],
      pricePerHour: 0.73,
      noAuth: true,
      corsOrigins: ["https://a.example", "https://b.example:8443"],
      apiKeys: [{ id: "a", sha256: HASH, role: "user" }],
    });
    expect(configuration.weightsDir).toBeUndefined();
  });

  it("prefers flags to the environment to the file to defaults", async () => {
    const CONFIG_PATH = await file("all.json", { PORT: 1, WORKERS: 2, MAX_QUEUED: 3 });
    const configuration = await readConfiguration({
      env: { CONFIG_PATH, PORT: "4", WORKERS: "5" },
      flags: { "--port": "6", "no-auth": true },
    });
    expect(configuration).toMatchObject({
      port: 6,
      workers: 5,
      maxQueued: 3,
      maxAttempts: 3,
      noAuth: true,
    });
  });

  it("adds the keys of a file to those of the environment", async () => {
    const keys = [{ id: "b", sha256: HASH, role: "admin", quota: { maxUnfinished: 2 } }];
    const { apiKeys } = await readConfiguration({
      env: {
        API_KEYS: JSON.stringify([{ id: "a", sha256: HASH }]),
        API_KEYS_FILE: await file("keys.json", keys),
      },
    });
    expect(apiKeys).toEqual([{ id: "a", sha256: HASH, role: "user" }, ...keys]);
  });

  it.each([
    ["PORT", "80x"],
    ["PORT", "70000"],
    ["PORT", "1.5"],
    ["WORKERS", "-1"],
    ["QUEUE_URL", "mysql://x"],
    ["API_KEYS", "{"],
    ["API_KEYS", '[{"id":"a","sha256":"secret"}]'],
    ["API_KEYS", `[{"id":"a b","sha256":"${HASH}"}]`],
    ["CORS_ORIGINS", "example.com"],
    ["CORS_ORIGINS", "https://example.com/path"],
    ["WEBHOOK_SECRET", "short"],
    ["NO_AUTH", "perhaps"],
    ["METRICS", "statsd"],
    ["LOG_LEVEL", "loud"],
    ["PRICE_PER_HOUR", "0"],
  ])("names the variable in %s=%s, and does not repeat secrets", async (variable, value) => {
    const reading = readConfiguration({ env: { [variable]: value } });
    await expect(reading).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining(variable),
      hint: expect.stringContaining(variable),
    });
    if (value.includes("secret")) await expect(reading).rejects.not.toThrow('"secret"');
  });

  it("refuses names that are none", async () => {
    await expect(readConfiguration({ env: {}, flags: { "--prot": 1 } })).rejects.toThrow("--prot");
    const CONFIG_PATH = await file("typo.json", { PROT: 1 });
    await expect(readConfiguration({ env: { CONFIG_PATH } })).rejects.toThrow("PROT");
  });

  it("refuses files that cannot be used", async () => {
    for (const path of [join(folder, "none"), await file("bad.json", "{"), await file("n", [1])]) {
      await expect(readConfiguration({ env: { CONFIG_PATH: path } })).rejects.toThrow(
        "CONFIG_PATH",
      );
    }
    const API_KEYS_FILE = await file("wrong.json", [{ id: "a" }]);
    await expect(readConfiguration({ env: { API_KEYS_FILE } })).rejects.toThrow("API_KEYS_FILE");
  });

  it.skipIf(process.platform === "win32")(
    "refuses pipes, devices and folders without opening them",
    async () => {
      const pipe = join(folder, "pipe");
      await promisify(execFile)("mkfifo", [pipe]);
      for (const variable of ["CONFIG_PATH", "API_KEYS_FILE"]) {
        for (const path of [pipe, "/dev/zero", folder]) {
          const reading = readConfiguration({ env: { [variable]: path } });
          await expect(reading).rejects.toMatchObject({
            code: "invalid_argument",
            message: `${variable} names ${path}, but it is not a regular file.`,
            hint: expect.stringContaining("Name a regular file"),
          });
        }
      }
    },
  );

  it("wants to know which Google accounts may come", async () => {
    const env = { GOOGLE_AUDIENCE: "https://service.example.com" };
    await expect(readConfiguration({ env })).rejects.toThrow("GOOGLE_EMAILS");
    const GOOGLE_EMAILS = "a@project.example";
    expect(await readConfiguration({ env: { ...env, GOOGLE_EMAILS } })).toMatchObject({
      googleEmails: [GOOGLE_EMAILS],
    });
  });
});

describe("describeConfiguration", () => {
  it("describes every variable once, in order", () => {
    const rows = describeConfiguration();
    expect(rows.find(({ variable }) => variable === "MAX_QUEUED")).toMatchObject({
      variable: "MAX_QUEUED",
      flag: "--max-queued",
      default: "1000",
      description: "Jobs that may wait.",
    });
    const variables = rows.map(({ variable }) => variable);
    expect(variables).toEqual([...new Set(variables)].sort());
    for (const name of ["PORT", "DATA_DIR", "WEIGHTS_DIR", "CONFIG_PATH"]) {
      expect(variables).toContain(name);
    }
    expect(rows.filter(({ description }) => description === "")).toEqual([]);
  });
});
