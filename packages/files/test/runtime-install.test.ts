import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type InstalledRuntime,
  installRuntime,
  type InstallRuntimeOptions,
  isInstalledIntact,
  listInstalledRuntimes,
  removeRuntime,
  type RuntimeInstallEvent,
  type RuntimeParts,
} from "../src/index.ts";
import { IndexServer } from "./index-server.ts";
import { type FixtureFile, makeWheel } from "./wheel-fixtures.ts";

const LIBRARY = randomBytes(200_000);
const LICENCE = Buffer.from("Do as you like.");
const FILES: readonly FixtureFile[] = [
  { name: "native/libs/libpart.so", content: LIBRARY },
  { name: "native/LICENSE", content: LICENCE },
  { name: "native/module.py", content: Buffer.from("left out") },
];
const WHEEL = "native_parts-1.0-cp312-cp312-manylinux_2_28_x86_64.whl";
const LINUX = { platform: "linux", architecture: "x64", glibcVersion: "2.36" } as const;

function partsOf(changes: Partial<RuntimeParts["wheels"][number]> = {}): RuntimeParts {
  return {
    name: "test",
    version: "1.0",
    wheels: [
      {
        project: "native_parts",
        version: "1.0",
        place: (path) => /^native\/(?:libs\/)?([^/]+(?:\.so|SE))$/.exec(path)?.[1],
        required: ["libpart.so"],
        ...changes,
      },
    ],
  };
}

let home: string;
let server: IndexServer;
let events: RuntimeInstallEvent[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "runtime-install-"));
  vi.stubEnv("LATENTSYNC_HOME", home);
  server = await IndexServer.start();
  server.files.set(WHEEL, makeWheel("native_parts", FILES));
  vi.stubEnv("PIP_INDEX_URL", server.url);
  events = [];
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await server[Symbol.asyncDispose]();
  await rm(home, { recursive: true });
});

function install(
  options: InstallRuntimeOptions = {},
  parts: RuntimeParts = partsOf(),
): Promise<InstalledRuntime> {
  return installRuntime(parts, {
    retryDelayMs: 1,
    platform: LINUX,
    onEvent: (event) => events.push(event),
    ...options,
  });
}

/** Everything that lies in the home folder, as paths. */
async function leftBehind(): Promise<readonly string[]> {
  const entries = await readdir(home, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => entry.name)
    .toSorted();
}

describe("installRuntime from an index", () => {
  it.each(["json", "html"] as const)("takes what is wanted of a wheel (%s)", async (format) => {
    server.format = format;
    const installed = await install();
    expect(installed.folder).toBe(join(home, "runtimes", "test", "1.0"));
    expect(await readFile(join(installed.folder, "libpart.so"))).toEqual(LIBRARY);
    expect(await readFile(join(installed.folder, "LICENSE"))).toEqual(LICENCE);
    expect(await leftBehind()).toEqual(["LICENSE", "installed.json", "libpart.so"]);
    expect(installed.sources[0]).toMatchObject({ project: "native_parts", name: WHEEL });
    expect(new Set(events.map(({ type }) => type))).toEqual(
      new Set(["start", "progress", "verify", "unpack"]),
    );
  });

  it("goes on where a download broke off, in the same call and in the next", async () => {
    const { length } = server.files.get(WHEEL) ?? { length: 0 };
    server.faults.breakAfter = { bytes: 50_000, times: 1 };
    await install();
    expect(server.downloads).toEqual([`GET /files/${WHEEL}`, `GET /files/${WHEEL} bytes=50000-`]);
    expect(events).toContainEqual({
      type: "retry",
      reason: expect.any(String),
      bytesDone: 50_000,
      file: WHEEL,
    });

    await removeRuntime("test");
    server.faults.breakAfter = { bytes: 60_000, times: 1 };
    await expect(install({ attempts: 1 })).rejects.toMatchObject({ code: "network" });
    expect(await leftBehind()).toEqual([`${WHEEL}.incomplete`]);
    events = [];
    await install({ attempts: 1 });
    expect(events[0]).toEqual({
      type: "start",
      bytesDone: 60_000,
      bytesTotal: length,
      file: WHEEL,
    });
    expect(await leftBehind()).toEqual(["LICENSE", "installed.json", "libpart.so"]);
  });

  it("refuses content of another hash and leaves nothing behind", async () => {
    server.faults.corrupts = true;
    await expect(install()).rejects.toMatchObject({
      code: "network",
      message: expect.stringContaining(WHEEL),
    });
    expect(await leftBehind()).toEqual([]);
  });

  it("refuses an index that gives no hashes", async () => {
    server.faults.hidesHashes = true;
    await expect(install()).rejects.toMatchObject({ code: "not_found" });
  });

  it("asks again after a server's failure, and gives up on a missing project", async () => {
    server.faults.failures = 2;
    await install();
    const unknown = partsOf({ project: "no-such-project" });
    await expect(install({}, { ...unknown, version: "2" })).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining("no-such-project"),
    });
  });

  it("sends the address's password to the index alone, and never shows it", async () => {
    server.faults.login = "ann:secret word";
    const url = server.url.replace("//", "//ann:secret%20word@");
    await install({ indexUrl: url });
    expect(server.logins.filter((line) => line.includes("/files/"))).not.toEqual([]);
    await removeRuntime("test");
    server.logins.length = 0;
    server.faults.hasStorageHost = true;
    await install({ indexUrl: url });
    const host = new URL(server.url).host;
    expect(server.logins).toEqual([`${host} /simple/native-parts/`]);
    await removeRuntime("test");
    server.faults.login = "ann:other";
    const error = await install({ indexUrl: url, attempts: 1 }).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: "network", message: expect.stringContaining("401") });
    expect((error as Error).message).not.toContain("secret");
  });

  it("refuses an address that is none of http", async () => {
    await expect(install({ indexUrl: "file:///etc" })).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("file:///etc"),
    });
  });

  it("stops when it is told to, keeping what was received", async () => {
    server.faults.breakAfter = { bytes: 40_000, times: 99 };
    const controller = new AbortController();
    const reason = new Error("called off");
    const onEvent = ({ type }: RuntimeInstallEvent): void => {
      if (type === "retry") controller.abort(reason);
    };
    await expect(install({ signal: controller.signal, onEvent })).rejects.toBe(reason);
    expect(await leftBehind()).toEqual([`${WHEEL}.incomplete`]);
  });

  it("gives up a connection that brings nothing", async () => {
    server.faults.stalls = true;
    await expect(install({ attempts: 1, stallTimeoutMs: 50 })).rejects.toMatchObject({
      code: "network",
    });
  });

  it("leaves an intact installation alone and repairs a damaged one", async () => {
    const { folder } = await install();
    const before = server.requests.length;
    await install();
    expect(server.requests).toHaveLength(before);
    await writeFile(join(folder, "libpart.so"), "damaged");
    const [listed] = await listInstalledRuntimes();
    expect(listed !== undefined && (await isInstalledIntact(listed))).toBe(false);
    await install();
    expect(await readFile(join(folder, "libpart.so"))).toEqual(LIBRARY);
  });

  it("takes over what is there when a part is added", async () => {
    await install();
    const extra = "extra_parts-3.2-py3-none-manylinux2014_x86_64.whl";
    const from = join(home, "wheels");
    await mkdir(from);
    const added = { name: "extra/libextra.so", content: Buffer.from("extra") };
    await writeFile(join(from, extra), makeWheel("extra_parts", [added]));
    const parts = partsOf();
    const wheel = {
      project: "extra-parts",
      version: "3.*",
      place: (path: string) => (path.endsWith(".so") ? "libraries/libextra.so" : undefined),
      required: ["libraries/libextra.so"],
    };
    const both = await install({ from }, { ...parts, wheels: [...parts.wheels, wheel] });
    expect(both.sources.map(({ name }) => name)).toEqual([WHEEL, extra]);
    expect(await readFile(join(both.folder, "libpart.so"))).toEqual(LIBRARY);
    expect(await readFile(join(both.folder, "libraries", "libextra.so"), "utf8")).toBe("extra");
    // The smaller wish is fulfilled by the larger installation.
    expect((await install()).sources).toHaveLength(2);
  });

  it("lets two processes' installations take turns", async () => {
    const [first, second] = await Promise.all([install(), install()]);
    expect(second).toEqual(first);
    expect(server.downloads).toHaveLength(1);
  });
});

describe("installRuntime from a folder", () => {
  let from: string;

  beforeEach(async () => {
    from = join(home, "from");
    await mkdir(from);
  });

  it("takes a wheel, or the fitting one of several, without the network", async () => {
    const other = WHEEL.replace("1.0", "2.0");
    await writeFile(join(from, other), "of another version");
    await writeFile(join(from, WHEEL), makeWheel("native_parts", FILES));
    const installed = await install({ from });
    expect(await readFile(join(installed.folder, "libpart.so"))).toEqual(LIBRARY);
    await removeRuntime("test");
    await install({ from: join(from, WHEEL) });
    expect(server.requests).toEqual([]);
    await expect(readFile(join(from, WHEEL))).resolves.toBeInstanceOf(Buffer);
  });

  it("takes the libraries themselves, and copies of local files", async () => {
    await writeFile(join(from, "libpart.so"), LIBRARY);
    await writeFile(join(home, "core.so"), "core");
    const parts = { ...partsOf(), copies: { "core.so": join(home, "core.so") } };
    const { folder } = await install({ from }, parts);
    expect((await readdir(folder)).toSorted()).toEqual(["core.so", "installed.json", "libpart.so"]);
  });

  it("says what a folder lacks", async () => {
    await expect(install({ from })).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringMatching(/neither a wheel of native_parts nor libpart\.so/),
    });
    await expect(install({ from: join(from, "nowhere") })).rejects.toMatchObject({
      code: "not_found",
    });
    expect(await leftBehind()).toEqual([]);
  });

  const lies: readonly (readonly [string, () => Buffer])[] = [
    ["is cut short", () => makeWheel("native_parts", FILES).subarray(0, 100_000)],
    ["has no bytes", () => Buffer.alloc(0)],
    ["is no zip", () => randomBytes(5000)],
    [
      "names a file outside the folder",
      () => makeWheel("p", [...FILES, { name: "../escaped.so", content: LIBRARY }]),
    ],
    [
      "names an absolute path",
      () => makeWheel("p", [...FILES, { name: "/tmp/escaped.so", content: LIBRARY }]),
    ],
    [
      "names a file with backslashes",
      () => makeWheel("p", [...FILES, { name: "..\\escaped.so", content: LIBRARY }]),
    ],
    [
      "holds more than its directory says",
      () =>
        makeWheel("p", [
          {
            name: "native/libs/libpart.so",
            content: LIBRARY,
            claimedSize: 10,
            recorded: LIBRARY.subarray(0, 10),
          },
        ]),
    ],
    [
      "holds less than its directory says",
      () =>
        makeWheel("p", [
          {
            name: "native/libs/libpart.so",
            content: LIBRARY,
            claimedSize: 300_000,
            recorded: Buffer.alloc(300_000),
          },
        ]),
    ],
    [
      "has another size than its record",
      () =>
        makeWheel("p", [
          { name: "native/libs/libpart.so", content: LIBRARY, recorded: LIBRARY.subarray(1) },
        ]),
    ],
    [
      "has other content than its record",
      () =>
        makeWheel("p", [
          {
            name: "native/libs/libpart.so",
            content: LIBRARY,
            recorded: Buffer.alloc(LIBRARY.length),
          },
        ]),
    ],
    [
      "does not record a file",
      () => makeWheel("p", [{ name: "native/libs/libpart.so", content: LIBRARY, recorded: null }]),
    ],
    ["lacks what is required", () => makeWheel("p", [FILES[1] as FixtureFile])],
    ["has a file twice", () => makeWheel("p", [...FILES, FILES[0] as FixtureFile])],
  ];

  it.each(lies)("refuses a wheel that %s, and leaves nothing behind", async (_, make) => {
    const path = join(from, WHEEL);
    await writeFile(path, make());
    await expect(install({ from: path })).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining(WHEEL),
    });
    expect(await leftBehind()).toEqual([WHEEL]);
  });

  it.skipIf(process.platform === "win32" || process.getuid?.() === 0)(
    "says where it may not write (not as root, not on Windows)",
    async () => {
      await writeFile(join(from, "libpart.so"), LIBRARY);
      await chmod(home, 0o500);
      await expect(install({ from })).rejects.toMatchObject({ code: "io" });
      await chmod(home, 0o700);
    },
  );
});

describe("the choice of a wheel", () => {
  const names = (...files: readonly string[]): void => {
    server.files.clear();
    for (const name of files) server.files.set(name, makeWheel("native_parts", FILES));
  };
  const chosen = async (version = "1.0"): Promise<string | undefined> =>
    (await install({}, partsOf({ version }))).sources[0]?.name;

  it("is the newest of a series that this machine can use", async () => {
    names(
      "native_parts-9.2.1-py3-none-manylinux_2_17_x86_64.whl",
      "native_parts-9.10.0-py3-none-manylinux_2_17_x86_64.whl",
      "native_parts-9.11.0-py3-none-manylinux_2_39_x86_64.whl",
      "native_parts-9.12.0rc1-py3-none-manylinux_2_17_x86_64.whl",
      "native_parts-9.13.0-py3-none-win_amd64.whl",
      "native_parts-10.0.0-py3-none-manylinux_2_17_x86_64.whl",
    );
    expect(await chosen("9.*")).toBe("native_parts-9.10.0-py3-none-manylinux_2_17_x86_64.whl");
  });

  it("is of the newest Python, and not of one without a global lock", async () => {
    names(
      "native_parts-1.0-cp39-cp39-manylinux2014_x86_64.whl",
      "native_parts-1.0-7-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
      "native_parts-1.0-cp314-cp314t-manylinux2014_x86_64.whl",
      "native_parts-1.0-cp313-cp313-manylinux_2_17_aarch64.whl",
      "native_parts-1.0.tar.gz",
    );
    expect(await chosen()).toContain("-7-cp313-cp313-");
  });

  it("fails with the machine's name where there is none for it", async () => {
    names("native_parts-1.0-cp312-cp312-win_amd64.whl");
    await expect(install()).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("linux-x64 with glibc 2.36"),
    });
    const mac = { platform: "darwin", architecture: "arm64", glibcVersion: undefined } as const;
    await expect(install({ platform: mac })).rejects.toMatchObject({ code: "unsupported" });
    const windows = { platform: "win32", architecture: "x64", glibcVersion: undefined } as const;
    await expect(install({ platform: windows })).resolves.toMatchObject({ name: "test" });
  });
});

describe("what is installed", () => {
  it("is listed with its files, and removed by name", async () => {
    expect(await listInstalledRuntimes()).toEqual([]);
    const installed = await install();
    await install({}, { ...partsOf(), version: "0.9" });
    expect((await listInstalledRuntimes()).map(({ version }) => version)).toEqual(["0.9", "1.0"]);
    expect((await listInstalledRuntimes())[1]).toEqual(installed);
    expect(await removeRuntime("test")).toHaveLength(2);
    expect(await listInstalledRuntimes()).toEqual([]);
    await expect(removeRuntime("test")).rejects.toMatchObject({ code: "not_found" });
  });
});
