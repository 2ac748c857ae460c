/** What a request says of its result: for answers, for manifests, and for the engine. */
import type { JobFootage } from "../work/engine.ts";
import type { JobParameters, JobRequest } from "./job-request.ts";
import type { JobManifest } from "./job.ts";

/** The request's parameters, without what it does not name. */
export function parametersOf(request: JobRequest): JobParameters {
  const { guidance_scale, inference_steps, quality, scheduler, seed } = request;
  const { face, face_at, fps, loop, silence, start, end } = request;
  const optional = { quality, scheduler, seed, face, face_at, fps, loop, silence, start, end };
  const named = Object.entries(optional).filter(([, value]) => value !== undefined);
  return { guidance_scale, inference_steps, ...Object.fromEntries(named) };
}

/** The same for a manifest, with the seed that was taken. */
export function settingsOf(request: JobRequest, seed: number): JobManifest["settings"] {
  const { face_at, ...parameters } = parametersOf(request);
  const place = face_at && { face_at_x: face_at.x, face_at_y: face_at.y };
  const settings = { ...parameters, seed, ...place };
  return settings as { readonly [name in keyof typeof settings]: string | number };
}

export function footageOf(request: JobRequest): JobFootage {
  const { face, face_at, fps, loop, silence, start, end } = request;
  return {
    ...(face === undefined
      ? {}
      : { face: typeof face === "number" ? { kind: "number", number: face } : { kind: face } }),
    ...(face_at === undefined ? {} : { face: { kind: "at", ...face_at, timeSeconds: 0 } }),
    ...(fps === undefined ? {} : { framesPerSecond: fps }),
    ...(loop === undefined ? {} : { loop }),
    ...(silence === undefined ? {} : { silence }),
    ...(start === undefined ? {} : { startSeconds: start }),
    ...(end === undefined ? {} : { endSeconds: end }),
  };
}
