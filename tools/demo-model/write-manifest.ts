/**
 * Writes `manifest.json` of the demo model, the last step of its recipe.
 *
 *     node tools/demo-model/write-manifest.ts --training training.json [--folder packages/demo-model/model]
 *
 * `training.json` holds an object with whatever is worth knowing of the training: recipe, seed, steps.
 */
import { createHash } from "node:crypto";
import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type DemoModelFile, type DemoModelManifest, verifyDemoModel } from "@ls/demo-model";

const MANIFEST = "manifest.json";
/** What the package may weigh: it is part of every installation. */
const MAXIMUM_BYTES = 25_000_000;
const MODEL_FOLDER = resolve(import.meta.dirname, "../../packages/demo-model/model");

const IDENTITY = {
  formatVersion: 1,
  name: "latentsync-demo",
  description:
    "A small model of LatentSync's architecture for drawn faces and synthetic voices: it shows lip-sync, and is no replacement for the published weights.",
  licence: "Apache-2.0",
} as const;

async function listFiles(folder: string): Promise<DemoModelFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .filter((path) => path !== MANIFEST && path !== `${MANIFEST}.new`)
    .toSorted();
  return Promise.all(
    paths.map(async (path) => {
      const content = await readFile(join(folder, path));
      const sha256 = createHash("sha256").update(content).digest("hex");
      return { path, bytes: content.length, sha256 };
    }),
  );
}

async function readTraining(path: string): Promise<DemoModelManifest["training"]> {
  const training: unknown = JSON.parse(await readFile(path, "utf8"));
  if (typeof training !== "object" || training === null || Array.isArray(training)) {
    throw new TypeError(`${path} does not hold an object.`);
  }
  return { ...training };
}

const { values } = parseArgs({
  options: {
    folder: { type: "string", default: MODEL_FOLDER },
    training: { type: "string" },
  },
});
if (values.training === undefined) throw new TypeError("--training names no file.");
const folder = resolve(values.folder);
const files = await listFiles(folder);
const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
if (bytes > MAXIMUM_BYTES) {
  throw new RangeError(`The model has ${bytes} bytes; at most ${MAXIMUM_BYTES} are allowed.`);
}
const training = await readTraining(values.training);
const manifest: DemoModelManifest = { ...IDENTITY, files, training };
await writeFile(join(folder, `${MANIFEST}.new`), `${JSON.stringify(manifest, undefined, 2)}\n`);
await rename(join(folder, `${MANIFEST}.new`), join(folder, MANIFEST));
await verifyDemoModel({ folder });
process.stdout.write(`${join(folder, MANIFEST)}: ${files.length} files, ${bytes} bytes\n`);
