/** The layout of the Hugging Face cache, shared with the Python tools. */
import { copyFile, lstat, mkdir, readFile, readlink, rm, stat, symlink } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { systemCode, toFileError, writeAtomically } from "@ls/files";
import { hubCacheFolder } from "./hub-settings.ts";

/** A model repository in the cache. */
export class CachedRepository {
  readonly repository: string;
  readonly folder: string;

  constructor(repository: string, cacheFolder: string = hubCacheFolder()) {
    this.repository = repository;
    this.folder = join(cacheFolder, `models--${repository.replaceAll("/", "--")}`);
  }

  /** The commit that a branch or tag was at when it was last looked up. */
  async readCommit(revision = "main"): Promise<string | undefined> {
    const text = await readFile(join(this.folder, "refs", revision), "utf8").catch(() => "");
    return /^[0-9a-f]{40}$/.test(text.trim()) ? text.trim() : undefined;
  }

  async writeCommit(commit: string, revision = "main"): Promise<void> {
    const path = join(this.folder, "refs", revision);
    await writeAtomically(path, (sink) => sink.write(Buffer.from(commit)));
  }

  /** Where a file of a commit lies, whether or not it is there. */
  snapshotPath(commit: string, file: string): string {
    return join(this.folder, "snapshots", commit, ...file.split("/"));
  }

  /** Where content lies by its SHA-256 (large files) or git hash (small ones). */
  blobPath(etag: string): string {
    return join(this.folder, "blobs", etag);
  }

  /** Path of a file of the commit that is known for `main`; undefined if it is not there. */
  async find(file: string): Promise<string | undefined> {
    const commit = await this.readCommit();
    if (commit === undefined) return undefined;
    const path = this.snapshotPath(commit, file);
    return stat(path).then(
      (stats) => (stats.isFile() ? path : undefined),
      () => undefined,
    );
  }

  /** The hash that names the content of a snapshot's file; undefined for a copy. */
  async readEtag(snapshotPath: string): Promise<string | undefined> {
    const target = await readlink(snapshotPath).catch(() => undefined);
    const name = target === undefined ? "" : basename(target);
    return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(name) ? name : undefined;
  }

  /** Puts content under its name in a commit's folder: a link, or a copy where links are not allowed. */
  async link(commit: string, file: string, etag: string): Promise<string> {
    const path = this.snapshotPath(commit, file);
    const blob = this.blobPath(etag);
    await mkdir(dirname(path), { recursive: true });
    const isThere = await lstat(path).then(
      () => true,
      () => false,
    );
    if (isThere && (await this.readEtag(path)) === etag) return path;
    if (isThere) await rm(path, { force: true });
    try {
      await symlink(relative(dirname(path), blob), path, "file");
    } catch (error) {
      const code = systemCode(error);
      if (code === "EEXIST") return path;
      if (code !== "EPERM" && code !== "ENOSYS" && code !== "ENOTSUP")
        throw toFileError(error, path);
      await copyFile(blob, path);
    }
    return path;
  }
}
