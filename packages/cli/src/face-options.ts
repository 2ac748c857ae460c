/** The options that say whose mouth is made to speak. */
import { FACE_CHOICES, type FaceSelection } from "@ls/core";
import { type Command, InvalidArgumentError, Option } from "commander";
import { position } from "./options.ts";
import { seconds } from "./time-options.ts";

/** A face as the command line names it: a picture of a person is a path yet. */
type NamedFace = FaceSelection | { readonly kind: "picture"; readonly path: string };

/** What commander makes of {@link addFaceOptions}. */
export interface FaceFlags {
  readonly face?: NamedFace;
  readonly faceAt?: FaceSelection & { readonly kind: "at" };
}

export function addFaceOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--face <which>",
        "of several: speaker, largest, left, right, center, all, a number of `latentsync-ts faces`, or a picture of the person (default: speaker, who speaks in the source, or else the largest)",
      ).argParser(namedFace),
    )
    .addOption(
      new Option(
        "--face-at <x,y@t>",
        "the face nearest to this point, such as 0.3,0.5 or 30%,50%, at this time (default: 0), such as 12.5 or 01:02:03",
      )
        .argParser(pointedFace)
        .conflicts("face"),
    );
}

/** `speaker`, `2` or `person.jpg`. */
function namedFace(text: string): NamedFace {
  const kind = FACE_CHOICES.find((name) => name === text);
  if (kind !== undefined) return { kind };
  if (/^[1-9]\d{0,5}$/.test(text)) return { kind: "number", number: Number(text) };
  if (/[/\\]|\.[a-z]{3,4}$/i.test(text)) return { kind: "picture", path: text };
  throw new InvalidArgumentError(
    `Expected ${FACE_CHOICES.join(", ")}, a number from 1 on, or the path of a picture.`,
  );
}

/** `0.3,0.5` or `30%,50%@01:15`. */
function pointedFace(text: string): FaceSelection & { readonly kind: "at" } {
  const [place = "", time = "0", ...more] = text.split("@");
  if (more.length > 0) throw new InvalidArgumentError("Expected x,y or x,y@time.");
  return { kind: "at", ...position(place), timeSeconds: seconds(time) };
}

/**
 * The face of a request; `undefined` if none was named.
 * @param appearanceOf tells what the person of a picture looks like, as the run's detector sees it.
 */
export async function faceSelectionOf(
  { face, faceAt }: FaceFlags,
  appearanceOf: (path: string) => Promise<Float32Array>,
): Promise<FaceSelection | undefined> {
  if (face?.kind !== "picture") return face ?? faceAt;
  return { kind: "like", appearance: await appearanceOf(face.path) };
}
