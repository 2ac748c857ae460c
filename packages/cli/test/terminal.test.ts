import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { stripVTControlCharacters } from "node:util";
import { LatentSyncError, type LipSyncEvent } from "@ls/core";
import { describe, expect, it } from "vitest";
import { translateOfficialFlags } from "../src/official-flags.ts";
import { createProgress } from "../src/progress.ts";
import {
  describeError,
  formatBytes,
  formatDuration,
  formatError,
  type Terminal,
} from "../src/terminal.ts";

function fakeTerminal(): Terminal & { readonly stdout: PassThrough; readonly stderr: PassThrough } {
  return { stdout: new PassThrough(), stderr: new PassThrough() };
}

describe("official flags", () => {
  it("are translated, values and everything else are not", () => {
    const official = [
      ...["infer", "--unet_config_path", "a_b.yaml", "--inference_ckpt_path", "c.pt"],
      ...["--video_path=in_put.mp4", "--audio_path", "my_voice.wav", "--video_out_path", "o.mp4"],
      ...[
        "--inference_steps",
        "20",
        "--guidance_scale",
        "1.5",
        "--enable_deepcache",
        "--seed",
        "7",
      ],
    ];
    expect(translateOfficialFlags(official)).toEqual([
      ...["infer", "--unet-config", "a_b.yaml", "--unet-checkpoint", "c.pt"],
      ...["--video=in_put.mp4", "--audio", "my_voice.wav", "--out", "o.mp4"],
      ...[
        "--inference-steps",
        "20",
        "--guidance-scale",
        "1.5",
        "--enable-deepcache",
        "--seed",
        "7",
      ],
    ]);
  });
});

describe("figures", () => {
  it.each([
    [0, "0:00"],
    [59.6, "1:00"],
    [75, "1:15"],
    [3725, "1:02:05"],
    [36_000, "10:00:00"],
  ])("%d s is %s", (seconds, expected) => {
    expect(formatDuration(seconds)).toBe(expected);
  });

  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1536, "1.5 KiB"],
    [5 * 1024 ** 3, "5.0 GiB"],
  ])("%d bytes are %s", (bytes, expected) => {
    expect(formatBytes(bytes)).toBe(expected);
  });
});

describe("errors", () => {
  const error = new LatentSyncError("not_found", "a.mp4 does\nnot exist.", { hint: "Check it." });

  it("are one line and what to do, without a stack or colours where nobody looks", () => {
    expect(formatError(error, fakeTerminal(), false)).toBe(
      "error: a.mp4 does not exist.\nCheck it.",
    );
  });

  it("keep the lines of a list", () => {
    const listed = new LatentSyncError(
      "invalid_model",
      "x.pt is\nwrong.\n  missing: a\n  extra: b",
    );
    expect(formatError(listed, fakeTerminal(), false)).toBe(
      "error: x.pt is wrong.\n  missing: a\n  extra: b",
    );
    expect(describeError(listed).message).toBe("x.pt is wrong. missing: a extra: b");
  });

  it("show the stack and the cause when asked to", () => {
    const wrapped = new LatentSyncError("io", "outer", { cause: error });
    const shown = formatError(wrapped, fakeTerminal(), true);
    expect(shown).toContain("terminal.test.ts");
    expect(shown).toContain("caused by: LatentSyncError");
  });

  it("of the system are no fault of the program", () => {
    const refused = Object.assign(new Error("EACCES: permission denied"), { syscall: "open" });
    const { code, hint } = describeError(refused);
    expect(code).toBe("io");
    expect(hint).toMatch(/path/);
  });

  it("of an unknown kind ask for a report", () => {
    expect(formatError(new TypeError("x is y"), fakeTerminal(), false)).toMatch(/report/);
  });
});

const EVENTS: readonly LipSyncEvent[] = [
  { type: "stage", stage: "speech", elapsedSeconds: 0, remainingSeconds: undefined },
  { type: "stage", stage: "frames", elapsedSeconds: 1, remainingSeconds: undefined },
  {
    ...{ type: "step", chunk: 0, chunks: 2, step: 5, steps: 10 },
    ...{ elapsedSeconds: 12, remainingSeconds: 33 },
  },
  {
    ...{ type: "frames", frames: 16, totalFrames: 32 },
    ...{ elapsedSeconds: 23, remainingSeconds: 20 },
  },
];

const never = new AbortController().signal;

describe("progress", () => {
  it("is a line now and then where nobody watches", async () => {
    const terminal = fakeTerminal();
    const progress = createProgress({ terminal, json: false, signal: never });
    for (const event of EVENTS) progress.report(event);
    progress[Symbol.dispose]();
    terminal.stderr.end();
    expect((await text(terminal.stderr)).trimEnd().split("\n")).toEqual([
      "Analysing the speech",
      "Making frames",
      "25 %, frame 0, 0:33 left",
      "25 %, frame 16/32, 0.7 fps, 0:20 left",
    ]);
  });

  it("is one JSON event per line for programs", async () => {
    const terminal = fakeTerminal();
    const progress = createProgress({ terminal, json: true, signal: never });
    for (const event of EVENTS) progress.report(event);
    terminal.stdout.end();
    const lines = (await text(terminal.stdout)).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
      EVENTS.map((event) => JSON.parse(JSON.stringify(event)) as unknown),
    );
  });

  it("tells of notices and conversions, each network once", async () => {
    const terminal = fakeTerminal();
    const progress = createProgress({ terminal, json: false, signal: never });
    progress.report({ type: "notice", message: "seed 7" });
    progress.report({ type: "graph", network: "unet", bytesDone: 1, bytesTotal: 4 });
    progress.report({ type: "graph", network: "unet", bytesDone: 2, bytesTotal: 4 });
    terminal.stderr.end();
    expect(await text(terminal.stderr)).toBe("seed 7\nConverting unet, once for this model\n");
  });

  async function shown(columns: number, signal: AbortSignal, stop?: () => void): Promise<string> {
    const terminal = fakeTerminal();
    const stderr = Object.assign(terminal.stderr, { isTTY: true, columns, rows: 24 });
    {
      using progress = createProgress({ terminal: { ...terminal, stderr }, json: false, signal });
      progress.report({ type: "notice", message: "seed 7" });
      progress.report({ type: "graph", network: "unet", bytesDone: 1, bytesTotal: 4 });
      for (const event of EVENTS) progress.report(event);
      stop?.();
    }
    stderr.end();
    return stripVTControlCharacters(await text(stderr));
  }

  it("is a bar on a terminal, whose parts differ without colours, too", async () => {
    const output = await shown(80, never);
    expect(output).toContain("Opening the model");
    expect(output).toContain("seed 7\n");
    expect(output).toContain("Converting unet, once for this model: 25 %");
    expect(output).toContain("━━━━━━────────────────── 25 %, frame 0, 0:33 left");
  });

  it("gives the bar up before the figures where the terminal is narrow", async () => {
    const output = await shown(40, never);
    expect(output).toContain("━━━━────────── 25 %, frame 0, 0:33 left");
    expect(output).toContain("25 %, frame 16/32, 0.7 fps, 0:20 left");
    expect(output).not.toMatch(/[━─] 25 %, frame 16/);
  });

  it("says that it is stopping", async () => {
    const controller = new AbortController();
    expect(await shown(80, controller.signal, () => controller.abort())).toContain("Stopping;");
  });
});
