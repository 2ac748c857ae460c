/** Reading request bodies within limits of size, time and depth. */
import type { z } from "zod";
import { ProblemError } from "./problem.ts";
import type { HttpLimits } from "./services.ts";

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json$/;

/**
 * A JSON body that fits a schema. Reads no further than the limit, however long the body is.
 * @throws ProblemError 400, 408, 413, 415, 422.
 */
export async function readJson<T>(options: {
  readonly request: Request;
  readonly schema: z.ZodType<T>;
  readonly limits: HttpLimits;
}): Promise<T> {
  const { request, schema, limits } = options;
  requireJsonType(request);
  const bytes = await readAll(request, limits);
  const value = parseJson(bytes, limits.maxJsonDepth);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.slice(0, 20).map(({ path, message }) => ({
    path: path.map((key) => `/${String(key)}`).join(""),
    message,
  }));
  throw new ProblemError({
    code: "invalid_argument",
    message: `The body does not fit: ${errors.map(({ path, message }) => `${path || "body"}: ${message}`).join("; ")}.`,
    hint: "Correct the fields named in errors; /openapi.json holds the schema.",
    members: { errors },
  });
}

function requireJsonType(request: Request): void {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (JSON_TYPE.test(type)) return;
  throw new ProblemError({
    code: "invalid_argument",
    status: 415,
    message: `The body must be application/json, not ${type === "" ? "without a content type" : JSON.stringify(type)}.`,
    hint: "Send the header Content-Type: application/json.",
  });
}

async function readAll(request: Request, limits: HttpLimits): Promise<Uint8Array> {
  const tooLarge = () =>
    new ProblemError({
      code: "too_large",
      message: `The body is larger than ${limits.maxJsonBytes} bytes.`,
      headers: { connection: "close" },
    });
  if (Number(request.headers.get("content-length") ?? 0) > limits.maxJsonBytes) throw tooLarge();
  const parts: Uint8Array[] = [];
  let size = 0;
  const timed = timedBody(request, { totalMs: limits.bodyTimeoutMs, idleMs: limits.bodyTimeoutMs });
  for await (const part of timed) {
    size += part.byteLength;
    if (size > limits.maxJsonBytes) throw tooLarge();
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/**
 * The parts of a body as they come.
 * @throws ProblemError 408 if one takes longer than `idleMs`, or all longer than `totalMs`; 400 if
 * the client breaks off.
 */
export async function* timedBody(
  request: Request,
  timeouts: { readonly idleMs: number; readonly totalMs: number },
): AsyncGenerator<Uint8Array, void> {
  if (!request.body) return;
  const reader: ReadableStreamDefaultReader<Uint8Array> = request.body.getReader();
  const endsAt = Date.now() + timeouts.totalMs;
  try {
    for (;;) {
      const waitMs = Math.max(0, Math.min(timeouts.idleMs, endsAt - Date.now()));
      const part = await withinTime(reader.read(), waitMs);
      if (part.done) return;
      yield part.value;
    }
  } finally {
    // The client may have gone, or go on sending for ever: nobody waits for either.
    reader.cancel().catch(() => undefined);
  }
}

async function withinTime<T>(read: Promise<T>, waitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooSlow = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new ProblemError({
          code: "timeout",
          status: 408,
          message: "The body came too slowly.",
          headers: { connection: "close" },
        }),
      );
    }, waitMs);
  });
  const received = read.catch((error: unknown) => {
    throw new ProblemError({
      code: "invalid_argument",
      status: 400,
      message: "The body broke off before its end.",
      cause: error,
    });
  });
  try {
    return await Promise.race([received, tooSlow]);
  } finally {
    clearTimeout(timer);
  }
}

function parseJson(bytes: Uint8Array, maxDepth: number): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw malformed("The body is not UTF-8.", error);
  }
  if (jsonDepth(text) > maxDepth) {
    throw malformed(`The JSON of the body is nested deeper than ${maxDepth} levels.`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw malformed("The body is not JSON.", error);
  }
}

function malformed(message: string, cause?: unknown): ProblemError {
  return new ProblemError({ code: "invalid_argument", status: 400, message, cause });
}

/** Deepest nesting of brackets outside of strings. */
function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (inString) {
      if (character === "\\") i++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === "[" || character === "{") deepest = Math.max(deepest, ++depth);
    else if (character === "]" || character === "}") depth--;
  }
  return deepest;
}
