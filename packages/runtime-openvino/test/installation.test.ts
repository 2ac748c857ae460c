import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findLibraries, type SearchOptions } from "../src/installation.ts";
import { openVinoParts } from "../src/wheel.ts";

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "openvino-installation-"));
});
afterEach(() => rm(root, { recursive: true }));

async function put(path: string): Promise<string> {
  const full = join(root, path);
  await mkdir(dirname(full), { recursive: true });
  await writeFile(full, "");
  return full;
}

function search(
  environment: Record<string, string> = {},
  options: SearchOptions = {},
): readonly string[] {
  const home = join(root, "home");
  const found = findLibraries({ environment, platform: "linux", home, root, ...options });
  return found.map(({ path }) => path);
}

describe("findLibraries", () => {
  it("finds each kind of installation, ours first", async () => {
    const system = await put("usr/lib/x86_64-linux-gnu/libopenvino_c.so.2025.4.0");
    const archive = await put("opt/intel/openvino_2025/runtime/lib/intel64/libopenvino_c.so.2540");
    const distribution = await put(
      "usr/lib/python3.11/dist-packages/openvino/libs/libopenvino_c.so.2540",
    );
    const user = await put(
      "home/.local/lib/python3.12/site-packages/openvino/libs/libopenvino_c.so.2641",
    );
    const conda = await put("conda/lib/libopenvino_c.so.2641");
    const virtual = await put(
      "venv/lib/python3.11/site-packages/openvino/libs/libopenvino_c.so.2641",
    );
    const own = await put("data/latentsync-ts/runtimes/openvino/2026.4.1/libopenvino_c.so.2641");
    const environment = {
      VIRTUAL_ENV: join(root, "venv"),
      CONDA_PREFIX: join(root, "conda"),
      XDG_DATA_HOME: join(root, "data"),
    };
    const all = [own, virtual, conda, user, distribution, archive, system];
    expect(search(environment)).toEqual(all);
  });

  it("takes the highest of several Pythons first", async () => {
    const [older, newer] = await Promise.all(
      ["9", "12"].map((minor) =>
        put(`usr/lib/python3.${minor}/site-packages/openvino/libs/libopenvino_c.so.2641`),
      ),
    );
    expect(search()).toEqual([newer, older]);
  });

  it("looks only into the folder that LATENTSYNC_OPENVINO names", async () => {
    await put("usr/lib/libopenvino_c.so.2641");
    const named = await put("mine/openvino/libs/libopenvino_c.so.2641");
    expect(search({ LATENTSYNC_OPENVINO: join(root, "mine") })).toEqual([named]);
    const elsewhere = join(root, "elsewhere");
    expect(() => search({ LATENTSYNC_OPENVINO: elsewhere })).toThrow(elsewhere);
  });

  it("finds one library once, by the name that says its version", async () => {
    const library = await put("usr/lib/libopenvino_c.so.2641");
    await symlink(library, join(root, "usr/lib/libopenvino_c.so"));
    expect(search()).toEqual([library]);
  });

  it.each([
    { platform: "darwin", path: "opt/homebrew/lib/libopenvino_c.2641.dylib" },
    {
      platform: "darwin",
      path: "home/Library/Python/3.11/lib/python/site-packages/openvino/libs/libopenvino_c.dylib",
    },
  ] as const)("finds $path on $platform", async ({ platform, path }) => {
    const library = await put(path);
    expect(search({}, { platform })).toEqual([library]);
  });

  it("finds a wheel's library on Windows", async () => {
    const library = await put("venv/Lib/site-packages/openvino/libs/openvino_c.dll");
    expect(search({ VIRTUAL_ENV: join(root, "venv") }, { platform: "win32" })).toEqual([library]);
  });

  it("says where it looked and what to do", () => {
    let error: unknown;
    try {
      search({ VIRTUAL_ENV: "/absent" });
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/runtimes\/openvino\/.*VIRTUAL_ENV.*the system's Python/u),
      hint: expect.stringContaining("latentsync-ts runtime install openvino"),
    });
  });
});

describe("openVinoParts", () => {
  const place = (path: string): string | undefined => openVinoParts("linux").wheels[0]?.place(path);

  it.each([
    "libopenvino_c.so.2641",
    "libopenvino.so.2641",
    "libopenvino_onnx_frontend.so.2641",
    "libopenvino_intel_cpu_plugin.so",
    "libopenvino_arm_cpu_plugin.so",
    "libtbb.so.12",
    "libtbbbind_2_5.so.3",
    "libtbbmalloc.so.2",
    "libhwloc.so.15",
    "libopenvino_c.2641.dylib",
    "libtbb.12.dylib",
    "libhwloc.dylib",
    "openvino_c.dll",
    "tbb12.dll",
  ])("takes %s", (name) => {
    expect(place(`openvino/libs/${name}`)).toBe(name);
  });

  it.each([
    "openvino/libs/libopenvino_intel_gpu_plugin.so",
    "openvino/libs/libopenvino_pytorch_frontend.so.2641",
    "openvino/libs/libtbbmalloc_proxy.so.2",
    "openvino/libs/openvino_c.lib",
    "openvino/libs/cache.json",
    "openvino/_pyopenvino.cpython-311-x86_64-linux-gnu.so",
    "openvino/__init__.py",
  ])("leaves %s out", (path) => {
    expect(place(path)).toBeUndefined();
  });

  it("keeps the licences", () => {
    const licence = "licenses/licensing/runtime-third-party-programs.txt";
    expect(place(`openvino-2026.4.1.dist-info/${licence}`)).toBe(licence);
  });

  it.each(["linux", "darwin", "win32"] as const)("requires on %s what it takes", (platform) => {
    const [wheel] = openVinoParts(platform).wheels;
    expect(wheel?.required.length).toBeGreaterThan(0);
    for (const name of wheel?.required ?? []) {
      expect(wheel?.place(`openvino/libs/${name}`)).toBe(name);
    }
  });
});
