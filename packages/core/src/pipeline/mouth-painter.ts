/** Puts new mouths into frames. */
import { keepSurroundings, normalizePixels } from "../diffusion/chunk.ts";
import { ColourMatcher } from "../diffusion/colour-match.ts";
import type { FaceAligner } from "../face.ts";
import { type ImagePatch, overlayPatch } from "../image.ts";
import type { OcclusionDetector } from "../occlusion.ts";
import type { Tracer } from "../trace.ts";
import type { FaceChunk } from "./face-chunks.ts";
import type { PreparedFace, PreparedFrame } from "./prepare.ts";
import { traced, tracedSync } from "./tracing.ts";

/** What covers faces: `[R, R]` float32 each, 0 free to 1 covered; a face that is free is not in it. */
export type FaceCovers = ReadonlyMap<PreparedFace, Float32Array>;

export interface MouthPainterOptions {
  readonly aligner: FaceAligner;
  /** Without it nothing is taken to be in front of a face. */
  readonly occlusion: OcclusionDetector | undefined;
  /** Whether the new mouth's colour is fitted to the frame's around it. */
  readonly matchColour: boolean;
  readonly tracer: Tracer | undefined;
  readonly signal: AbortSignal;
}

export class MouthPainter {
  readonly #options: MouthPainterOptions;
  readonly #colours: ColourMatcher | undefined;
  /** Faces that several pictures show are matched once. */
  readonly #matched = new WeakSet<Float32Array>();

  constructor(options: MouthPainterOptions) {
    this.#options = options;
    this.#colours = options.matchColour ? new ColourMatcher(options.aligner.mask) : undefined;
  }

  /** What lies in front of the faces of chunks. */
  async covers(chunks: readonly FaceChunk[]): Promise<FaceCovers> {
    const { occlusion, aligner, tracer, signal } = this.#options;
    const covers = new Map<PreparedFace, Float32Array>();
    if (occlusion === undefined) return covers;
    for (const { shown, index: chunk } of chunks) {
      const faces = [...shown.keys()];
      const span = { track: "occlusion", name: "occlusion", details: { chunk } };
      const found = await traced(tracer, span, () =>
        occlusion.detect(
          faces.map(({ pixels }) => pixels),
          aligner.resolution,
          { signal },
        ),
      );
      for (const [position, face] of faces.entries()) {
        const cover = found[position];
        if (cover !== undefined) covers.set(face, cover);
      }
    }
    return covers;
  }

  /**
   * The changed parts of a frame, later ones over earlier ones.
   * @param generated of each face, `[3, R, R]` float32 as decoded; faces without one stay as they are.
   */
  async paint(
    { frame, faces, strength }: PreparedFrame,
    generated: (face: PreparedFace) => Float32Array | undefined,
    covers: FaceCovers,
  ): Promise<readonly ImagePatch[]> {
    const { aligner, tracer, signal } = this.#options;
    const patches: ImagePatch[] = [];
    const details = { frame: frame.index };
    for (const face of faces) {
      const decoded = generated(face);
      if (decoded === undefined) continue;
      const painted = tracedSync(tracer, { track: "pixels", name: "compose", details }, () =>
        this.#compose(decoded, face, { strength, cover: covers.get(face) }),
      );
      // Faces close to one another share pixels.
      const background = patches.reduce(overlayPatch, face.background);
      const patch = await traced(tracer, { track: "restore", name: "restore", details }, () =>
        aligner.restore(painted, { ...face, background }, { signal }),
      );
      patches.push(patch);
    }
    return patches;
  }

  /** The generated part of the square, within its own surroundings. */
  #compose(
    decoded: Float32Array,
    { pixels: source }: PreparedFace,
    shown: { readonly strength: number; readonly cover: Float32Array | undefined },
  ): Float32Array {
    const { mask } = this.#options.aligner;
    if (this.#colours !== undefined && !this.#matched.has(decoded)) {
      this.#colours.match(decoded, source);
      this.#matched.add(decoded);
    }
    const pixels = normalizePixels([source]);
    const face = keepSurroundings(decoded, pixels, mask);
    return shown.strength === 1 && shown.cover === undefined ? face : fade(face, pixels, shown);
  }
}

/** `pixels` where the face is covered, and less of the face where it fades; in place. */
function fade(
  face: Float32Array,
  pixels: Float32Array,
  { strength, cover }: { readonly strength: number; readonly cover: Float32Array | undefined },
): Float32Array {
  const plane = face.length / 3;
  for (let index = 0; index < face.length; index++) {
    const free = cover === undefined ? 1 : 1 - (cover[index % plane] as number);
    const kept = pixels[index] as number;
    face[index] = kept + strength * free * ((face[index] as number) - kept);
  }
  return face;
}
