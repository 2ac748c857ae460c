/** The options that say what to make of the footage: its length, its rate, and what is kept of it. */
import {
  type FootageOptions,
  LOOP_MODES,
  type LoopMode,
  SILENCE_MODES,
  type SilenceMode,
} from "@ls/core";
import { type Command, Option } from "commander";

/** What commander makes of {@link addFootageOptions}. */
export interface FootageFlags {
  readonly loop: LoopMode;
  readonly silence: SilenceMode;
  readonly fps: "25" | "source";
  readonly occlusion: boolean;
  readonly colourMatch: boolean;
  readonly compat?: boolean;
}

export function addFootageOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--loop <mode>",
        "when the speech outlasts the video: play it back and forth, again, hold its last picture, or end with it; silence plays a video that outlasts the speech to its end",
      )
        .choices(LOOP_MODES)
        .default("pingpong"),
    )
    .addOption(
      new Option(
        "--silence <mode>",
        "the mouth where nobody speaks: at rest, moved by whatever sounds, or the source's own",
      )
        .choices(SILENCE_MODES)
        .default("rest"),
    )
    .addOption(
      new Option("--fps <rate>", "25, or source: every frame of the source at its own time")
        .choices(["25", "source"])
        .default("25"),
    )
    .option("--no-occlusion", "do not look for hands and things in front of the face")
    .option("--no-colour-match", "leave the new mouth's colour as the model made it");
}

/** The part of a request that the options say; `--compat` is the official pipeline's behaviour. */
export function footageOf(flags: FootageFlags): FootageOptions {
  const { loop, silence, fps, occlusion, colourMatch, compat } = flags;
  const rate = fps === "source" ? "source" : 25;
  if (compat !== true) {
    const switches = { keepOcclusions: occlusion, matchColour: colourMatch };
    return { loop, silence, framesPerSecond: rate, ...switches };
  }
  return {
    loop,
    silence: "keep",
    framesPerSecond: rate,
    followFaces: false,
    framesWithoutFace: "fail",
    keepOcclusions: false,
    matchColour: false,
  };
}
