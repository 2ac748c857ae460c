/** Each setting: what it means, what it may be, and what it is if nobody says. */
import { z } from "zod";
import { type ApiKey, apiKeySchema } from "./auth/api-key.ts";

/** What `readConfiguration` reads; `settings` says what each field means. */
export interface Configuration {
  readonly port: number;
  readonly host: string;
  readonly dataDir: string;
  readonly weightsDir?: string | undefined;
  readonly configPath?: string | undefined;
  readonly queueUrl?: string | undefined;
  readonly workers: number;
  readonly maxQueued: number;
  readonly maxUnfinishedPerOwner?: number | undefined;
  readonly maxAttempts: number;
  readonly retentionHours: number;
  readonly uploadRetentionHours: number;
  readonly maxUploadMib: number;
  readonly allowedHosts?: readonly string[] | undefined;
  readonly allowedPrivateHosts: readonly string[];
  readonly fileRoots: readonly string[];
  readonly s3Buckets?: readonly string[] | undefined;
  readonly s3Endpoint?: string | undefined;
  readonly gcsBuckets?: readonly string[] | undefined;
  readonly gcsEndpoint?: string | undefined;
  readonly apiKeys: readonly ApiKey[];
  readonly apiKeysFile?: string | undefined;
  readonly googleAudience: readonly string[];
  readonly googleEmails: readonly string[];
  readonly googleAdminEmails: readonly string[];
  readonly noAuth: boolean;
  readonly createdPerMinute?: number | undefined;
  readonly corsOrigins: readonly string[];
  readonly webhookSecret?: string | undefined;
  readonly processTimeoutSeconds: number;
  readonly drainSeconds: number;
  readonly pricePerHour?: number | undefined;
  readonly latencyBudgetSeconds?: number | undefined;
  readonly latencyBudgetPerVideoSecond?: number | undefined;
  readonly metrics: "prometheus" | "gradient";
  readonly publicMetrics: boolean;
  readonly logLevel: "debug" | "info" | "warn" | "error";
}

export interface Setting<T> {
  /** Takes text, or JSON of the right kind. */
  readonly schema: z.ZodType<T>;
  readonly fallback: T;
  readonly description: string;
}

const text = z.string().trim().min(1);

function integer(min: number, max: number): z.ZodType<number> {
  return numeric.pipe(z.int().min(min).max(max));
}

/** `Number("")` and `Number(true)` would be numbers. */
const numeric = z.union([
  z.number(),
  z
    .string()
    .trim()
    .regex(/^[+-]?\d+(?:\.\d+)?$/, "must be a number")
    .transform(Number),
]);

const positive = numeric.pipe(z.number().positive());
const yesNo = z.union([z.boolean(), z.stringbool()]);

const list = z.union([
  z.array(text),
  z.string().transform((joined) =>
    joined
      .split(",")
      .map((item) => item.trim())
      .filter(Boolean),
  ),
]);

function json<T>(schema: z.ZodType<T>): z.ZodType<T> {
  return z
    .union([
      z.string().transform((value, context) => {
        try {
          return JSON.parse(value) as unknown;
        } catch {
          context.addIssue({ code: "custom", message: "must be JSON" });
          return z.NEVER;
        }
      }),
      z.unknown(),
    ])
    .pipe(schema);
}

const origins = list.pipe(
  z.array(
    z
      .string()
      .refine(
        (origin) => origin === "*" || URL.parse(origin)?.origin === origin,
        "must be an origin such as https://example.com, or *",
      ),
  ),
);

const webhookSecret = text.regex(
  /^whsec_[A-Za-z\d+/]{32,}={0,2}$/,
  "must be whsec_ followed by base64 of at least 24 bytes",
);

type Settings = { readonly [Name in keyof Required<Configuration>]: Setting<Configuration[Name]> };

export const settings: Settings = {
  port: {
    schema: integer(0, 65_535),
    fallback: 8080,
    description: "Port to listen on; 0: any free one.",
  },
  host: {
    schema: text,
    fallback: "127.0.0.1",
    description: "Address to listen on. Others than this machine's need credentials.",
  },
  dataDir: {
    schema: text,
    fallback: "latentsync-data",
    description: "Folder for the queue, uploads, results and work in progress.",
  },
  weightsDir: {
    schema: text,
    fallback: undefined,
    description: "Folder with the model's weights; may be read-only.",
  },
  configPath: {
    schema: text,
    fallback: undefined,
    description:
      "JSON file with settings under these names, or a YAML file: the UNet's configuration.",
  },
  queueUrl: {
    schema: text.regex(
      /^(?:rediss?|postgres(?:ql)?):/,
      "must be a redis:, rediss: or postgres: URL",
    ),
    fallback: undefined,
    description: "Queue: redis://, rediss:// or postgres:// URL. Default: SQLite in DATA_DIR.",
  },
  workers: {
    schema: integer(0, 64),
    fallback: 1,
    description: "Worker processes here; 0: this process only takes jobs.",
  },
  maxQueued: { schema: integer(1, 10_000_000), fallback: 1000, description: "Jobs that may wait." },
  maxUnfinishedPerOwner: {
    schema: integer(1, 10_000_000),
    fallback: undefined,
    description: "Unfinished jobs of one owner. Default: no limit.",
  },
  maxAttempts: {
    schema: integer(1, 100),
    fallback: 3,
    description: "Starts of a job before it is a dead letter.",
  },
  retentionHours: {
    schema: positive,
    fallback: 168,
    description: "How long finished jobs are kept.",
  },
  uploadRetentionHours: {
    schema: positive,
    fallback: 168,
    description: "How long uploads and results in the server's own storage are kept.",
  },
  maxUploadMib: {
    schema: integer(1, 1_048_576),
    fallback: 2048,
    description: "Largest upload or input, in MiB.",
  },
  allowedHosts: {
    schema: list,
    fallback: undefined,
    description:
      "The only hosts that the server connects to, separated by commas. Default: every public one.",
  },
  allowedPrivateHosts: {
    schema: list,
    fallback: [],
    description: "Private host:port pairs that the server may connect to, separated by commas.",
  },
  fileRoots: {
    schema: list,
    fallback: [],
    description: "Folders that file: URLs may lie in, separated by commas.",
  },
  s3Buckets: {
    schema: list,
    fallback: undefined,
    description: "The only buckets of s3: URLs. Default: all that the credentials open.",
  },
  s3Endpoint: {
    schema: text,
    fallback: undefined,
    description: "URL of another S3 store than Amazon's.",
  },
  gcsBuckets: {
    schema: list,
    fallback: undefined,
    description: "The only buckets of gs: URLs. Default: all that the credentials open.",
  },
  gcsEndpoint: {
    schema: text,
    fallback: undefined,
    description: "URL of a Cloud Storage emulator; requests to it are not signed.",
  },
  apiKeys: {
    schema: json(z.array(apiKeySchema)),
    fallback: [],
    description:
      'JSON list of keys: [{"id", "sha256", "role": "user" or "admin", "quota": {"maxUnfinished", "perMinute"}}].',
  },
  apiKeysFile: {
    schema: text,
    fallback: undefined,
    description: "JSON file with a list as in API_KEYS.",
  },
  googleAudience: {
    schema: list,
    fallback: [],
    description: "Audiences that Google identity tokens may be for: the service's URLs.",
  },
  googleEmails: {
    schema: list,
    fallback: [],
    description: "E-mail addresses of the accounts that may call, separated by commas.",
  },
  googleAdminEmails: {
    schema: list,
    fallback: [],
    description: "Those of GOOGLE_EMAILS that are administrators.",
  },
  noAuth: {
    schema: yesNo,
    fallback: false,
    description: "Let everybody use the service who can reach it.",
  },
  createdPerMinute: {
    schema: positive,
    fallback: undefined,
    description:
      "Jobs and uploads that a caller may create per minute and process. Default: no limit.",
  },
  corsOrigins: {
    schema: origins,
    fallback: [],
    description: "Origins of web sites that may call, separated by commas.",
  },
  webhookSecret: {
    schema: webhookSecret,
    fallback: undefined,
    description: "Secret that signs webhooks: whsec_ and base64. Default: one is made in DATA_DIR.",
  },
  processTimeoutSeconds: {
    schema: positive,
    fallback: 870,
    description: "How long /process and /pubsub wait for the end of a job.",
  },
  drainSeconds: {
    schema: positive,
    fallback: 8,
    description: "How long requests in flight may go on after SIGTERM.",
  },
  pricePerHour: {
    schema: positive,
    fallback: undefined,
    description: "US dollars per hour of this machine, for costs.",
  },
  latencyBudgetSeconds: {
    schema: positive,
    fallback: undefined,
    description:
      "Seconds from creation to result before a metric and a log line say that it was too long.",
  },
  latencyBudgetPerVideoSecond: {
    schema: positive,
    fallback: undefined,
    description: "The same, for each second of the result; with both set, the larger one holds.",
  },
  metrics: {
    schema: z.enum(["prometheus", "gradient"]),
    fallback: "prometheus",
    description: "gradient: chart lines on standard output as well.",
  },
  publicMetrics: {
    schema: yesNo,
    fallback: false,
    description: "Whether everybody may read /metrics; otherwise administrators.",
  },
  logLevel: {
    schema: z.enum(["debug", "info", "warn", "error"]),
    fallback: "info",
    description: "Least level that is logged: debug, info, warn or error.",
  },
};
