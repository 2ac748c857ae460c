import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { LatentSyncError } from "@ls/core";
import { download, type DownloadEvent } from "@ls/files";
import type { ModelFiles } from "../checkpoint/model-files.ts";
import { hasContent } from "./content-hash.ts";
import { CachedRepository } from "./hub-cache.ts";
import { HubClient, type RemoteFile } from "./hub-client.ts";
import { type HubSettings, readHubSettings } from "./hub-settings.ts";
import {
  findHubModel,
  type HubModel,
  type ModelLicence,
  PUBLISHED_MODEL_NAMES,
  type RepositoryPart,
  VAE_CONFIG,
  VAE_WEIGHTS,
  WHISPER_PATHS,
} from "./published-models.ts";

/** Progress of {@link pullModel}: what happens to the file that is named. */
export type PullEvent = DownloadEvent & {
  readonly repository: string;
  readonly path: string;
};

export interface PullOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: PullEvent) => void;
  /** Attempts in a row that bring nothing before giving up; default 5. */
  readonly attempts?: number;
  /** Pause before the second attempt, doubled with each further one; default 1000. */
  readonly retryDelayMs?: number;
  /** A connection that brings nothing for so long is given up; default 60000. */
  readonly stallTimeoutMs?: number;
}

export interface PulledModel {
  readonly name: string;
  /** For `openModelFiles`. */
  readonly files: ModelFiles;
  /** All files with their sizes in bytes. */
  readonly contents: readonly { readonly path: string; readonly bytes: number }[];
  readonly licences: readonly ModelLicence[];
}

type FoundFiles = ReadonlyMap<string, string>;

/** A part of a model, in a repository of the cache. */
interface LocalPart {
  readonly repository: string;
  /** Local paths by path in the repository. */
  readonly files: FoundFiles;
}

function needsWhisper(main: FoundFiles): boolean {
  return !WHISPER_PATHS.some((path) => main.has(path));
}

function needsVae(main: FoundFiles): boolean {
  return !(main.has(`vae/${VAE_CONFIG}`) && main.has(`vae/${VAE_WEIGHTS}`));
}

/** Puts a model together from its parts; `getPart` fetches them or looks them up. */
async function assemble(
  model: HubModel,
  getPart: (part: RepositoryPart) => Promise<LocalPart>,
): Promise<Omit<PulledModel, "contents">> {
  const main = await getPart(model.main);
  const whisper = needsWhisper(main.files) ? await getPart(model.whisper) : main;
  const vae = needsVae(main.files) ? await getPart(model.vae) : undefined;
  const vaeConfig = vae?.files.get(VAE_CONFIG) ?? main.files.get(`vae/${VAE_CONFIG}`) ?? "";
  const scheduler = main.files.get("scheduler_config.json");
  return {
    name: model.name,
    licences: model.licences,
    files: {
      unetConfig: model.unetConfig ?? main.files.get("unet_config.yaml") ?? "",
      unetPath: main.files.get("latentsync_unet.pt") ?? "",
      whisperPaths: WHISPER_PATHS.flatMap((path) => whisper.files.get(path) ?? []),
      vaeFolder: dirname(vaeConfig),
      ...(scheduler === undefined ? {} : { schedulerPath: scheduler }),
    },
  };
}

function missingFile(model: HubModel, part: RepositoryPart, path: string): LatentSyncError {
  return new LatentSyncError(
    "not_found",
    `${part.repository} has no ${path}, which ${model.name} needs.`,
    { hint: "Choose a published model: latentsync-1.5 or latentsync-1.6." },
  );
}

/** The files of a part that the cache has; undefined if a required one is missing. */
async function findLocalPart(
  part: RepositoryPart,
  cacheFolder: string,
): Promise<LocalPart | undefined> {
  const cached = new CachedRepository(part.repository, cacheFolder);
  const files = new Map<string, string>();
  for (const { path, isRequired } of part.files) {
    const local = await cached.find(path);
    if (local !== undefined) files.set(path, local);
    else if (isRequired) return undefined;
  }
  return { repository: part.repository, files };
}

class Puller {
  readonly #model: HubModel;
  readonly #settings: HubSettings;
  readonly #options: PullOptions;
  readonly #client: HubClient;

  constructor(model: HubModel, settings: HubSettings, options: PullOptions) {
    const { attempts = 5, retryDelayMs = 1000, signal } = options;
    this.#model = model;
    this.#settings = settings;
    this.#options = options;
    this.#client = new HubClient({
      settings,
      attempts,
      retryDelayMs,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** Fetches what is missing of a part and verifies all of it. */
  async getPart(part: RepositoryPart): Promise<LocalPart> {
    if (this.#settings.isOffline) return this.#getOffline(part);
    const { repository } = part;
    const commit = await this.#client.readCommit(repository);
    const paths = part.files.map(({ path }) => path);
    const remote = await this.#client.describeFiles(repository, commit, paths);
    for (const { path, isRequired } of part.files) {
      if (isRequired && !remote.some((file) => file.path === path)) {
        throw missingFile(this.#model, part, path);
      }
    }
    const cached = new CachedRepository(repository, this.#settings.cacheFolder);
    const files = new Map<string, string>();
    for (const file of remote) files.set(file.path, await this.#getFile(cached, file));
    await cached.writeCommit(commit);
    return { repository, files };
  }

  async #getFile(cached: CachedRepository, file: RemoteFile): Promise<string> {
    const { signal, onProgress, stallTimeoutMs = 60_000 } = this.#options;
    const { repository, path } = file;
    const lockFolder = join(this.#settings.cacheFolder, ".locks", basename(cached.folder));
    await download({
      client: this.#client,
      content: {
        name: `${path} of ${repository}`,
        url: this.#client.contentUrl(file),
        sizeBytes: file.size,
        hash: file.etag,
        isIntact: (local) => hasContent(local, file.etag, signal),
      },
      path: cached.blobPath(file.etag),
      lockPath: join(lockFolder, `${file.etag}.latentsync.lock`),
      onEvent: (event) => onProgress?.({ ...event, repository, path }),
      stallTimeoutMs,
      diskFullHint:
        "Free some space or set HF_HOME to a folder on another disk; the download then goes on where it stopped.",
      ...(signal === undefined ? {} : { signal }),
    });
    return cached.link(file.commit, path, file.etag);
  }

  async #getOffline(part: RepositoryPart): Promise<LocalPart> {
    const local = await findLocalPart(part, this.#settings.cacheFolder);
    if (local !== undefined) return local;
    throw new LatentSyncError(
      "network",
      `${part.repository} is not complete in ${this.#settings.cacheFolder}, and HF_HUB_OFFLINE forbids fetching it.`,
      { hint: "Unset HF_HUB_OFFLINE, or copy the cache of another machine." },
    );
  }
}

async function listContents(files: ModelFiles): Promise<PulledModel["contents"]> {
  const paths = [
    files.unetPath,
    ...files.whisperPaths,
    `${files.vaeFolder}/${VAE_CONFIG}`,
    `${files.vaeFolder}/${VAE_WEIGHTS}`,
  ];
  return Promise.all(paths.map(async (path) => ({ path, bytes: (await stat(path)).size })));
}

/**
 * Gets a model with its Whisper and VAE from Hugging Face into the Hugging Face cache, which Python
 * tools share. Resumes what was broken off, and verifies size and hash of every file, those that
 * were there already too. Heeds `HF_HOME`, `HF_HUB_CACHE`, `HF_TOKEN`, `HF_ENDPOINT` and
 * `HF_HUB_OFFLINE`.
 * @param name `latentsync-1.5`, `latentsync-1.6` or `hf:owner/repository`.
 * @throws LatentSyncError `invalid_argument`, `network`, `not_found`, `disk_full` or `io`; the
 *   signal's reason on abort. What was received is kept and resumed by the next call, except where
 *   its hash is wrong.
 */
export async function pullModel(name: string, options: PullOptions = {}): Promise<PulledModel> {
  const model = findHubModel(name);
  const puller = new Puller(model, await readHubSettings(), options);
  const pulled = await assemble(model, (part) => puller.getPart(part));
  return { ...pulled, contents: await listContents(pulled.files) };
}

/**
 * A model that was pulled before, without asking the network and without verifying it again.
 * @throws LatentSyncError `invalid_argument`, or `not_found` if it is not complete.
 */
export async function findPulledModel(name: string): Promise<PulledModel> {
  const model = findHubModel(name);
  const { cacheFolder } = await readHubSettings();
  const pulled = await assemble(model, async (part) => {
    const local = await findLocalPart(part, cacheFolder);
    if (local !== undefined) return local;
    throw new LatentSyncError(
      "not_found",
      `${name} is not on this machine: ${part.repository} is not complete in ${cacheFolder}.`,
      { hint: `Run: latentsync-ts models pull ${name}` },
    );
  });
  return { ...pulled, contents: await listContents(pulled.files) };
}

/** A model that has a name. */
export interface ListedModel {
  readonly name: string;
  /** Whether all of its files are in the Hugging Face cache. */
  readonly isPulled: boolean;
  /** Size of its files in bytes; undefined if it is not pulled. */
  readonly bytes: number | undefined;
  readonly licences: readonly ModelLicence[];
}

/** The published models, and which of them are on this machine. */
export async function listModels(): Promise<readonly ListedModel[]> {
  const listed: ListedModel[] = [];
  for (const name of PUBLISHED_MODEL_NAMES) {
    const pulled = await findPulledModel(name).catch((error: unknown) => {
      if (LatentSyncError.is(error) && error.code === "not_found") return undefined;
      throw error;
    });
    listed.push({
      name,
      isPulled: pulled !== undefined,
      bytes: pulled?.contents.reduce((sum, { bytes }) => sum + bytes, 0),
      licences: findHubModel(name).licences,
    });
  }
  return listed;
}

/** What {@link verifyModel} found of one file. */
export interface VerifiedFile {
  readonly repository: string;
  readonly path: string;
  readonly bytes: number;
  /**
   * `intact`: the content is what its hash says. `damaged`: it is not. `unknown`: the cache does not
   * tell its hash (a copy on a system without links).
   */
  readonly status: "intact" | "damaged" | "unknown";
}

/**
 * Reads a pulled model's files anew and compares their hashes with those that the cache knows.
 * Asks nothing of the network.
 * @throws LatentSyncError `invalid_argument`, `not_found` if the model is not complete, or `io`; the
 *   signal's reason on abort.
 */
export async function verifyModel(
  name: string,
  options: {
    readonly signal?: AbortSignal;
    readonly onProgress?: (file: VerifiedFile) => void;
  } = {},
): Promise<readonly VerifiedFile[]> {
  const { signal, onProgress } = options;
  const model = findHubModel(name);
  await findPulledModel(name);
  const { cacheFolder } = await readHubSettings();
  const main = await findLocalPart(model.main, cacheFolder);
  const parts = [model.main];
  if (main !== undefined && needsWhisper(main.files)) parts.push(model.whisper);
  if (main !== undefined && needsVae(main.files)) parts.push(model.vae);
  const verified: VerifiedFile[] = [];
  for (const part of parts) {
    const cached = new CachedRepository(part.repository, cacheFolder);
    for (const [path, local] of (await findLocalPart(part, cacheFolder))?.files ?? []) {
      const etag = await cached.readEtag(local);
      const isIntact = etag === undefined ? undefined : await hasContent(local, etag, signal);
      const file: VerifiedFile = {
        repository: part.repository,
        path,
        bytes: (await stat(local)).size,
        status: isIntact === undefined ? "unknown" : isIntact ? "intact" : "damaged",
      };
      onProgress?.(file);
      verified.push(file);
    }
  }
  return verified;
}
