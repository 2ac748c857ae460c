/** What a client asks for: the one schema of HTTP, command line and types. Wire names are the contract's. */
import {
  FACE_CHOICES,
  LOOP_MODES,
  type LoopMode,
  QUALITIES,
  QUALITY_PRESETS,
  type Quality,
  type SchedulerName,
  SCHEDULERS,
  SILENCE_MODES,
  type SilenceMode,
} from "@ls/core";
import { z } from "zod";

/** A request with its defaults filled in. */
export interface JobRequest {
  /** Video with a face: an http(s), gs, s3 or file URL, or `upload:ID`. */
  readonly video_in: string;
  /** Speech: sound, or a video whose sound is used; URL as for `video_in`. */
  readonly audio_in: string;
  /** Where the result is PUT as video/mp4; URL as for `video_in`, or `upload:` for the server's own. */
  readonly out: string;
  /** How strongly the speech moves the mouth, 1 to 3. Default 2. */
  readonly guidance_scale: number;
  /** Denoising steps, 1 to 50. Default 20. */
  readonly inference_steps: number;
  /**
   * A preset of work against likeness to the official result; it brings its own steps and guidance
   * where the request names none. Default `exact`.
   */
  readonly quality?: Quality | undefined;
  /** Sampler, in place of the preset's. */
  readonly scheduler?: SchedulerName | undefined;
  /** Seed of the noise, 0 to 2^32 - 1. Default 1247. */
  readonly seed?: number | undefined;
  /**
   * Whose mouth is made to speak, of several: by a word, or by the person's number as
   * `latentsync-ts faces` counts. Default `speaker`: who speaks in the source, or else the largest.
   */
  readonly face?: (typeof FACE_CHOICES)[number] | number | undefined;
  /**
   * In place of `face`: the face nearest to this point of the first frame that shows faces, from
   * (0, 0) left top to (1, 1).
   */
  readonly face_at?: { readonly x: number; readonly y: number } | undefined;
  /** Default 25; `source` keeps every frame of the source at its time. */
  readonly fps?: 25 | "source" | undefined;
  /** What happens when speech and video are not equally long. Default `pingpong`. */
  readonly loop?: LoopMode | undefined;
  /** What the mouth does where nobody speaks. Default `rest`. */
  readonly silence?: SilenceMode | undefined;
  /** Where in the video to begin, in seconds; the speech begins with it. Default 0. */
  readonly start?: number | undefined;
  /** Where in the video to end, in seconds, after `start`. */
  readonly end?: number | undefined;
  /** 0 to 9; jobs of a higher priority start before others. Default 0. */
  readonly priority: number;
  /** The job fails with the code `timeout` if it is not done so long after its creation. */
  readonly deadline_seconds?: number | undefined;
  /** http(s) URL that is told of the end, signed after Standard Webhooks. */
  readonly webhook?: string | undefined;
}

/** What of a request makes the result what it is, but for the inputs. */
export type JobParameters = Pick<
  JobRequest,
  | "guidance_scale"
  | "inference_steps"
  | "quality"
  | "scheduler"
  | "seed"
  | "face"
  | "face_at"
  | "fps"
  | "loop"
  | "silence"
  | "start"
  | "end"
>;

/** Longest URL that is accepted, in characters. */
const MAX_URL_LENGTH = 4096;
const MAX_DEADLINE_SECONDS = 7 * 24 * 3600;
/** People in a video. */
const MAX_NUMBER = 999_999;

const url = z.string().min(1).max(MAX_URL_LENGTH);
const fraction = z.number().min(0).max(1);
const seconds = z.number().min(0);

const parameters = {
  guidance_scale: z
    .number()
    .min(1)
    .max(3)
    .default(2)
    .describe("How strongly the speech moves the mouth."),
  inference_steps: z.int().min(1).max(50).default(20).describe("Denoising steps."),
  quality: z
    .enum(QUALITIES)
    .optional()
    .describe(
      "Work against likeness to the official result; brings its own steps and guidance where none are given. Default: exact.",
    ),
  scheduler: z.enum(SCHEDULERS).optional().describe("Sampler, in place of the preset's."),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .optional()
    .describe("Seed of the noise. Default 1247."),
  face: z
    .union([z.enum(FACE_CHOICES), z.int().min(1).max(MAX_NUMBER)])
    .optional()
    .describe(
      "Whose mouth, of several: a word, or the person's number as `latentsync-ts faces` counts. Default: speaker, who speaks in the source, or else the largest.",
    ),
  face_at: z
    .strictObject({ x: fraction, y: fraction })
    .optional()
    .describe(
      "In place of face: the face nearest to this point of the first frame that shows faces, from (0, 0) left top to (1, 1).",
    ),
  fps: z
    .union([z.literal(25), z.literal("source")])
    .optional()
    .describe("25, or source: every frame of the source at its own time. Default: 25."),
  loop: z
    .enum(LOOP_MODES)
    .optional()
    .describe(
      "When the speech outlasts the video: play it back and forth, again, hold its last picture, or end with it; silence plays a video that outlasts the speech to its end. Default: pingpong.",
    ),
  silence: z
    .enum(SILENCE_MODES)
    .optional()
    .describe(
      "The mouth where nobody speaks: at rest, moved by whatever sounds, or the source's own. Default: rest.",
    ),
  start: seconds
    .optional()
    .describe("Where in the video to begin, in seconds; the speech begins with it. Default: 0."),
  end: seconds
    .optional()
    .describe("Where in the video to end, in seconds, after start. Default: where it ends."),
};

const fieldsSchema = z
  .strictObject({
    video_in: url.describe("Video with a face: an http(s), gs, s3 or file URL, or upload:ID."),
    audio_in: url.describe("Speech: sound, or a video whose sound is used; URL as for video_in."),
    out: url.describe(
      "Where the result is PUT as video/mp4; URL as for video_in, or upload: for the server's own storage.",
    ),
    ...parameters,
    priority: z
      .int()
      .min(0)
      .max(9)
      .default(0)
      .describe("Jobs of a higher priority start before others."),
    deadline_seconds: z
      .int()
      .min(1)
      .max(MAX_DEADLINE_SECONDS)
      .optional()
      .describe("The job fails with code timeout if it is not done so long after its creation."),
    webhook: url
      .optional()
      .describe("http(s) URL that is told of the end, signed after Standard Webhooks."),
  })
  .refine(({ face, face_at }) => face === undefined || face_at === undefined, {
    path: ["face"],
    error: "Cannot be given together with face_at",
  })
  .refine(({ start = 0, end }) => end === undefined || end > start, {
    path: ["end"],
    error: "Must be later than start",
  })
  .meta({ id: "JobRequest" });

/** The parameters of a request that was accepted. */
export const jobParametersSchema: z.ZodType<JobParameters> = z.object(parameters);

/** Body of `POST /jobs`. Unknown fields are refused, so that a misspelt one is noticed. */
export const jobRequestSchema: z.ZodType<JobRequest> = z.preprocess(withPreset, fieldsSchema);

/** The preset's steps and guidance where the body names none: its own defaults would hide them. */
function withPreset(body: unknown): unknown {
  if (typeof body !== "object" || body === null || !("quality" in body)) return body;
  const quality = QUALITIES.find((name) => name === body.quality);
  if (quality === undefined || quality === "exact") return body;
  const { inferenceSteps, guidanceScale } = QUALITY_PRESETS[quality];
  return {
    ...(inferenceSteps === undefined ? {} : { inference_steps: inferenceSteps }),
    ...(guidanceScale === undefined ? {} : { guidance_scale: guidanceScale }),
    ...body,
  };
}
