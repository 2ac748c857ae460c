/** The face detectors of an engine: which of them a run needs depends on what it asks for. */
import { type FaceDetector, type FaceSelection, LatentSyncError, type Runtime } from "@ls/core";
import {
  createInsightFaceDetector,
  createLandmarkFileDetector,
  createMediaPipeDetector,
  OFFICIAL_FACE_LIMITS,
} from "@ls/video";

interface FaceDetectorsOptions {
  readonly faceDetector?: "mediapipe" | "insightface" | undefined;
  readonly faceModel?: string | undefined;
  readonly thoroughFaces?: boolean | undefined;
  readonly landmarks?: string | undefined;
  readonly compat?: boolean | undefined;
  /** Aborts the opening of the first detector. */
  readonly signal?: AbortSignal | undefined;
}

/** What of a request decides about its detector. */
interface DetectorNeeds {
  readonly face?: FaceSelection;
  /** In place of the engine's. */
  readonly landmarks?: string | undefined;
}

/** The detector of one run. */
interface RunDetector extends AsyncDisposable {
  readonly detector: FaceDetector;
}

export class FaceDetectors implements AsyncDisposable {
  /** The one that was opened with the engine. */
  readonly first: FaceDetector;
  readonly #options: FaceDetectorsOptions;
  /** MediaPipe by whether it is thorough: started when a run first needs it, and kept. */
  readonly #mediaPipe = new Map<boolean, Promise<FaceDetector>>();
  #disposed = false;

  private constructor(options: FaceDetectorsOptions, first: FaceDetector) {
    this.#options = options;
    this.first = first;
    if (this.#hasChoice) {
      this.#mediaPipe.set(options.thoroughFaces ?? false, Promise.resolve(first));
    }
  }

  /** @throws LatentSyncError as the detectors, and `invalid_argument` for InsightFace without its networks. */
  static async open(options: FaceDetectorsOptions, runtime: Runtime): Promise<FaceDetectors> {
    return new FaceDetectors(options, await openFirst(options, runtime));
  }

  /** To be disposed after the run. @throws LatentSyncError as the detectors. */
  async for({ face, landmarks }: DetectorNeeds): Promise<RunDetector> {
    if (this.#disposed) throw new LatentSyncError("disposed", "The engine is disposed.");
    if (landmarks !== undefined && landmarks !== this.#options.landmarks) {
      const detector = await createLandmarkFileDetector(landmarks);
      return { detector, [Symbol.asyncDispose]: () => detector[Symbol.asyncDispose]() };
    }
    const detector = this.#hasChoice ? await this.#mediaPipeOf(choosesAmong(face)) : this.first;
    return { detector, [Symbol.asyncDispose]: async () => undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const others = await Promise.allSettled(this.#mediaPipe.values());
    const opened = others.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    await Promise.all(
      [...new Set([this.first, ...opened])].map((one) => one[Symbol.asyncDispose]()),
    );
  }

  /** Whether a run's detector depends on its request: not where the official pipeline is followed. */
  get #hasChoice(): boolean {
    const { landmarks, faceDetector, compat } = this.#options;
    return landmarks === undefined && faceDetector !== "insightface" && compat !== true;
  }

  /** Runs that need it at the same time share one start; after a failure the next run tries again. */
  #mediaPipeOf(thorough: boolean): Promise<FaceDetector> {
    const known = this.#mediaPipe.get(thorough);
    if (known !== undefined) return known;
    const opening: Promise<FaceDetector> = createMediaPipeDetector({ thorough });
    this.#mediaPipe.set(thorough, opening);
    opening.catch(() => this.#mediaPipe.delete(thorough));
    return opening;
  }
}

/** Whether it matters that every face is found. */
export function choosesAmong(face: FaceSelection | undefined): boolean {
  return face !== undefined && face.kind !== "speaker" && face.kind !== "largest";
}

async function openFirst(options: FaceDetectorsOptions, runtime: Runtime): Promise<FaceDetector> {
  const { landmarks, faceDetector, faceModel, thoroughFaces, compat } = options;
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  if (landmarks !== undefined) return createLandmarkFileDetector(landmarks, signal);
  if (faceDetector !== "insightface") {
    const limits = { ...OFFICIAL_FACE_LIMITS, maxFaces: 5 };
    const official = { limits, measureAppearance: false };
    const own = { thorough: thoroughFaces ?? false };
    return createMediaPipeDetector({ ...signal, ...(compat === true ? official : own) });
  }
  if (faceModel === undefined) {
    throw new LatentSyncError("invalid_argument", "InsightFace needs its networks' folder.", {
      hint: "Give the folder of det_10g.onnx and 2d106det.onnx with --face-model.",
    });
  }
  return createInsightFaceDetector({ runtime, modelFolder: faceModel, ...signal });
}
