import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { backends } from "./backends.ts";
import { serveCommand } from "./cli-program.ts";
import { record } from "./figures.ts";
import { withAliasOf, withPicturesAt } from "./movies.ts";
import { writeClip } from "./real-clip.ts";
import { Scene } from "./scene.ts";
import { straceMissing, Trace } from "./traced.ts";

const title = "Playlists and other media that name files and addresses, with the demo model";

interface Canaries {
  /** `http://127.0.0.1:port`. */
  readonly origin: string;
  /** A video that lies on the server's disk. */
  readonly path: string;
}

function hls(address: string): string {
  return `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MAP:URI="${address}"\n#EXTINF:1,\n${address}\n#EXT-X-ENDLIST\n`;
}

function dash(address: string): string {
  return `<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" type="static" mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>${address}</BaseURL></Representation></AdaptationSet></Period></MPD>\n`;
}

/** Packets that begin with the byte that MPEG-TS is recognised by; the text is in the first. */
function behindSyncBytes(text: string): Buffer {
  const bytes = Buffer.alloc(Math.max(188 * 5, Math.ceil((text.length + 1) / 188) * 188), " ");
  bytes.write(`\n${text}`, 1, "latin1");
  for (let at = 0; at < bytes.length; at += 188) bytes[at] = 0x47;
  return bytes;
}

function inputs({ origin, path }: Canaries, video: Buffer): readonly (readonly [string, Buffer])[] {
  const [web, file] = [`${origin}/seen.mp4`, `file://${path}`];
  const texts: readonly (readonly [string, string])[] = [
    ["HLS to http", hls(web)],
    ["HLS to a file", hls(file)],
    ["HLS to a path", hls(path)],
    ["HLS behind spaces", `\n\n${hls(web)}`],
    ["concat", `ffconcat version 1.0\nfile '${path}'\nfile '${web}'\n`],
    ["concat without its mark", `file '${path}'\n`],
    ["concat protocol", `concat:${path}|${path}`],
    ["subfile", `subfile,,start,0,end,100000,,:${path}`],
    ["DASH to http", `<?xml version="1.0"?>\n${dash(web)}`],
    ["DASH to a file", `<?xml version="1.0"?>\n${dash(file)}`],
    ["SDP", "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"],
    ["ASX", `<ASX><ENTRY><REF HREF="${web}"/></ENTRY></ASX>`],
    ["PLS", `[playlist]\nFile1=${web}\n`],
    ["SVG", `<svg xmlns="http://www.w3.org/2000/svg"><image href="${web}"/></svg>`],
    ["address alone", web],
  ];
  return [
    ...texts.map(([name, text]) => [name, Buffer.from(text)] as const),
    ["movie with pictures at http", withPicturesAt(video, web)],
    ["movie with pictures in a file", withPicturesAt(video, file)],
    ["movie with pictures in an alias", withAliasOf(video, path)],
    [
      "HLS behind an ID3 tag",
      Buffer.concat([Buffer.from("ID3\u0004\0\0\0\0\0\0"), Buffer.from(hls(file))]),
    ],
    ["DASH in the place of a movie's box", Buffer.from(`AAAAfree\n${dash(file)}`)],
    ["DASH in an AVI", Buffer.from(`RIFF0000AVI \n${dash(file)}`)],
    ["DASH in a WAV", Buffer.from(`RIFF0000WAVE\n${dash(file)}`)],
    [
      "SDP in the place of a movie's box",
      Buffer.from(`AAAAfree\nv=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n`),
    ],
    ["HLS in transport packets", behindSyncBytes(hls(file))],
    ["DASH in transport packets", behindSyncBytes(dash(file))],
    ["HLS in UTF-16", Buffer.from(`\ufeff${hls(file)}`, "utf16le")],
  ];
}

describe.each(backends.filter(({ name }) => name === "sqlite"))("row 11", (backend) => {
  test.skipIf(straceMissing !== undefined)(
    `nothing is followed (${straceMissing ?? "strace"})`,
    async () => {
      await using scene = await Scene.open(backend);
      const clip = await writeClip(scene.folder, 1);
      const [video, speech] = await Promise.all([readFile(clip.video), readFile(clip.speech)]);
      let requests = 0;
      const server = createServer((_, response) => {
        requests += 1;
        response.end(video);
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const canaries = {
        origin: `http://127.0.0.1:${port}`,
        path: join(scene.folder, "canary.mp4"),
      };
      await writeFile(canaries.path, video);
      scene.bucket.set("face.mp4", video);
      scene.bucket.set("speech.wav", speech);
      const good = {
        video_in: scene.bucket.url("face.mp4"),
        audio_in: scene.bucket.url("speech.wav"),
        out: scene.bucket.url("out.mp4"),
        inference_steps: 1,
      };
      const trace = new Trace(scene.folder);
      const outcomes: Record<string, number> = {};
      const letThrough: string[] = [];
      let control = "none";
      {
        await using service = await scene.start({
          wrapper: trace.wrapper,
          command: serveCommand,
          environment: { WORKERS: "1", MAX_ATTEMPTS: "1" },
        });
        const run = async (body: object): Promise<string> => {
          const response = await service.create(body);
          const { job_id: id } = (await response.json()) as { job_id: string };
          const job = await service.finished(id);
          return job.status === "failed" ? (job.error_code ?? "none") : job.status;
        };
        control = await run(good);
        const hostile = inputs(canaries, video);
        for (const [index, [name, bytes]] of hostile.entries()) {
          for (const field of ["video_in", "audio_in"] as const) {
            scene.bucket.set(`${index}.mp4`, bytes);
            const outcome = await run({ ...good, [field]: scene.bucket.url(`${index}.mp4`) });
            outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
            if (!["forbidden", "invalid_media"].includes(outcome)) {
              letThrough.push(`${name} as ${field}: ${outcome}`);
            }
          }
        }
      }
      server.close();
      const bucketPort = scene.bucket.host.split(":")[1];
      const elsewhere = (await trace.connections()).filter(
        (to) => to !== `127.0.0.1 ${bucketPort}`,
      );
      const opens = await trace.touching(canaries.path);
      const figures = {
        inputs: Object.values(outcomes).reduce((sum, count) => sum + count, 0),
        ...outcomes,
        letThrough: letThrough.length,
        requestsToTheCanary: requests,
        connectionsElsewhere: elsewhere.length,
        callsThatNameTheCanaryFile: opens.length,
        goodJob: control,
      };
      const passed =
        letThrough.length === 0 &&
        requests === 0 &&
        elsewhere.length === 0 &&
        opens.length === 0 &&
        control === "completed";
      await record({ row: 11, title, backend: backend.name, figures, passed });
      expect({ letThrough, elsewhere, opens }).toEqual({
        letThrough: [],
        elsewhere: [],
        opens: [],
      });
      expect(passed).toBe(true);
    },
  );
});
