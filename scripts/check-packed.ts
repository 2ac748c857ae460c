/**
 * Packs every package, checks what is in the tarballs, installs them all in an empty folder with
 * `--ignore-scripts` and runs the command line from there.
 *
 *     npm run check -- packed
 */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  publishedPackages,
  readManifest,
  rootFolder,
  type RunOptions,
  runNode,
  runNpm,
  runTool,
} from "./workspace.ts";

export interface Tarball {
  readonly name: string;
  readonly version: string;
  readonly path: string;
  readonly packedBytes: number;
  readonly unpackedBytes: number;
  readonly files: readonly string[];
}

interface PackReport {
  readonly name: string;
  readonly version: string;
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

/** Packs every published package into `folder`. */
export function packAll(folder: string): Tarball[] {
  mkdirSync(folder, { recursive: true });
  return publishedPackages().map((item) => {
    const report = parsePackReport(
      runNpm(["pack", "--json", "--silent", "--pack-destination", folder], {
        cwd: item.folder,
        capture: true,
      }),
    );
    return {
      name: report.name,
      version: report.version,
      path: join(folder, report.filename),
      packedBytes: report.size,
      unpackedBytes: report.unpackedSize,
      files: report.files.map((file) => file.path),
    };
  });
}

/** npm prints an array of reports, newer releases an object of them by name. */
function parsePackReport(text: string): PackReport {
  const [report] = Object.values(JSON.parse(text) as Record<string, PackReport>);
  if (report === undefined) throw new Error(`npm pack reported nothing: ${text}`);
  return report;
}

const REQUIRED_FILES = ["LICENSE", "README.md", "dist/index.js", "dist/index.d.ts"];
const UNWANTED_FILES = /\.(map|tsbuildinfo)$|^(src|test)\/|\.test\./;

/** Prints the sizes. @throws Error if a tarball lacks a file or holds one that is not for users. */
export function checkContents(tarballs: readonly Tarball[]): void {
  const problems: string[] = [];
  console.log(`${"package".padEnd(20)} ${"packed".padStart(10)} ${"unpacked".padStart(10)} files`);
  for (const tarball of tarballs) {
    console.log(
      `${tarball.name.padEnd(20)} ${kibibytes(tarball.packedBytes)} ${kibibytes(tarball.unpackedBytes)} ` +
        String(tarball.files.length).padStart(5),
    );
    for (const file of REQUIRED_FILES) {
      if (!tarball.files.includes(file)) problems.push(`${tarball.name} lacks ${file}`);
    }
    for (const file of tarball.files) {
      if (UNWANTED_FILES.test(file)) problems.push(`${tarball.name} should not hold ${file}`);
    }
  }
  if (problems.length > 0) throw new Error(problems.join("\n"));
}

function kibibytes(bytes: number): string {
  return `${(bytes / 1024).toFixed(1)} KiB`.padStart(10);
}

export function checkPublint(tarballs: readonly Tarball[]): void {
  checkEach(tarballs, ({ path }) => runTool("publint", ["run", "--strict", path]));
}

/** Checks that the types resolve as the code does, for consumers that use ES modules. */
export function checkTypes(tarballs: readonly Tarball[]): void {
  const options = ["--profile", "esm-only", "--no-definitely-typed", "--no-emoji", "--no-color"];
  checkEach(tarballs, ({ name, path }) => {
    runTool("attw", [...options, path], {
      packageName: "@arethetypeswrong/cli",
      capture: true,
    });
    console.log(`${name}: types resolve`);
  });
}

/** Goes through all tarballs before it throws, so that one run shows every problem. */
function checkEach(tarballs: readonly Tarball[], check: (tarball: Tarball) => void): void {
  const failed = tarballs.filter((tarball) => {
    try {
      check(tarball);
      return false;
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      return true;
    }
  });
  if (failed.length > 0) throw new Error(`Failed: ${failed.map(({ name }) => name).join(", ")}`);
}

/** Installs the tarballs where nothing of the workspace can be seen, and uses them. */
export function checkInstalled(tarballs: readonly Tarball[]): void {
  const folder = mkdtempSync(join(tmpdir(), "latentsync-packed-"));
  try {
    installTarballs(folder, tarballs);
    const node = installOldestNode(folder);
    checkImports(folder, tarballs, node);
    checkVersion(folder, tarballs, node);
    checkInfer(folder, node);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const INSTALL = ["install", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];

function installTarballs(folder: string, tarballs: readonly Tarball[]): void {
  // Direct dependencies by file: npm then meets the packages' mutual dependencies from the same
  // tarballs, and `overrides` makes sure that it never asks the registry for them.
  const dependencies = Object.fromEntries(tarballs.map(({ name, path }) => [name, `file:${path}`]));
  const overrides = Object.fromEntries(tarballs.map(({ name }) => [name, `$${name}`]));
  const manifest = { name: "packed", version: "0.0.0", private: true, dependencies, overrides };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  runNpm([...INSTALL, "--silent"], { cwd: folder });
}

/** The oldest Node that the packages promise to run on, as its program's path. */
function installOldestNode(folder: string): string {
  const [oldest] = /\d+\.\d+/.exec(readManifest(rootFolder).engines?.node ?? "") ?? [];
  if (oldest === undefined) throw new Error("package.json names no Node in engines");
  const windows = process.platform === "win32";
  const prefix = process.platform === "darwin" && process.arch === "arm64" ? "node-bin" : "node";
  const name = `${prefix}-${windows ? "win" : process.platform}-${process.arch}`;
  runNpm([...INSTALL, "--silent", "--no-save", `${name}@${oldest}.0`], { cwd: folder });
  return join(folder, "node_modules", name, "bin", windows ? "node.exe" : "node");
}

/** Every package must load without a build step, an install script or a missing dependency. */
function checkImports(folder: string, tarballs: readonly Tarball[], node: string): void {
  const script = join(folder, "import.mjs");
  const names = JSON.stringify(tarballs.map(({ name }) => name));
  writeFileSync(
    script,
    `console.log("Node " + process.version);
    for (const name of ${names}) {
      const exported = Object.keys(await import(name));
      console.log(name + ": " + exported.length + " exports");
    }`,
  );
  runNode(script, [], { cwd: folder, node });
}

function checkVersion(folder: string, tarballs: readonly Tarball[], node: string): void {
  const expected = tarballs.find(({ name }) => name === "latentsync-ts")?.version;
  const printed = runCommandLine(folder, ["--version"], { node, capture: true }).trim();
  if (printed !== expected) {
    throw new Error(`latentsync-ts --version printed "${printed}" instead of "${expected}"`);
  }
  console.log(`latentsync-ts --version: ${printed}`);
}

/** A whole job on the video and the speech that the demo makes up, with the model that comes along. */
function checkInfer(folder: string, node: string): void {
  const env = {
    LATENTSYNC_HOME: join(folder, "home"),
    HF_HOME: join(folder, "hub"),
    NO_COLOR: "1",
  };
  const options = { node, env, capture: true };
  const media = join(folder, "demo");
  runCommandLine(folder, ["demo", "--out", media, "--seconds", "1", "--runtime", "cpu"], options);

  const output = join(folder, "speaks.mp4");
  const inputs = ["--video", join(media, "face.mp4"), "--audio", join(media, "speech.wav")];
  const settings = ["--runtime", "cpu", "--inference-steps", "2", "--json"];
  const printed = runCommandLine(
    folder,
    ["infer", ...inputs, "--out", output, ...settings],
    options,
  );
  const last = JSON.parse(printed.trim().split("\n").at(-1) ?? "") as {
    readonly type: string;
    readonly result?: { readonly frames: number; readonly framesWithoutFace: number };
  };
  const { frames = 0, framesWithoutFace = frames } = last.result ?? {};
  const { size } = statSync(output);
  if (last.type !== "done" || framesWithoutFace >= frames || size === 0) {
    throw new Error(`infer ended with ${JSON.stringify(last)} and wrote ${size} bytes`);
  }
  console.log(`latentsync-ts infer: ${frames} frames, ${framesWithoutFace} without a face`);
}

/** `npx latentsync-ts ...` */
function runCommandLine(folder: string, args: readonly string[], options: RunOptions): string {
  const exec = ["exec", "--offline", "--no", "--loglevel=error", "--", "latentsync-ts", ...args];
  return runNpm(exec, { cwd: folder, ...options });
}

/** Folder for tarballs; ignored by git. */
export const packFolder: string = join(rootFolder, "output", "packed");
