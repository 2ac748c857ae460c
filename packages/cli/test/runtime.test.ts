import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { run } from "./run.ts";

const PROVIDERS = ["shared", "cuda", "tensorrt"].map((name) =>
  process.platform === "win32"
    ? `onnxruntime_providers_${name}.dll`
    : `libonnxruntime_providers_${name}.so`,
);
const hasCuda = ["linux-x64", "win32-x64"].includes(`${process.platform}-${process.arch}`);

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "cli-runtime-"));
  vi.stubEnv("LATENTSYNC_HOME", home);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

describe.skipIf(!hasCuda)("runtime (needs linux-x64 or win32-x64)", () => {
  it("installs from a folder, lists, finds damage and removes", async () => {
    const from = join(home, "from");
    await mkdir(from);
    for (const name of PROVIDERS) await writeFile(join(from, name), name);
    const installed = await run("runtime", "install", "cuda", "--from", from);
    expect(installed).toMatchObject({ code: 0, stdout: expect.stringMatching(/^cuda \d+\./) });
    expect(installed.stderr).toContain(`Unpacking ${PROVIDERS[1]}`);

    const listed = await run("runtime", "list", "--json");
    const [runtime] = JSON.parse(listed.stdout) as readonly { folder: string; isIntact: boolean }[];
    expect(runtime?.isIntact).toBe(true);
    const folder = runtime?.folder ?? "";
    expect(await readdir(folder)).toEqual(
      expect.arrayContaining([...PROVIDERS, "onnxruntime_binding.node", "installed.json"]),
    );

    await writeFile(join(folder, PROVIDERS[1] ?? ""), "damaged");
    expect((await run("runtime", "list")).stdout).toContain("damaged; run: latentsync-ts runtime");
    const removed = await run("runtime", "remove", "cuda");
    expect(removed).toMatchObject({ code: 0, stdout: expect.stringContaining(folder) });
    expect((await run("runtime", "list")).stdout).toBe("Nothing is installed.\n");
    expect((await run("runtime", "remove", "cuda")).code).toBe(1);
  });

  it("installs NVIDIA's libraries only for who agrees to their licences", async () => {
    const refused = await run("runtime", "install", "cuda", "--with-libraries", "--from", home);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/docs\.nvidia\.com\/cuda\/eula[^]*--accept-nvidia-licences/);
  });

  it("says what is not there to install", async () => {
    expect((await run("runtime", "install", "metal")).code).toBe(2);
    const option = await run("runtime", "install", "openvino", "--with-libraries");
    expect(option).toMatchObject({ code: 1, stderr: expect.stringContaining("cuda only") });
    const empty = await run("runtime", "install", "cuda", "--from", home, "--json");
    expect(JSON.parse(empty.stdout)).toMatchObject({ type: "error", code: "not_found" });
  });
});
