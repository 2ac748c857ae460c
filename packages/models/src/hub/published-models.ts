/** The models that can be pulled by name, and what they are made of. */
import { LatentSyncError } from "@ls/core";
import { publishedUNetConfigs } from "../checkpoint/published-configs.ts";
import type { UNetConfig } from "../checkpoint/unet-config.ts";

export type PublishedModelName = "latentsync-1.5" | "latentsync-1.6";

/** What a person must be told of the licence of weights. */
export interface ModelLicence {
  /** What it covers. */
  readonly what: string;
  /** Name of the licence, such as `openrail++`. */
  readonly licence: string;
  /** Where it is stated. */
  readonly url: string;
}

export interface RepositoryFile {
  readonly path: string;
  readonly isRequired: boolean;
}

/** A repository of the hub, with the files that are taken from it. */
export interface RepositoryPart {
  readonly repository: string;
  readonly files: readonly RepositoryFile[];
}

export interface HubModel {
  /** `latentsync-1.6`, or `hf:owner/repository`. */
  readonly name: string;
  /** The repository of the UNet. */
  readonly main: RepositoryPart;
  /** Taken from elsewhere where the repository of the UNet has none. */
  readonly whisper: RepositoryPart;
  /** As `whisper`. */
  readonly vae: RepositoryPart;
  /** Undefined where the repository has to bring its own. */
  readonly unetConfig: UNetConfig | undefined;
  readonly licences: readonly ModelLicence[];
}

const HUB = "https://huggingface.co";
const UNET = "latentsync_unet.pt";
export const WHISPER_PATHS: readonly string[] = ["whisper/tiny.pt", "whisper/small.pt"];
export const VAE_CONFIG = "config.json";
export const VAE_WEIGHTS = "diffusion_pytorch_model.safetensors";
const DEFAULT_REPOSITORY = "ByteDance/LatentSync-1.6";
const VAE_REPOSITORY = "stabilityai/sd-vae-ft-mse";

const REPOSITORIES: Readonly<Record<PublishedModelName, string>> = {
  "latentsync-1.5": "ByteDance/LatentSync-1.5",
  "latentsync-1.6": DEFAULT_REPOSITORY,
};

const CONFIGS: Readonly<Record<PublishedModelName, UNetConfig>> = {
  "latentsync-1.5": publishedUNetConfigs.stage2,
  "latentsync-1.6": publishedUNetConfigs.stage2_512,
};

export const PUBLISHED_MODEL_NAMES: readonly PublishedModelName[] = [
  "latentsync-1.5",
  "latentsync-1.6",
];

function required(...paths: readonly string[]): readonly RepositoryFile[] {
  return paths.map((path) => ({ path, isRequired: true }));
}

function optional(...paths: readonly string[]): readonly RepositoryFile[] {
  return paths.map((path) => ({ path, isRequired: false }));
}

const VAE: RepositoryPart = {
  repository: VAE_REPOSITORY,
  files: required(VAE_CONFIG, VAE_WEIGHTS),
};

const OTHER_LICENCES: readonly ModelLicence[] = [
  { what: "Whisper weights", licence: "MIT", url: "https://github.com/openai/whisper" },
  { what: "VAE weights (sd-vae-ft-mse)", licence: "MIT", url: `${HUB}/${VAE_REPOSITORY}` },
];

function publishedModel(name: PublishedModelName): HubModel {
  const repository = REPOSITORIES[name];
  return {
    name,
    main: { repository, files: required(UNET, "whisper/tiny.pt") },
    whisper: { repository, files: required("whisper/tiny.pt") },
    vae: VAE,
    unetConfig: CONFIGS[name],
    licences: [
      { what: "LatentSync weights", licence: "openrail++", url: `${HUB}/${repository}` },
      ...OTHER_LICENCES,
    ],
  };
}

function otherModel(repository: string): HubModel {
  return {
    name: `hf:${repository}`,
    main: {
      repository,
      files: [
        ...required(UNET, "unet_config.yaml"),
        ...optional(
          "scheduler_config.json",
          ...WHISPER_PATHS,
          `vae/${VAE_CONFIG}`,
          `vae/${VAE_WEIGHTS}`,
        ),
      ],
    },
    whisper: { repository: DEFAULT_REPOSITORY, files: required("whisper/tiny.pt") },
    vae: VAE,
    unetConfig: undefined,
    licences: [
      { what: "UNet weights", licence: "as its page says", url: `${HUB}/${repository}` },
      ...OTHER_LICENCES,
    ],
  };
}

/**
 * The model of a published name or of `hf:owner/repository`, which must hold `latentsync_unet.pt`
 * and `unet_config.yaml`, and may hold `whisper/`, `vae/` and `scheduler_config.json`.
 * @throws LatentSyncError `invalid_argument`.
 */
export function findHubModel(name: string): HubModel {
  const published = PUBLISHED_MODEL_NAMES.find((candidate) => candidate === name);
  if (published !== undefined) return publishedModel(published);
  const repository = /^hf:([\w-][\w.-]*\/[\w-][\w.-]*)$/.exec(name)?.[1];
  if (repository !== undefined && !repository.includes("..")) return otherModel(repository);
  throw new LatentSyncError(
    "invalid_argument",
    `There is no model named ${JSON.stringify(name)}; known are ${PUBLISHED_MODEL_NAMES.join(", ")} and hf:owner/repository.`,
    { hint: "See latentsync-ts models list." },
  );
}
