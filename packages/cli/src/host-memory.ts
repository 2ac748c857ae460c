/** Memory of this machine, or of the container that the process may use. */
import { readFile } from "node:fs/promises";
import { freemem, totalmem } from "node:os";
import { join } from "node:path";
import type { MemoryInfo } from "@ls/core";

export interface HostMemoryPlaces {
  /** Where Linux shows control groups. */
  readonly groupFolder: string;
  /** Where it says which group the process is in. */
  readonly membershipFile: string;
}

const PLACES: HostMemoryPlaces = {
  groupFolder: "/sys/fs/cgroup",
  membershipFile: "/proc/self/cgroup",
};

/**
 * What is free on the machine and under every limit that is set above the process; `undefined` on
 * macOS, which counts as used what it would give back at once.
 */
export async function hostMemory(
  places: HostMemoryPlaces = PLACES,
): Promise<MemoryInfo | undefined> {
  if (process.platform === "darwin") return undefined;
  const machine = { totalBytes: totalmem(), freeBytes: freemem() };
  const limits = await Promise.all((await groupFolders(places)).map(readLimit));
  return limits.reduce<MemoryInfo>(
    (least, limit) => ({
      totalBytes: Math.min(least.totalBytes, limit?.totalBytes ?? Infinity),
      freeBytes: Math.min(least.freeBytes, limit?.freeBytes ?? Infinity),
    }),
    machine,
  );
}

/** The process's control group and those that it lies in; none but the root's in a container. */
async function groupFolders({ groupFolder, membershipFile }: HostMemoryPlaces): Promise<string[]> {
  const membership = await readText(membershipFile);
  const path = /^0::(\/.*)$/mu.exec(membership ?? "")?.[1] ?? "/";
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return Array.from({ length: parts.length + 1 }, (_, depth) =>
    join(groupFolder, ...parts.slice(0, depth)),
  );
}

/** The limit of a control group; pages of files that nobody uses can be had again. */
async function readLimit(folder: string): Promise<MemoryInfo | undefined> {
  const [limit, used, statistics] = await Promise.all(
    ["memory.max", "memory.current", "memory.stat"].map((name) => readText(join(folder, name))),
  );
  const [totalBytes, usedBytes] = [Number(limit), Number(used)];
  if (limit === undefined || !Number.isFinite(totalBytes) || !Number.isFinite(usedBytes)) {
    return undefined;
  }
  const reclaimable = Number(/^inactive_file (\d+)$/mu.exec(statistics ?? "")?.[1] ?? 0);
  return { totalBytes, freeBytes: Math.max(0, totalBytes - usedBytes + reclaimable) };
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").then(
    (text) => text.trim(),
    () => undefined,
  );
}
