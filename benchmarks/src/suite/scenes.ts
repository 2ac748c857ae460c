/** What the clips of an evaluation set show. */
import { pastePatch, type RgbImage } from "@ls/core";
import { type Articulation, createPerson, renderTalkingHead } from "@ls/synthetic";
import { FRAMES_PER_SECOND } from "../clip.ts";

interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Scene {
  readonly size: Size;
  /** Whether a face is in the picture at this position of the source. */
  hasFace(sourceFrame: number): boolean;
  /** The picture at this position of the source, with the speaker's mouth as given. */
  draw(sourceFrame: number, mouth: Articulation): Promise<RgbImage>;
}

/** One person, who fills the frame as on a video call. */
export function personScene(seed: number, size: Size): Scene {
  const person = createPerson(seed);
  return {
    size,
    hasFace: () => true,
    draw: (frame, mouth) =>
      renderTalkingHead({ ...size, person, articulationAt: () => mouth }, frame),
  };
}

/** Three fifths of the frame for the speaker; the rest for a smaller person, whose mouth moves on its own. */
export function twoPeopleScene(speakerSeed: number, otherSeed: number, size: Size): Scene {
  const width = Math.floor((size.width * 3) / 5);
  const speaker = personScene(speakerSeed, { ...size, width });
  const other = personScene(otherSeed, { ...size, width: size.width - width });
  return {
    size,
    hasFace: () => true,
    async draw(frame, mouth) {
      const image = emptyPicture(size);
      pastePatch(image, { ...(await speaker.draw(frame, mouth)), x: 0, y: 0 });
      pastePatch(image, { ...(await other.draw(frame, chewing(frame))), x: width, y: 0 });
      return image;
    },
  };
}

/** A mouth that opens and closes twice a second. */
function chewing(frame: number): Articulation {
  const opening = 0.3 + 0.3 * Math.sin((4 * Math.PI * frame) / FRAMES_PER_SECOND);
  return { opening, spread: 0, teeth: 0.3, tongue: 0 };
}

/** The scene, but nobody in it for some frames: `from` up to, not including, `to`. */
export function withoutFace(scene: Scene, { from, to }: { from: number; to: number }): Scene {
  const isAway = (frame: number): boolean => frame >= from && frame < to;
  return {
    size: scene.size,
    hasFace: (frame) => !isAway(frame) && scene.hasFace(frame),
    draw: (frame, mouth) =>
      isAway(frame) ? Promise.resolve(emptyPicture(scene.size)) : scene.draw(frame, mouth),
  };
}

/** Nobody, ever. */
export function emptyScene(size: Size): Scene {
  return { size, hasFace: () => false, draw: () => Promise.resolve(emptyPicture(size)) };
}

/** A wall that is lighter at its top left. */
function emptyPicture({ width, height }: Size): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const level = 190 - Math.floor((40 * x) / width) - Math.floor((60 * y) / height);
      data.set([level, level, level + 10], (y * width + x) * 3);
    }
  }
  return { width, height, data };
}
