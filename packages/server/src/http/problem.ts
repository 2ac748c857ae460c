/** Errors as RFC 9457 problem details. */
import { LatentSyncError, type LatentSyncErrorCode } from "@ls/core";
import { z } from "zod";

/** HTTP status of each error code. */
const statusOfCode: Readonly<Record<LatentSyncErrorCode, number>> = {
  not_found: 404,
  invalid_argument: 422,
  invalid_media: 422,
  invalid_model: 500,
  no_face: 422,
  unsupported: 501,
  network: 502,
  disk_full: 507,
  io: 500,
  unmet: 422,
  forbidden: 403,
  too_large: 413,
  timeout: 504,
  exhausted: 429,
  unavailable: 503,
  conflict: 422,
  cancelled: 409,
  crashed: 500,
  runtime: 500,
  disposed: 503,
};

const titles: Readonly<Record<number, string>> = {
  400: "Malformed request",
  401: "Credentials needed",
  403: "Not allowed",
  404: "Not found",
  405: "Method not allowed",
  408: "Request too slow",
  409: "Cancelled",
  413: "Too large",
  415: "Unsupported media type",
  416: "Range not satisfiable",
  422: "Cannot be processed",
  429: "Too many",
  431: "Headers too large",
  501: "Not supported here",
  502: "Another server failed",
  503: "Not available now",
  504: "Not done in time",
  507: "No space left",
};

const DEFAULT_RETRY_AFTER_SECONDS = 5;

export interface ProblemErrorOptions {
  readonly code: LatentSyncErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
  /** Default: that of the code. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of the problem. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** An error whose answer is more than its code says. Its message is for the client. */
export class ProblemError extends LatentSyncError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly members: Readonly<Record<string, unknown>>;

  constructor(options: ProblemErrorOptions) {
    const { code, message, hint, cause } = options;
    super(code, message, { cause, ...(hint !== undefined && { hint }) });
    this.name = "ProblemError";
    this.status = options.status ?? statusOfCode[code];
    this.headers = options.headers ?? {};
    this.members = options.members ?? {};
  }
}

/** Body of every answer that is an error. */
export const problemSchema: z.ZodType<Problem> = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().describe("Stable word for programs."),
    hint: z.string().optional().describe("What can be done about it."),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe("What is wrong with which field; path is a JSON pointer."),
    job_id: z.string().optional(),
  })
  .meta({ id: "Problem", description: "RFC 9457 problem details." });

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly hint?: string | undefined;
  readonly errors?: readonly { readonly path: string; readonly message: string }[] | undefined;
  readonly job_id?: string | undefined;
}

/** An error that the client is told about as it is; others are only reported. */
export function isForClient(error: unknown): error is LatentSyncError {
  if (error instanceof ProblemError) return true;
  if (!LatentSyncError.is(error)) return false;
  const status = statusOfCode[error.code];
  return status !== 500;
}

/** The answer to an error. Of unexpected ones it says nothing but that. */
export function problemResponse(error: unknown): Response {
  if (!isForClient(error)) {
    return respond({
      status: 500,
      code: "internal",
      detail: "The server failed on this request. The error is in its log.",
    });
  }
  const special = error instanceof ProblemError ? error : undefined;
  const status = special?.status ?? statusOfCode[error.code];
  const retryAfter =
    status === 429 || status === 503 ? { "retry-after": String(DEFAULT_RETRY_AFTER_SECONDS) } : {};
  return respond({
    status,
    code: error.code,
    detail: error.message,
    hint: error.hint,
    headers: { ...retryAfter, ...special?.headers },
    ...(special && { members: special.members }),
  });
}

function respond(problem: {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly hint?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly members?: Readonly<Record<string, unknown>>;
}): Response {
  const { status, code, detail, hint } = problem;
  const body = {
    type: "about:blank",
    title: titles[status] ?? "Internal error",
    status,
    detail,
    code,
    hint,
    ...problem.members,
  };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/problem+json", ...problem.headers },
  });
}
