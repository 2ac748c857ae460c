/** What an operator can set: by command-line flags, environment variables, or a JSON file. */
import { readFile, stat } from "node:fs/promises";
import { LatentSyncError } from "@ls/core";
import { z } from "zod";
import { type ApiKey, apiKeySchema } from "./auth/api-key.ts";
import { type Configuration, type Setting, settings } from "./settings.ts";

/** Values as they come: text from the environment, any JSON from a file, either from flags. */
type RawValues = Readonly<Record<string, unknown>>;

const names = Object.keys(settings) as (keyof Configuration)[];
const nameOfVariable = new Map<string, keyof Configuration>(
  names.map((name) => [variableOf(name), name]),
);

/**
 * Reads the configuration. A flag (`--max-queued`) goes before its environment variable
 * (`MAX_QUEUED`), which goes before the file that `CONFIG_PATH` names (a JSON object with the
 * variables' names as keys), which goes before the default. Empty text counts as not set. A
 * `CONFIG_PATH` of the UNet ({@link isUnetConfig}) is not read here.
 * @throws LatentSyncError `invalid_argument` that names the variable, and what it must be.
 */
export async function readConfiguration(sources: {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By name, with or without the dashes in front. */
  readonly flags?: RawValues;
}): Promise<Configuration> {
  const flags = variablesOfFlags(sources.flags ?? {});
  const env: RawValues = Object.fromEntries(
    [...nameOfVariable.keys()].map((variable) => [variable, sources.env[variable]]),
  );
  const configPath = firstSet([flags, env], "CONFIG_PATH");
  const isOwnFile = typeof configPath === "string" && !isUnetConfig(configPath);
  const file = isOwnFile ? await readFileValues(configPath) : {};
  const values = names.map((name) => {
    const variable = variableOf(name);
    return [name, readSetting(variable, settings[name], firstSet([flags, env, file], variable))];
  });
  const configuration = Object.fromEntries(values) as Configuration;
  checkTogether(configuration);
  const { apiKeys, apiKeysFile } = configuration;
  return { ...configuration, apiKeys: [...apiKeys, ...(await readKeys(apiKeysFile))] };
}

/**
 * Whether `CONFIG_PATH` names the UNet's YAML, as in deployments of the official script, instead of
 * the service's settings.
 */
export function isUnetConfig(configPath: string): boolean {
  return /\.ya?ml$/i.test(configPath);
}

/** Every variable in alphabetical order, for documentation. */
export function describeConfiguration(): readonly {
  readonly variable: string;
  readonly flag: string;
  readonly default: string;
  readonly description: string;
  /** Off unless it is named; the flag takes no value. */
  readonly isSwitch: boolean;
}[] {
  return [...nameOfVariable]
    .map(([variable, name]) => ({
      variable,
      flag: `--${variable.toLowerCase().replaceAll("_", "-")}`,
      default: describeDefault(settings[name].fallback),
      description: settings[name].description,
      isSwitch: settings[name].fallback === false,
    }))
    .sort((a, b) => (a.variable < b.variable ? -1 : 1));
}

function describeDefault(fallback: unknown): string {
  if (fallback === undefined || (Array.isArray(fallback) && fallback.length === 0)) return "";
  return typeof fallback === "string" ? fallback : JSON.stringify(fallback);
}

/** `maxQueued` is `MAX_QUEUED`. */
function variableOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

function variablesOfFlags(flags: RawValues): RawValues {
  const entries = Object.entries(flags).map(([flag, value]) => {
    const variable = flag.replace(/^--/, "").replaceAll("-", "_").toUpperCase();
    if (!nameOfVariable.has(variable)) throw unknownName(`The option ${flag}`);
    return [variable, value];
  });
  return Object.fromEntries(entries) as RawValues;
}

function firstSet(sources: readonly RawValues[], variable: string): unknown {
  for (const source of sources) {
    const value = source[variable];
    if (value !== undefined && value !== null && value !== "") return value;
  }
  return undefined;
}

function readSetting(variable: string, setting: Setting<unknown>, value: unknown): unknown {
  if (value === undefined) return setting.fallback;
  const result = setting.schema.safeParse(value);
  if (result.success) return result.data;
  // Values may be secrets: the message says what is wrong with them only.
  const problems = result.error.issues.map(({ message, path }) =>
    path.length > 0 ? `${path.join(".")}: ${message}` : message,
  );
  throw new LatentSyncError("invalid_argument", `${variable} is wrong: ${problems.join("; ")}.`, {
    hint: `${variable}: ${setting.description}`,
  });
}

async function readFileValues(path: string): Promise<RawValues> {
  const values = await readJsonFile("CONFIG_PATH", path);
  const result = z.record(z.string(), z.unknown()).safeParse(values);
  if (!result.success) throw notReadable("CONFIG_PATH", path, "it must hold a JSON object");
  for (const key of Object.keys(result.data)) {
    if (!nameOfVariable.has(key)) throw unknownName(`The key ${JSON.stringify(key)} in ${path}`);
  }
  return result.data;
}

async function readKeys(path: string | undefined): Promise<readonly ApiKey[]> {
  if (path === undefined) return [];
  const result = z.array(apiKeySchema).safeParse(await readJsonFile("API_KEYS_FILE", path));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw notReadable("API_KEYS_FILE", path, `${issue?.path.join(".")}: ${issue?.message}`);
}

async function readJsonFile(variable: string, path: string): Promise<unknown> {
  await checkIsFile(variable, path);
  try {
    return JSON.parse(await readFile(path, "utf8")) as unknown;
  } catch (error) {
    const reason = error instanceof SyntaxError ? "it is not JSON" : "it cannot be read";
    throw notReadable(variable, path, reason, { cause: error });
  }
}

/** Before it is opened: a pipe would wait for its writer, and some devices have no end. */
async function checkIsFile(variable: string, path: string): Promise<void> {
  const status = await stat(path).catch((cause: unknown) => {
    throw notReadable(variable, path, "it cannot be read", { cause });
  });
  if (status.isFile()) return;
  const hint = "Name a regular file: folders, pipes and devices are not read.";
  throw notReadable(variable, path, "it is not a regular file", { hint });
}

function notReadable(
  variable: string,
  path: string,
  reason: string,
  details: { readonly cause?: unknown; readonly hint?: string } = {},
): LatentSyncError {
  return new LatentSyncError("invalid_argument", `${variable} names ${path}, but ${reason}.`, {
    hint: "Correct the file or the variable.",
    ...details,
  });
}

function unknownName(what: string): LatentSyncError {
  return new LatentSyncError("invalid_argument", `${what} is not a setting.`, {
    hint: `Settings are ${[...nameOfVariable.keys()].sort().join(", ")}.`,
  });
}

function checkTogether(configuration: Configuration): void {
  const { googleAudience, googleEmails } = configuration;
  if (googleAudience.length > 0 !== googleEmails.length > 0) {
    throw new LatentSyncError(
      "invalid_argument",
      "GOOGLE_AUDIENCE and GOOGLE_EMAILS must be set together.",
      { hint: "Name the service's URL in the one, and who may call it in the other." },
    );
  }
}
