import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { type FaceDetector, Resources, trackFaces, type VideoInfo } from "@ls/core";
import { createFfmpegVideoSource, createMediaPipeDetector } from "@ls/video";
import { type Command, Option } from "commander";
import { createLogUpdate } from "log-update";
import type { CommandContext } from "../command-context.ts";
import { describeTrack } from "../faces/faces-sheet-markup.ts";
import { renderFacesSheet, SAMPLES_PER_TRACK } from "../faces/faces-sheet.ts";
import { readFaces, type TrackSummary, type VideoFaces } from "../faces/track-summary.ts";
import { debugOption } from "../options.ts";
import { paint, type Terminal } from "../terminal.ts";
import { addTimeOptions, type TimeFlags, timesOf } from "../time-options.ts";

interface FacesOptions extends TimeFlags {
  readonly out: string;
  readonly json?: string | true;
}

export function addFacesCommand(program: Command, context: CommandContext): void {
  const faces = program
    .command("faces")
    .description("show who is seen in a video, to choose whose mouth is made to speak")
    .argument("<video>", "a video with faces")
    .option("--out <file>", "contact sheet to write, as PNG", "faces.png")
    .addOption(new Option("--json [file]", "write the tracks as JSON: to a file, or to stdout"));
  addTimeOptions(faces)
    .addOption(debugOption())
    .addHelpText("after", EXAMPLES)
    .action((video: string, options: FacesOptions) => showFaces(video, options, context));
}

const EXAMPLES = `
Numbers follow the order in which people appear in that part of the video. Who comes back after a cut
keeps the number if recognised beyond doubt. Speaking is the share of the time in which the mouth
moves as in speech.

Examples:
  latentsync-ts faces panel.mp4 --out panel.png
  latentsync-ts infer --video panel.mp4 --audio speech.wav --out out.mp4 --face 2
`;

async function showFaces(
  video: string,
  options: FacesOptions,
  { terminal, signal }: CommandContext,
): Promise<void> {
  const { out, json } = options;
  await using resources = new Resources();
  const source = createFfmpegVideoSource();
  const reader = resources.use(await source.open(video, { ...timesOf(options), signal }));
  const detector = resources.use(await createMediaPipeDetector({ signal, thorough: true }));
  const found = await findFaces({ reader, detector, terminal, signal });
  const title = basename(video);
  await writeFile(out, await renderFacesSheet({ ...found, title, reader, signal }));
  const text = `${JSON.stringify(describeVideo(video, reader.info, found), undefined, 1)}\n`;
  if (typeof json === "string") await writeFile(json, text);
  terminal.stdout.write(json === true ? text : formatTable(found.tracks, terminal));
  terminal.stderr.write(`Contact sheet: ${out}\n`);
}

interface FindOptions extends Pick<CommandContext, "terminal" | "signal"> {
  readonly reader: Parameters<typeof trackFaces>[0]["reader"];
  readonly detector: FaceDetector;
}

async function findFaces({ reader, detector, terminal, signal }: FindOptions): Promise<VideoFaces> {
  const { info } = reader;
  using progress = countFrames(detector, info.estimatedFrameCount, terminal);
  await using timeline = trackFaces({
    reader,
    detector: progress.detector,
    selection: { kind: "all" },
    end: Number.POSITIVE_INFINITY,
    signal,
  });
  return await readFaces({ timeline, info, sampleCount: SAMPLES_PER_TRACK });
}

/** A detector that tells a terminal how far it is. */
function countFrames(
  detector: FaceDetector,
  total: number | undefined,
  { stderr }: Terminal,
): Disposable & { readonly detector: FaceDetector } {
  const line = stderr.isTTY === true ? createLogUpdate(stderr) : undefined;
  const of = total === undefined ? "" : `/${total}`;
  return {
    detector: {
      detect(picture, index, options) {
        line?.(`Looking for faces: frame ${index + 1}${of}`);
        return detector.detect(picture, index, options);
      },
      [Symbol.asyncDispose]: () => detector[Symbol.asyncDispose](),
    },
    [Symbol.dispose]() {
      line?.clear();
      line?.done();
    },
  };
}

function describeVideo(
  video: string,
  { width, height, framesPerSecond }: VideoInfo,
  { frameCount, tracks }: VideoFaces,
): unknown {
  return { video, width, height, framesPerSecond, frames: frameCount, tracks };
}

/** What a person reads. */
function formatTable(tracks: readonly TrackSummary[], { stdout }: Terminal): string {
  if (tracks.length === 0) return "No face was found.\n";
  const lines = tracks.map((track) => {
    const number = paint(stdout, "bold", `${track.number}`.padStart(3));
    return `${number}  ${describeTrack(track).join(", ")}\n`;
  });
  return lines.join("");
}
