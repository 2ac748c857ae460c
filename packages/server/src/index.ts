/** Lip-sync as a job service: the whole of it, or its parts for a server of one's own. */
export { type ApiKey, createApiKeyAuthenticator } from "./auth/api-key.ts";
export {
  assertSafeExposure,
  combineAuthenticators,
  createOpenAuthenticator,
} from "./auth/exposure.ts";
export { createGoogleTokenAuthenticator, type GoogleTokenOptions } from "./auth/google-token.ts";
export { describeConfiguration, isUnetConfig, readConfiguration } from "./configuration.ts";
export { createApp } from "./http/app.ts";
export { type Listening, type ListenLimits, type ListenOptions, listen } from "./http/listen.ts";
export type * from "./http/services.ts";
export {
  createWebhookSender,
  type WebhookOutcome,
  type WebhookSender,
  type WebhookSenderOptions,
} from "./http/webhook.ts";
export { checkMedia, type MediaFormat } from "./intake/sniff.ts";
export type * from "./jobs/job.ts";
export type { JobLease, JobQueue, JobQueueLimits, NewJob } from "./jobs/job-queue.ts";
export { describeJobOptions, type JobOption, readJobOptions } from "./jobs/job-options.ts";
export { type JobRequest, jobRequestSchema } from "./jobs/job-request.ts";
export { openQueue, type OpenQueueOptions } from "./jobs/open-queue.ts";
export {
  type ConnectorLimits,
  createGuardedConnector,
  type GuardedConnector,
  type GuardedConnectorOptions,
  type GuardedRequest,
  type ResolvedAddress,
  type ResolveHost,
} from "./net/index.ts";
export { createPage } from "./page/page.ts";
export { createService, type Service, type ServiceOptions } from "./service/service.ts";
export { shutDown } from "./service/shut-down.ts";
export type { Configuration } from "./settings.ts";
export { createFileStorage, type FileStorageOptions } from "./storage/file-storage.ts";
export { createGcsStorage, type GcsStorageOptions } from "./storage/gcs-storage.ts";
export {
  anonymousGoogleTokens,
  createGoogleTokens,
  type GoogleTokens,
} from "./storage/google-tokens.ts";
export { createHttpStorage } from "./storage/http-storage.ts";
export { createS3Storage, type S3StorageOptions } from "./storage/s3-storage.ts";
export { createStorageRouter, parseLocation } from "./storage/storage-router.ts";
export type { ReadOptions, Storage, StoredObject, UploadFile } from "./storage/storage.ts";
export {
  createUploadStorage,
  type UploadStorage,
  type UploadStorageOptions,
} from "./storage/upload-storage.ts";
export {
  type AuditEntry,
  type AuditFact,
  type AuditLog,
  openAuditLog,
  readAudit,
  verifyAudit,
} from "./telemetry/audit.ts";
export {
  createDispatcher,
  type Dispatcher,
  type DispatcherOptions,
  type DispatcherState,
} from "./work/dispatcher.ts";
export type {
  Engine,
  EngineDescription,
  EngineFactory,
  EngineRequest,
  JobFootage,
} from "./work/engine.ts";
export { createJobFiles, type JobFiles, type JobFilesOptions } from "./work/job-files.ts";
export type * from "./work/observer.ts";
export type { WorkerOptions } from "./work/worker-process.ts";
