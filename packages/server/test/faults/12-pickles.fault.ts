import { cp, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { until } from "../work/harness.ts";
import { backends } from "./backends.ts";
import { program } from "./cli-program.ts";
import { record } from "./figures.ts";
import { Scene } from "./scene.ts";
import { straceMissing, Trace } from "./traced.ts";

const DEMO_MODEL = join(import.meta.dirname, "../../../demo-model/model");
const CHECKPOINT = "latentsync_unet.pt";
const title = "Pickles that call functions, as the checkpoint of the service's model";

/** Every one would run `touch CANARY` in Python. */
function pickles(command: string): readonly (readonly [string, Buffer])[] {
  const short = (value: string): string => `\u008c${String.fromCharCode(value.length)}${value}`;
  const text = `X${String.fromCharCode(command.length, 0, 0, 0)}${command}`;
  const python = `__import__('os').system('${command}')`;
  const code = `X${String.fromCharCode(python.length, 0, 0, 0)}${python}`;
  const bodies: readonly (readonly [string, string])[] = [
    ["posix.system by REDUCE", `\u0080\u0002cposix\nsystem\n(${text}tR.`],
    ["os.system by REDUCE", `\u0080\u0002cos\nsystem\n(${text}tR.`],
    ["subprocess.Popen in a list", `\u0080\u0002csubprocess\nPopen\n((S'sh'\nS'-c'\n${text}ltR.`],
    [
      "builtins.eval of protocol 4",
      `\u0080\u0004${short("builtins")}${short("eval")}\u0093${code}\u0085R.`,
    ],
    ["builtins.exec by NEWOBJ", `\u0080\u0002cbuiltins\nexec\n${code}\u0085\u0081.`],
    ["os.system by INST", `(${text}ios\nsystem\n.`],
    ["os.system by OBJ", `(cos\nsystem\n${text}o.`],
    [
      "os.system behind an allowed name",
      `\u0080\u0002ctorch._utils\n_rebuild_tensor_v2\n0cos\nsystem\n(${text}tR.`,
    ],
    [
      "os.system by way of torch",
      `\u0080\u0004${short("torch")}${short("os.system")}\u0093${text}\u0085R.`,
    ],
    [
      "__setstate__ by BUILD",
      `\u0080\u0002ccollections\nOrderedDict\n(tR}(S'__reduce__'\ncos\nsystem\nsb.`,
    ],
    ["an extension registry", `\u0080\u0002\u0082\u0001(${text}tR.`],
  ];
  return bodies.map(([name, body]) => [name, Buffer.from(body, "latin1")]);
}

/** A checkpoint as PyTorch writes it: a ZIP archive without compression. */
function archive(records: Readonly<Record<string, Buffer>>): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, data] of Object.entries(records)) {
    const path = Buffer.from(`archive/${name}`);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(path.length, 22);
    parts.push(Buffer.from("PK\u0003\u0004", "latin1"), common, path, data);
    const entry = Buffer.alloc(14);
    entry.writeUInt32LE(at, 10);
    directory.push(Buffer.from("PK\u0001\u0002\u0014\0", "latin1"), common, entry, path);
    at += 30 + path.length + data.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\u0005\u0006", 0, "latin1");
  end.writeUInt16LE(Object.keys(records).length, 8);
  end.writeUInt16LE(Object.keys(records).length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, central, end]);
}

describe.each(backends.filter(({ name }) => name === "sqlite"))("row 12", (backend) => {
  test.skipIf(straceMissing !== undefined)(
    `no code is run (${straceMissing ?? "strace"})`,
    async () => {
      await using scene = await Scene.open(backend);
      const command = `touch ${join(scene.folder, "CANARY")}`;
      const model = join(scene.folder, "model");
      await mkdir(model);
      await cp(DEMO_MODEL, model, { recursive: true });
      const trace = new Trace(scene.folder);
      const problems: string[] = [];
      const programs: string[] = [];
      const attacks = pickles(command);
      for (const [name, pickle] of attacks) {
        const records = { "data.pkl": pickle, version: Buffer.from("3\n") };
        await writeFile(join(model, CHECKPOINT), archive(records));
        {
          await using service = await scene.start({
            wrapper: trace.wrapper,
            command: [process.execPath, program, "serve", "--model", model, "--runtime", "cpu"],
          });
          const ready = await until(`the end of the setup with ${name}`, async () => {
            const response = await fetch(`${service.url}/readyz`);
            const text = await response.text();
            return (response.ok || text.includes("setup_failed")) && text;
          });
          problems.push(`${name}: ${ready}`);
        }
        programs.push(...(await trace.programs()));
      }
      const refused = problems.filter((problem) => problem.includes("setup_failed"));
      // What is refused is the pickle, not the archive or the folder around it.
      const named = refused.filter((problem) => problem.includes("that tensors need"));
      const canaries = (await readdir(scene.folder)).filter((name) => name === "CANARY").length;
      const figures = {
        pickles: attacks.length,
        refused: refused.length,
        refusedForTheirPickle: named.length,
        programsStarted: programs.length,
        canaryFiles: canaries,
      };
      const passed = named.length === attacks.length && programs.length === 0 && canaries === 0;
      await record({ row: 12, title, backend: backend.name, figures, passed });
      expect(named).toEqual(problems);
      expect(passed).toBe(true);
    },
  );
});
