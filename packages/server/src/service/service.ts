/** The whole service: queue, storages, workers, telemetry and the HTTP app, put together. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { LatentSyncError, Resources } from "@ls/core";
import { Hono } from "hono";
import type { DestinationStream } from "pino";
import { createApp } from "../http/app.ts";
import type { Health, WeightsCheck } from "../http/services.ts";
import { createWebhookSender } from "../http/webhook.ts";
import { checkMedia } from "../intake/sniff.ts";
import type { JobRequest } from "../jobs/job-request.ts";
import { openQueue } from "../jobs/open-queue.ts";
import { createGuardedConnector, type GuardedConnector } from "../net/index.ts";
import { createPage } from "../page/page.ts";
import type { Configuration } from "../settings.ts";
import { createFileStorage } from "../storage/file-storage.ts";
import { createGcsStorage } from "../storage/gcs-storage.ts";
import { anonymousGoogleTokens, createGoogleTokens } from "../storage/google-tokens.ts";
import { createHttpStorage } from "../storage/http-storage.ts";
import { createS3Storage } from "../storage/s3-storage.ts";
import { createStorageRouter, parseLocation } from "../storage/storage-router.ts";
import type { Storage } from "../storage/storage.ts";
import { isUpload } from "../storage/upload-location.ts";
import { createUploadStorage } from "../storage/upload-storage.ts";
import { createDispatcher } from "../work/dispatcher.ts";
import { createJobFiles } from "../work/job-files.ts";
import { createAuthenticator } from "./authenticator.ts";
import { createTelemetry } from "./telemetry.ts";
import { openWebhookOutbox } from "./webhook-outbox.ts";
import { keptWebhookSecret } from "./webhook-secret.ts";

export interface ServiceOptions {
  readonly configuration: Configuration;
  /** Version that answers and traces state. */
  readonly version: string;
  readonly engine: {
    /** URL of a module that exports an `EngineFactory` as `createEngine`. */
    readonly module: string;
    /** Plain JSON for it. */
    readonly options: Readonly<Record<string, unknown>>;
  };
  /** Checks each file of the weights, cheaply, for `/health`. */
  readonly checkWeights: () => Promise<readonly WeightsCheck[]>;
  /** Where log and chart lines go. Default: standard output. */
  readonly destination?: DestinationStream;
}

/** A service that runs. Disposing it drains it. */
export interface Service extends AsyncDisposable {
  /** To be served by `listen`, or mounted in an app of the user's own. */
  readonly app: Hono;
  readonly state: ReturnType<Health["state"]>;
  /** Takes no more jobs and hands the running ones on, within `deadlineMs`. */
  drain(options?: { readonly deadlineMs?: number }): Promise<void>;
}

const MEDIA_KINDS = { video_in: "video", audio_in: "audio" } as const;
const HOUR_MS = 3_600_000;
const MIB = 2 ** 20;
/** Twice what a job wants to find free, so that uploads alone cannot stop jobs and queue. */
const FREE_OF_UPLOADS_BYTES = 1024 * MIB;

/**
 * Starts the service but for its listening: opens the queue and starts the workers.
 * @throws LatentSyncError what is wrong with the configuration, or `unavailable`.
 */
export async function createService(options: ServiceOptions): Promise<Service> {
  const resources = new Resources();
  try {
    return await compose(options, resources);
  } catch (error) {
    await resources[Symbol.asyncDispose]();
    throw error;
  }
}

async function compose(options: ServiceOptions, resources: Resources): Promise<Service> {
  const { configuration, version, engine } = options;
  const { dataDir, retentionHours } = configuration;
  await makeFolder(dataDir);
  const connector = resources.use(
    createGuardedConnector({
      allowedPrivateHosts: configuration.allowedPrivateHosts,
      ...(configuration.allowedHosts && { allowedHosts: configuration.allowedHosts }),
    }),
  );
  const uploads = createUploadStorage({
    folder: join(dataDir, "uploads"),
    retentionMs: configuration.uploadRetentionHours * HOUR_MS,
    minFreeBytes: FREE_OF_UPLOADS_BYTES,
  });
  const storage = createStorageRouter([...createStorages(configuration, connector), uploads]);
  const { maxUnfinishedPerOwner } = configuration;
  const warnings: string[] = [];
  const queue = resources.use(
    await openQueue({
      url: configuration.queueUrl,
      dataFolder: dataDir,
      limits: {
        maxQueued: configuration.maxQueued,
        maxAttempts: configuration.maxAttempts,
        retentionMs: retentionHours * HOUR_MS,
        ...(maxUnfinishedPerOwner !== undefined && { maxUnfinishedPerOwner }),
      },
      onWarning: (message) => warnings.push(message),
    }),
  );
  const telemetry = await createTelemetry({ ...options, queue }, resources);
  const { logger } = telemetry;
  for (const warning of warnings) logger.warn(warning);
  const outbox = resources.use(
    await openWebhookOutbox({
      folder: join(dataDir, "webhooks"),
      queue,
      sender: createWebhookSender({
        connectorFetch: (url, request) => connector.fetch(url, request),
        secret: configuration.webhookSecret ?? (await keptWebhookSecret(dataDir)),
      }),
      report: (what, details) => logger.warn(details, `${what}.`),
    }),
  );
  const dispatcher = createDispatcher({
    queue,
    files: createJobFiles({
      storage,
      maxInputBytes: configuration.maxUploadMib * MIB,
      async checkInput(path, { role, signal }) {
        await checkMedia(path, MEDIA_KINDS[role], { signal });
      },
    }),
    workers: Array.from({ length: configuration.workers }, (_, index) => ({
      name: `worker-${index}`,
      engineModule: engine.module,
      engineOptions: engine.options,
    })),
    dataFolder: dataDir,
    observer: telemetry.observer,
    ...(telemetry.cost && { cost: telemetry.cost }),
    onFinished: (job) => outbox.add(job),
  });
  resources.use(dispatcher);
  const stopSweeping = sweepUploads(uploads, telemetry.report);
  resources.defer(async () => stopSweeping());

  const health: Health = {
    state: () => (configuration.workers === 0 ? "ready" : dispatcher.state),
    problem: () => dispatcher.problem,
    checkWeights: options.checkWeights,
  };
  const app = new Hono();
  app.use("*", telemetry.traceRequests);
  app.route(
    "/",
    createApp({
      queue,
      authenticate: createAuthenticator(configuration, connector),
      checkLocations: async (request) => checkLocations(request, storage, connector),
      ended: (job) => {
        outbox.add(job).catch((error: unknown) => telemetry.report("Webhook not kept", error));
      },
      uploads,
      health,
      ...telemetry.http,
      publicMetrics: configuration.publicMetrics,
      estimate: telemetry.estimate,
      cors: { origins: configuration.corsOrigins },
      limits: {
        maxUploadBytes: configuration.maxUploadMib * MIB,
        processTimeoutMs: configuration.processTimeoutSeconds * 1000,
        ...(configuration.createdPerMinute !== undefined && {
          createdPerMinute: configuration.createdPerMinute,
        }),
      },
      page: createPage(),
      version,
    }),
  );
  return {
    app,
    get state() {
      return health.state();
    },
    drain: (how) => dispatcher.drain(how),
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

function createStorages(
  configuration: Configuration,
  connector: GuardedConnector,
): readonly Storage[] {
  const { s3Buckets, s3Endpoint, gcsBuckets, gcsEndpoint } = configuration;
  const { fileRoots, dataDir, weightsDir, configPath, apiKeysFile } = configuration;
  const own = [dataDir, weightsDir, configPath, apiKeysFile].filter((path) => path !== undefined);
  return [
    createHttpStorage(connector),
    createFileStorage({ roots: fileRoots, closed: own }),
    createS3Storage({
      connector,
      ...(s3Endpoint !== undefined && { endpoint: s3Endpoint }),
      ...(s3Buckets && { buckets: s3Buckets }),
    }),
    createGcsStorage({
      connector,
      tokens: gcsEndpoint === undefined ? createGoogleTokens() : anonymousGoogleTokens,
      ...(gcsEndpoint !== undefined && { apiEndpoint: gcsEndpoint }),
      ...(gcsBuckets && { buckets: gcsBuckets }),
    }),
  ];
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new LatentSyncError("io", `The data folder ${path} cannot be created.`, {
      hint: "Set DATA_DIR to a folder that this user may write.",
      cause: error,
    });
  }
}

/** Refuses what no worker could ever fetch or store, before the job is accepted. */
function checkLocations(request: JobRequest, storage: Storage, connector: GuardedConnector): void {
  for (const field of ["video_in", "audio_in", "out"] as const) {
    const location = request[field];
    if (!isUpload(location)) parseLocation(storage, field, location);
  }
  if (request.webhook === undefined) return;
  if (!URL.canParse(request.webhook)) {
    throw new LatentSyncError("invalid_argument", "webhook is not a URL.", {
      hint: "Write it with its protocol, such as https://example.com/hook.",
    });
  }
  connector.checkUrl(new URL(request.webhook));
}

/** Removes what has been kept for long enough, once an hour, until the result is called. */
function sweepUploads(
  uploads: ReturnType<typeof createUploadStorage>,
  report: (what: string, cause: unknown) => void,
): () => void {
  const stop = new AbortController();
  const sweep = (): void => {
    uploads.sweep({ signal: stop.signal }).catch((error: unknown) => {
      if (!stop.signal.aborted) report("Uploads are not swept", error);
    });
  };
  sweep();
  const timer = setInterval(sweep, HOUR_MS).unref();
  return () => {
    clearInterval(timer);
    stop.abort();
  };
}
