import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { backends } from "./backends.ts";
import { speech, videoOf } from "./fault-engine.ts";
import { record } from "./figures.ts";
import { Scene } from "./scene.ts";
import { straceMissing, Trace } from "./traced.ts";

/** `ROOT` is the allowed folder; `secret.mp4` lies beside it. */
const REFUSED = [
  "file://../../etc/passwd",
  "file:///etc/passwd",
  "file:///proc/self/environ",
  "file:///dev/zero",
  "file://ROOT/../secret.mp4",
  "file://ROOT/inner/../../secret.mp4",
  "file://ROOT/%2e%2e/secret.mp4",
  "file://ROOT/.%2E/secret.mp4",
  "file://ROOT/..%2fsecret.mp4",
  "file://ROOT/%2e%2e%2fsecret.mp4",
  "file://ROOT/%252e%252e/secret.mp4",
  "file://ROOT/..%5csecret.mp4",
  "file:\\\\ROOT\\..\\secret.mp4",
  "file://ROOT/video.mp4%00.txt",
  "file://ROOT/%00",
  "file://ROOT-but-not/secret.mp4",
  "file://ROOT/link.mp4",
  "file://ROOT/folder-link/secret.mp4",
  "file://ROOT/inner/up/secret.mp4",
  "file://ROOT/",
  "file://ROOT",
  "file://host.test/ROOT/video.mp4",
  "file://127.0.0.1/ROOT/video.mp4",
  "file://ROOT/video.mp4?x",
  "file://ROOT/video.mp4#x",
  "-rf.mp4",
  "; touch CANARY",
  "../secret.mp4",
  "/etc/passwd",
];

/** Those that name a plain file of the folder if it is to be written: a link there is replaced. */
const PLAIN_AS_OUTPUT: ReadonlySet<string> = new Set([
  "file://ROOT/..%5csecret.mp4",
  "file://ROOT/link.mp4",
]);

/** Names that a shell or a program's options would make something of. */
const PLAIN_NAMES = [
  "-rf.mp4",
  "--output=x.mp4",
  "; touch CANARY;.mp4",
  "$(touch CANARY).mp4",
  "`touch CANARY`.mp4",
  "| touch CANARY.mp4",
  "a\n touch CANARY.mp4",
  "concat:video.mp4",
  "frame%03d.mp4",
  "a b'c\".mp4",
  "~root.mp4",
];

/** What hands a text to a shell; `.exec(` is a regular expression's. */
const SHELL = /(?<!\.)\bexec(?:Sync)?\(|shell: true|\bspawnSync\b/;
const title = "Paths that lead out, names that a shell would take for more";

async function searchSources(): Promise<{ readonly files: number; readonly shells: number }> {
  const packages = join(import.meta.dirname, "../../..");
  const files = (await readdir(packages, { recursive: true })).filter((path) =>
    /^[\w-]+\/src\/.*\.ts$/.test(path),
  );
  const texts = await Promise.all(files.map((path) => readFile(join(packages, path), "utf8")));
  return { files: files.length, shells: texts.filter((text) => SHELL.test(text)).length };
}

describe.each(backends.filter(({ name }) => name === "sqlite"))("row 14", (backend) => {
  test.skipIf(straceMissing !== undefined)(
    `no path leads out (${straceMissing ?? "strace"})`,
    async () => {
      await using scene = await Scene.open(backend);
      const root = join(scene.folder, "root");
      const secret = join(scene.folder, "secret.mp4");
      const canary = join(scene.folder, "CANARY");
      await mkdir(join(root, "inner"), { recursive: true });
      await mkdir(`${root}-but-not`);
      const video = videoOf({
        name: "plain",
        journal: join(scene.folder, "journal.log"),
        segments: 1,
      });
      await writeFile(secret, video);
      await writeFile(join(`${root}-but-not`, "secret.mp4"), video);
      await writeFile(join(root, "speech.wav"), speech);
      await symlink(secret, join(root, "link.mp4"));
      await symlink(scene.folder, join(root, "folder-link"));
      await symlink("../..", join(root, "inner", "up"));
      for (const name of PLAIN_NAMES) await writeFile(join(root, name), video);

      const trace = new Trace(scene.folder);
      const letThrough: string[] = [];
      const failed: string[] = [];
      const plainUrl = (name: string): string =>
        `file://${root}/${encodeURIComponent(name.replace("CANARY", canary).slice(0, 200))}`;
      {
        await using service = await scene.start({
          wrapper: trace.wrapper,
          environment: { FILE_ROOTS: root, MAX_ATTEMPTS: "1" },
        });
        const good = {
          video_in: plainUrl("-rf.mp4"),
          audio_in: `file://${root}/speech.wav`,
          out: `file://${root}/out.mp4`,
          inference_steps: 1,
        };
        for (const field of ["video_in", "audio_in", "out"] as const) {
          for (const pattern of REFUSED) {
            const url = pattern.replace("ROOT", root).replace("CANARY", canary);
            const response = await service.create({ ...good, [field]: url });
            if ([403, 422, 501].includes(response.status)) continue;
            const { job_id: id } = (await response.json()) as { job_id: string };
            const job = await service.finished(id);
            const isPlain = field === "out" && PLAIN_AS_OUTPUT.has(pattern);
            if (job.status !== "failed" && !isPlain) letThrough.push(`${field} ${url}`);
          }
        }
        for (const name of PLAIN_NAMES) {
          const url = `file://${root}/${encodeURIComponent(name)}`;
          const out = `file://${root}/${encodeURIComponent(`out ${name}`)}`;
          const response = await service.create({ ...good, video_in: url, out });
          if (response.status !== 202) failed.push(`${name}: ${response.status}`);
          else {
            const { job_id: id } = (await response.json()) as { job_id: string };
            const job = await service.finished(id);
            if (job.status !== "completed") failed.push(`${name}: ${job.error_code}`);
          }
        }
      }
      const names = await readdir(root);
      const results = PLAIN_NAMES.filter((name) => names.includes(`out ${name}`)).length;
      const opened = (await trace.lines()).filter((line) => / open(?:at|at2)?\(/.test(line));
      const touchedSecret = opened.filter((line) => line.includes("secret.mp4"));
      const programs = await trace.programs();
      const { shells, files } = await searchSources();
      const figures = {
        hostileUrls: REFUSED.length * 3 - PLAIN_AS_OUTPUT.size,
        letThrough: letThrough.length,
        opensOfTheSecret: touchedSecret.length,
        secretChanged: !(await readFile(secret)).equals(video),
        plainNames: PLAIN_NAMES.length,
        plainNamesThatWorked: results,
        programsStarted: programs.length,
        sourceFilesSearched: files,
        shellsInSources: shells,
      };
      const passed =
        letThrough.length === 0 &&
        touchedSecret.length === 0 &&
        !figures.secretChanged &&
        results === PLAIN_NAMES.length &&
        programs.length === 0 &&
        shells === 0 &&
        !(await readdir(scene.folder)).includes("CANARY");
      await record({ row: 14, title, backend: backend.name, figures, passed });
      expect({ letThrough, failed, touchedSecret, programs }).toEqual({
        letThrough: [],
        failed: [],
        touchedSecret: [],
        programs: [],
      });
      expect(passed).toBe(true);
    },
  );
});
