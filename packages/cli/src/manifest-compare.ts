/** What is not as it was when a manifest was written. */
import { LatentSyncError } from "@ls/core";
import { describeInputs } from "./manifest-inputs.ts";
import type { RunDescription, RunManifest } from "./manifest.ts";
import type { OptionRecord } from "./option-record.ts";

export interface Difference {
  readonly what: string;
  readonly before: string;
  readonly now: string;
}

const ABSENT = "absent";

/** Input files whose content is another one, or that are not there. */
export async function compareInputs(
  manifest: RunManifest,
  options: OptionRecord,
  signal: AbortSignal,
): Promise<readonly Difference[]> {
  const inputs = await describeInputs(options, signal).catch((error: unknown) => {
    if (LatentSyncError.is(error)) {
      throw new LatentSyncError(error.code, error.message, {
        cause: error,
        hint: "Say where it lies now with --video or --audio.",
      });
    }
    throw error;
  });
  return Object.entries(manifest.inputs).flatMap(([what, then]) => {
    const now = inputs[what];
    if (now?.sha256 === then.sha256) return [];
    return [
      {
        what: `${what} ${now?.path ?? then.path}`,
        before: then.sha256,
        now: now?.sha256 ?? ABSENT,
      },
    ];
  });
}

/** What may make other bytes: versions, platform, hardware, runtime. */
export function compareRuns(then: RunDescription, now: RunDescription): readonly Difference[] {
  const old = factsOf(then);
  const current = factsOf(now);
  const names = new Set([...Object.keys(old), ...Object.keys(current)]);
  return [...names].flatMap((what) => {
    const [before = ABSENT, after = ABSENT] = [old[what], current[what]];
    return before === after ? [] : [{ what, before, now: after }];
  });
}

function factsOf({
  software,
  libraries,
  platform,
  runtime,
}: RunDescription): Record<string, string> {
  return {
    [software.name]: software.version,
    ...libraries,
    platform,
    runtime: runtime.name,
    hardware: runtime.hardware,
    precision: runtime.precision,
    threads: String(runtime.threads),
  };
}
