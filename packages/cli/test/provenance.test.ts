import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DIGITAL_SOURCE_TYPE, type Provenance, provenanceTags } from "../src/provenance.ts";
import { packageVersion } from "../src/version.ts";
import { QUICK_ARGUMENTS, type ShortClip, writeShortClip } from "./media/short-clip.ts";
import { run } from "./run.ts";

const MODEL = { name: 'a <model> & "more"\u{0}', hash: "5".repeat(64) };
const REQUEST = { video: "a.mp4", audio: "a.wav", output: "o.mp4", seed: 3, inferenceSteps: 4 };

const tagsOf = (output: string): Readonly<Record<string, string>> =>
  provenanceTags({ model: MODEL, runtime: "cpu", request: { ...REQUEST, output } });

describe("the tags of an output", () => {
  it("say in words and as JSON that it is synthetic, by what, and with which settings", () => {
    const { comment = "", description = "" } = tagsOf("/x/o.mkv");
    expect(comment).toMatch(/^Synthetic media: .*latentsync-ts \d+\.\d+/);
    expect(JSON.parse(description) as Provenance).toEqual({
      digitalSourceType: DIGITAL_SOURCE_TYPE,
      software: "latentsync-ts",
      version: packageVersion(),
      model: MODEL.name,
      modelSha256: MODEL.hash,
      seed: 3,
      settings: {
        scheduler: "ddim",
        inferenceSteps: 4,
        guidanceScale: 1.5,
        guidanceInterval: "0,1",
        deepCacheInterval: 1,
        runtime: "cpu",
      },
    });
    expect(description).not.toContain("a.mp4");
  });

  it("hold an XMP packet in MP4 and QuickTime, and the bare term elsewhere", () => {
    for (const name of ["o.mp4", "o.M4V", "o.mov"]) {
      const { xmp = "" } = tagsOf(name);
      expect(xmp).toContain(
        `<Iptc4xmpExt:DigitalSourceType>${DIGITAL_SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>`,
      );
      expect(xmp).toContain("a &lt;model&gt; &amp; &quot;more&quot;?");
      expect(xmp.startsWith('<?xpacket begin="\u{feff}"')).toBe(true);
      expect(xmp.endsWith('<?xpacket end="r"?>')).toBe(true);
    }
    expect(tagsOf("o.webm")).toMatchObject({ digital_source_type: DIGITAL_SOURCE_TYPE });
    expect(tagsOf("o.webm")).not.toHaveProperty("xmp");
  });

  it("are without a seed where the random numbers come from elsewhere", () => {
    const random = { randn: (count: number) => new Float32Array(count) };
    const request = { ...REQUEST, random };
    const { description = "" } = provenanceTags({ model: MODEL, runtime: "cpu", request });
    expect(JSON.parse(description)).not.toHaveProperty("seed");
  });
});

describe("a finished video", () => {
  let folder: string;
  let clip: ShortClip;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "latentsync-provenance-"));
    clip = await writeShortClip(folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("says that it is synthetic", async () => {
    const output = join(folder, "out.mp4");
    const inputs = ["--video", clip.video, "--audio", clip.audio, "--out", output];
    expect((await run("infer", ...inputs, ...QUICK_ARGUMENTS)).code).toBe(0);
    const bytes = await readFile(output);
    expect(bytes.includes("Synthetic media:")).toBe(true);
    expect(bytes.includes('"inferenceSteps":1')).toBe(true);
    const boxes = topLevel(bytes);
    expect(boxes.map(({ type }) => type)).toEqual(["ftyp", "moov", "free", "mdat", "uuid"]);
    const packet = boxes.at(-1)?.content ?? Buffer.alloc(0);
    expect(packet.toString("hex", 0, 16)).toBe("be7acfcb97a942e89c71999491e3afac");
    expect(packet.toString("utf8", 16)).toContain(DIGITAL_SOURCE_TYPE);
  });

  it("says so in QuickTime, too", async () => {
    const output = join(folder, "out.mov");
    const inputs = ["--video", clip.video, "--audio", clip.audio, "--out", output];
    const short = ["--end", "0.1", "--loop", "cut"];
    const { code, stderr } = await run("infer", ...inputs, ...QUICK_ARGUMENTS, ...short);
    expect(code, stderr).toBe(0);
    const contentOf = (boxes: readonly Box[], type: string): Buffer =>
      boxes.find((box) => box.type === type)?.content ?? Buffer.alloc(0);
    const movie = topLevel(contentOf(topLevel(await readFile(output)), "moov"));
    const tags = topLevel(contentOf(movie, "udta"));
    expect(contentOf(tags, "\u{a9}cmt").toString()).toContain("Synthetic media:");
    const packet = contentOf(tags, "XMP_").toString("utf8");
    expect(packet).toContain(DIGITAL_SOURCE_TYPE);
    const [, json = ""] = /<latentsync:Run>(.*)<\/latentsync:Run>/.exec(packet) ?? [];
    expect(JSON.parse(json.replaceAll("&quot;", '"'))).toMatchObject({
      model: "latentsync-demo",
      seed: 1247,
      settings: { inferenceSteps: 1 },
    });
  });
});

interface Box {
  readonly type: string;
  readonly content: Buffer;
}

function topLevel(bytes: Buffer): readonly Box[] {
  const boxes: Box[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = bytes.readUInt32BE(at);
    const type = bytes.toString("latin1", at + 4, at + 8);
    boxes.push({ type, content: bytes.subarray(at + 8, at + size) });
    at += size;
  }
  return boxes;
}
