import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { totalmem, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hostMemory, type HostMemoryPlaces } from "../src/host-memory.ts";

let folder: string;
let places: HostMemoryPlaces;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "host-memory-"));
  places = { groupFolder: join(folder, "group"), membershipFile: join(folder, "self") };
});
afterEach(() => rm(folder, { recursive: true }));

async function writeGroup(path: string, files: Readonly<Record<string, string>>): Promise<void> {
  const group = join(places.groupFolder, path);
  await mkdir(group, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(group, `memory.${name}`), `${text}\n`);
  }
}

describe.skipIf(process.platform === "darwin")("the host's memory (unknown on macOS)", () => {
  it("is the machine's where there are no control groups, or no limits", async () => {
    const memory = await hostMemory(places);
    expect(memory?.totalBytes).toBe(totalmem());
    expect(memory?.freeBytes).toBeGreaterThan(0);
    await writeGroup("", { max: "max", current: "1000" });
    expect((await hostMemory(places))?.totalBytes).toBe(totalmem());
  });

  it("is what a container's limit leaves, with the files that can be dropped", async () => {
    const stat = "anon 700\ninactive_anon 1\nactive_file 5\ninactive_file 300\nslab 3";
    await writeGroup("", { max: "2000", current: "1000", stat });
    expect(await hostMemory(places)).toEqual({ totalBytes: 2000, freeBytes: 1300 });
  });

  it("is the least of all groups that the process lies in", async () => {
    await writeFile(places.membershipFile, "0::/slice/unit\n");
    await writeGroup("slice", { max: "3000", current: "2900" });
    await writeGroup("slice/unit", { max: "2000", current: "1000" });
    expect(await hostMemory(places)).toEqual({ totalBytes: 2000, freeBytes: 100 });
  });

  it("is none where the limit is exceeded", async () => {
    await writeGroup("", { max: "1000", current: "2000" });
    expect((await hostMemory(places))?.freeBytes).toBe(0);
  });
});
