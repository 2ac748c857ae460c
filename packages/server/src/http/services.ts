/** What the HTTP app is given. It owns none of it: whoever composes the server creates and closes it. */
import type { Hono } from "hono";
import type { JobQueue } from "../jobs/job-queue.ts";
import type { JobRequest } from "../jobs/job-request.ts";
import type { JobRecord } from "../jobs/job.ts";

/** Who asks. */
export interface Identity {
  /** Owner of what it creates: id of an API key, e-mail address of an account, or `anonymous`. */
  readonly id: string;
  /** An `admin` sees everybody's jobs. */
  readonly role: "user" | "admin";
  readonly quota?: {
    /** Unfinished jobs at a time. */
    readonly maxUnfinished?: number | undefined;
    /** Jobs and uploads created per minute. */
    readonly perMinute?: number | undefined;
  };
}

/**
 * Resolves to `undefined` if the request carries no valid credential.
 * @throws LatentSyncError `unavailable` if that cannot be told now.
 */
export type Authenticate = (request: Request) => Promise<Identity | undefined>;

/** A stored upload, or a result that the server keeps itself. */
export interface UploadedObject {
  readonly sizeBytes: number;
  readonly contentType: string;
  /** Lower-case hex. */
  readonly sha256: string;
  /** Bytes `start` to `end`, both inclusive. Opens nothing until it is iterated. */
  read(range: {
    readonly start: number;
    readonly end: number;
    readonly signal?: AbortSignal;
  }): AsyncIterable<Uint8Array>;
}

/** The server's own storage, behind `upload:ID`. The result of a job whose `out` is `upload:` has the job's id. */
export interface Uploads {
  /**
   * Stores a body as it comes. If the body throws or is too large, nothing is left.
   * @throws LatentSyncError `too_large`, `disk_full`, `exhausted`.
   */
  store(upload: {
    readonly owner: string;
    readonly contentType: string;
    readonly body: AsyncIterable<Uint8Array>;
    readonly maxSizeBytes: number;
    readonly signal?: AbortSignal;
  }): Promise<{ readonly id: string; readonly sizeBytes: number; readonly sha256: string }>;
  /** `undefined`: there is none, or it is not the owner's (left out: anybody's). */
  find(id: string, options: { readonly owner?: string }): Promise<UploadedObject | undefined>;
}

/** A file that inference needs. */
export interface WeightsCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly sizeBytes?: number;
  /** What is wrong with it. No paths of the server. */
  readonly problem?: string;
}

export interface Health {
  /** `busy`: every worker has a job; new ones wait. */
  state(): "starting" | "ready" | "busy" | "setup_failed";
  /** Why the set-up failed, fit for clients. */
  problem?(): string | undefined;
  /** Checks each file of the weights, cheaply: existence and size. */
  checkWeights(): Promise<readonly WeightsCheck[]>;
}

/** Who did what. */
export interface AuditRecord {
  /** ISO 8601 in UTC. */
  readonly at: string;
  readonly action: "job.create" | "job.cancel" | "job.result" | "upload.create" | "upload.read";
  readonly owner: string;
  readonly outcome: "done" | "refused";
  /** Error code of a refusal. */
  readonly code?: string;
  readonly jobId?: string;
  readonly uploadId?: string;
  /** Of the connection; a proxy's if there is one. */
  readonly remoteAddress?: string;
}

/** An answer that was given, for metrics and the access log. */
export interface RequestRecord {
  readonly method: string;
  /** Pattern of the route, such as `/jobs/:id`. */
  readonly route: string;
  readonly status: number;
  /** Until the head of the answer. */
  readonly seconds: number;
}

/** Every limit of the HTTP side. */
export interface HttpLimits {
  /** JSON bodies. Default 64 KiB. */
  readonly maxJsonBytes: number;
  /** Nesting of JSON bodies. Default 16. */
  readonly maxJsonDepth: number;
  /** For a whole JSON body to arrive. Default 10,000. */
  readonly bodyTimeoutMs: number;
  /** Default 2 GiB. */
  readonly maxUploadBytes: number;
  /** Between two parts of an upload. Default 30,000. */
  readonly uploadIdleTimeoutMs: number;
  /** For a whole upload. Default one hour. */
  readonly uploadTimeoutMs: number;
  /** How long `/process` and `/pubsub` wait for the end of a job. Default 870,000: inside Cloud Run's 900 s. */
  readonly processTimeoutMs: number;
  /** Between two signs of life on an event stream. Default 15,000. */
  readonly heartbeatMs: number;
  /** Event streams and followed logs at a time. Default 4000. */
  readonly maxStreams: number;
  /** Jobs and uploads that an identity may create per minute, unless its quota says otherwise. Default: no limit. */
  readonly createdPerMinute: number;
}

export interface AppServices {
  readonly queue: JobQueue;
  readonly authenticate: Authenticate;
  /**
   * Checks where a request leads before it is accepted: protocols, hosts, roots of `file:` URLs, and
   * whether webhooks are configured. References to uploads are checked by the app itself.
   * @throws LatentSyncError `forbidden`, `invalid_argument`, `unsupported`.
   */
  checkLocations(request: JobRequest, options: { readonly signal: AbortSignal }): Promise<void>;
  /** Left out: the server keeps nothing itself, and `upload:` is refused. */
  readonly uploads?: Uploads;
  readonly health: Health;
  /** Prometheus text format. */
  metricsText?(): Promise<string>;
  /** Whether `/metrics` is for everybody; otherwise for admins. Default false. */
  readonly publicMetrics?: boolean;
  /** A job has ended through a request: it was cancelled before a worker took it. */
  ended?(job: JobRecord): void;
  audit?(record: AuditRecord): void;
  observe?(record: RequestRecord): void;
  /** An error that the client is not told about. */
  report?(error: unknown, context: { readonly method: string; readonly path: string }): void;
  /** What the job will take, if earlier jobs tell. */
  estimate?(
    request: JobRequest,
  ): { readonly seconds: number; readonly dollars?: number } | undefined;
  readonly cors?: { readonly origins: readonly string[] };
  readonly limits?: Partial<HttpLimits>;
  /** The web page: answers `/` to browsers, and whatever it needs below. */
  readonly page?: Hono;
  /** Version that the index and the OpenAPI document state. */
  readonly version: string;
}

const MIB = 2 ** 20;

export const defaultHttpLimits: HttpLimits = {
  maxJsonBytes: 64 * 1024,
  maxJsonDepth: 16,
  bodyTimeoutMs: 10_000,
  maxUploadBytes: 2048 * MIB,
  uploadIdleTimeoutMs: 30_000,
  uploadTimeoutMs: 3_600_000,
  processTimeoutMs: 870_000,
  heartbeatMs: 15_000,
  maxStreams: 4000,
  createdPerMinute: Number.POSITIVE_INFINITY,
};
