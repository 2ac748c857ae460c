/** The request's schema as command-line options, so that both say and check the same. */
import { LatentSyncError } from "@ls/core";
import { z } from "zod";
import { type JobRequest, jobRequestSchema } from "./job-request.ts";

/** An option of a command that creates jobs. */
export interface JobOption {
  /** Name of the request's field, such as `video_in`. */
  readonly field: string;
  /** Such as `--video-in`. */
  readonly flag: string;
  readonly description: string;
  readonly isRequired: boolean;
}

/** What is needed of the JSON Schema that zod writes. */
interface FieldSchema {
  readonly type?: string;
  readonly anyOf?: readonly FieldSchema[];
  readonly description?: string;
  readonly default?: unknown;
}

interface ObjectSchema {
  readonly properties: Readonly<Record<string, FieldSchema>>;
  readonly required?: readonly string[];
}

/** One option for each field of a request. */
export function describeJobOptions(): readonly JobOption[] {
  const { properties, required = [] } = fieldsOf();
  return Object.entries(properties).map(([field, { description = "", default: preset }]) => ({
    field,
    flag: `--${field.replaceAll("_", "-")}`,
    description:
      preset === undefined ? description : `${description} Default: ${JSON.stringify(preset)}.`,
    isRequired: required.includes(field),
  }));
}

/**
 * A request of texts, by field. Numbers are read as such, and `x,y` as a point.
 * @throws LatentSyncError `invalid_argument` that names every option that is wrong.
 */
export function readJobOptions(texts: Readonly<Record<string, string | undefined>>): JobRequest {
  const { properties } = fieldsOf();
  const values = Object.entries(texts).flatMap(([field, text]) =>
    text === undefined ? [] : [[field, valueOf(text, properties[field] ?? {})] as const],
  );
  const result = jobRequestSchema.safeParse(Object.fromEntries(values));
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    ({ path, message }) => `--${String(path[0] ?? "").replaceAll("_", "-")}: ${message}`,
  );
  throw new LatentSyncError("invalid_argument", `The job cannot be made: ${problems.join("; ")}.`, {
    hint: "Run with --help to see what is allowed.",
  });
}

function fieldsOf(): ObjectSchema {
  const { $defs } = z.toJSONSchema(jobRequestSchema, { io: "input" });
  return $defs?.["JobRequest"] as unknown as ObjectSchema;
}

function valueOf(text: string, { type, anyOf = [] }: FieldSchema): unknown {
  const types = new Set([type, ...anyOf.map((schema) => schema.type)]);
  if (types.has("number") || types.has("integer")) {
    const value = Number(text);
    return text.trim() === "" || Number.isNaN(value) ? text : value;
  }
  if (type !== "object") return text;
  const [x, y, ...more] = text.split(",").map(Number);
  return more.length > 0 ? text : { x, y };
}
