/** Settings of the Hugging Face hub, from the variables that its Python client reads. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

export interface HubSettings {
  /** Base address without a slash at the end: `HF_ENDPOINT`. */
  readonly endpoint: string;
  /** `HF_TOKEN`, or what `hf auth login` has stored. */
  readonly token: string | undefined;
  /** `HF_HUB_OFFLINE`: nothing is asked of the network. */
  readonly isOffline: boolean;
  /** `HF_HUB_CACHE`, or `hub` in `HF_HOME`. */
  readonly cacheFolder: string;
}

const DEFAULT_ENDPOINT = "https://huggingface.co";

function isTrue(value: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(value ?? "");
}

/** `HF_HOME`, where the hub's tools keep everything. */
function hubHome(): string {
  return (
    process.env["HF_HOME"] ??
    join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "huggingface")
  );
}

/** The folder that the hub's tools share: `HF_HUB_CACHE`, or `hub` in `HF_HOME`. */
export function hubCacheFolder(): string {
  return (
    process.env["HF_HUB_CACHE"] ?? process.env["HUGGINGFACE_HUB_CACHE"] ?? join(hubHome(), "hub")
  );
}

async function readToken(): Promise<string | undefined> {
  const direct = process.env["HF_TOKEN"] ?? process.env["HUGGING_FACE_HUB_TOKEN"];
  if (direct !== undefined && direct.trim() !== "") return direct.trim();
  const path = process.env["HF_TOKEN_PATH"] ?? join(hubHome(), "token");
  const stored = await readFile(path, "utf8").catch(() => "");
  return stored.trim() === "" ? undefined : stored.trim();
}

/** The settings as the environment has them now. */
export async function readHubSettings(): Promise<HubSettings> {
  const endpoint = process.env["HF_ENDPOINT"];
  return {
    endpoint: (endpoint === undefined || endpoint === "" ? DEFAULT_ENDPOINT : endpoint).replace(
      /\/+$/,
      "",
    ),
    token: await readToken(),
    isOffline: isTrue(process.env["HF_HUB_OFFLINE"]) || isTrue(process.env["TRANSFORMERS_OFFLINE"]),
    cacheFolder: hubCacheFolder(),
  };
}
