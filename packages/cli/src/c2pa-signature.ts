/**
 * Signs outputs after C2PA with a certificate of the user's. The library, `@contentauth/c2pa-node`, is
 * an optional peer: it is loaded when a signature is asked for. Keys stay in `node:crypto`.
 */
import { constants, createPrivateKey, type KeyObject, sign, X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { LatentSyncError } from "@ls/core";
import { toFileError } from "@ls/files";
import type { Command } from "commander";
import { checkInputFile } from "./check-files.ts";
import { DIGITAL_SOURCE_TYPE } from "./provenance.ts";
import { packageVersion } from "./version.ts";

/** What commander makes of {@link addSigningOptions}. */
export interface SigningFlags {
  readonly c2paCert?: string;
  readonly c2paKey?: string;
}

export function addSigningOptions(command: Command): Command {
  return command
    .option(
      "--c2pa-cert <file>",
      "sign the output after C2PA with this certificate chain (PEM, the signer's first); needs `npm install @contentauth/c2pa-node`",
    )
    .option("--c2pa-key <file>", "private key of the certificate (PEM)");
}

export interface OutputSigner {
  /**
   * Puts a signed manifest into a finished video, which is replaced at once. It is left as it was if
   * that fails.
   * @throws LatentSyncError `runtime`, `disk_full` or `io`; the signal's reason on abort.
   */
  sign(path: string, options?: { readonly signal?: AbortSignal }): Promise<void>;
}

/** The part of the library that is used. */
interface C2paLibrary {
  readonly Builder: {
    withJson(manifest: object): {
      signAsync(
        signer: object,
        input: C2paFile,
        output: { readonly path: string },
      ): Promise<Buffer>;
    };
  };
  readonly CallbackSigner: {
    newSigner(
      settings: {
        readonly alg: string;
        readonly certs: readonly Buffer[];
        readonly reserveSize: number;
        readonly directCoseHandling: boolean;
      },
      callback: (data: Buffer) => Promise<Buffer>,
    ): object;
  };
}

interface C2paFile {
  readonly path: string;
  readonly mimeType: string;
}

const MIME_TYPES: Readonly<Record<string, string>> = {
  ".mp4": "video/mp4",
  ".m4v": "video/mp4",
  ".mov": "video/quicktime",
};

/** Room for the signature beside the certificates. */
const SIGNATURE_BYTES = 4096;

/**
 * Makes the signer that the options ask for, so that a wrong key is found before the work.
 * @param output the video's path: C2PA knows MP4 and QuickTime.
 * @throws LatentSyncError `invalid_argument`, `not_found`, `io`, or `unsupported` without the library.
 */
export async function openSigner(
  { c2paCert, c2paKey }: SigningFlags,
  output: string,
): Promise<OutputSigner | undefined> {
  if (c2paCert === undefined && c2paKey === undefined) return undefined;
  if (c2paCert === undefined || c2paKey === undefined) {
    throw new LatentSyncError("invalid_argument", "A signature needs a certificate and its key.", {
      hint: "Give both, --c2pa-cert and --c2pa-key.",
    });
  }
  const mimeType = MIME_TYPES[extname(output).toLowerCase()];
  if (mimeType === undefined) {
    throw new LatentSyncError("invalid_argument", `${output} cannot be signed after C2PA.`, {
      hint: `Give an output that ends in ${Object.keys(MIME_TYPES).join(", ")}.`,
    });
  }
  const credentials = await readCredentials(c2paCert, c2paKey);
  return createSigner(await loadLibrary(), credentials, mimeType);
}

async function loadLibrary(): Promise<C2paLibrary> {
  const name: string = "@contentauth/c2pa-node";
  try {
    return (await import(name)) as C2paLibrary;
  } catch (cause) {
    throw new LatentSyncError("unsupported", `Signing needs ${name}, which cannot be loaded.`, {
      cause,
      hint: `Install it beside this program: npm install ${name}. Its package holds the library for Linux on x64; for other systems its install script fetches one.`,
    });
  }
}

interface Credentials {
  /** The signer's, then those that lead to the root. */
  readonly chain: readonly X509Certificate[];
  readonly key: KeyObject;
  readonly algorithm: Algorithm;
}

/** A signature algorithm of COSE, and how `node:crypto` makes it. */
interface Algorithm {
  readonly name: string;
  readonly digest: string | null;
}

async function readCredentials(certificate: string, keyPath: string): Promise<Credentials> {
  // One after the other: with both missing, the error names the same file every time.
  const chainText = await readText(certificate);
  const keyText = await readText(keyPath);
  const blocks = chainText.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  try {
    const chain = (blocks ?? []).map((block) => new X509Certificate(block));
    const [first] = chain;
    if (first === undefined) throw wrongCredentials(`${certificate} holds no certificate`);
    const key = createPrivateKey(keyText);
    if (!first.checkPrivateKey(key)) {
      throw wrongCredentials(
        `${keyPath} is not the key of the first certificate in ${certificate}`,
      );
    }
    return { chain, key, algorithm: algorithmOf(key, keyPath) };
  } catch (error) {
    if (LatentSyncError.is(error)) throw error;
    throw wrongCredentials(`${certificate} or ${keyPath} cannot be read`, error);
  }
}

async function readText(path: string): Promise<string> {
  await checkInputFile(path);
  return readFile(path, "utf8").catch((error: unknown) => {
    throw toFileError(error, path);
  });
}

const CURVES: Readonly<Record<string, Algorithm>> = {
  prime256v1: { name: "es256", digest: "sha256" },
  secp384r1: { name: "es384", digest: "sha384" },
  secp521r1: { name: "es512", digest: "sha512" },
};

function algorithmOf(key: KeyObject, path: string): Algorithm {
  const type = key.asymmetricKeyType;
  const curve = key.asymmetricKeyDetails?.namedCurve ?? "";
  const algorithm =
    type === "ed25519"
      ? { name: "ed25519", digest: null }
      : type === "rsa" || type === "rsa-pss"
        ? { name: "ps256", digest: "sha256" }
        : CURVES[curve];
  if (algorithm !== undefined) return algorithm;
  throw wrongCredentials(`${path} is a key of the kind ${type} ${curve}, which C2PA does not have`);
}

function wrongCredentials(problem: string, cause?: unknown): LatentSyncError {
  return new LatentSyncError("invalid_argument", `The video cannot be signed: ${problem}.`, {
    cause,
    hint: "Give PEM files: the chain with the signer's certificate first, and its unencrypted key.",
  });
}

const signBytes = promisify(sign);

function createSigner(
  { Builder, CallbackSigner }: C2paLibrary,
  { chain, key, algorithm }: Credentials,
  mimeType: string,
): OutputSigner {
  const certs = chain.map((certificate) => Buffer.from(certificate.toString()));
  const reserveSize = certs.reduce((sum, { length }) => sum + length, SIGNATURE_BYTES);
  const settings = { alg: algorithm.name, certs, reserveSize, directCoseHandling: false };
  const signer = CallbackSigner.newSigner(settings, (data) =>
    signBytes(algorithm.digest, data, {
      key,
      // As COSE has them.
      dsaEncoding: "ieee-p1363",
      ...(algorithm.name === "ps256"
        ? {
            padding: constants.RSA_PKCS1_PSS_PADDING,
            saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
          }
        : {}),
    }),
  );
  return {
    async sign(path, { signal } = {}) {
      const absolute = resolve(path);
      const folder = await mkdtemp(join(dirname(absolute), `.${basename(absolute)}-`)).catch(
        (error: unknown) => {
          throw toFileError(error, absolute);
        },
      );
      const signed = join(folder, basename(absolute));
      try {
        signal?.throwIfAborted();
        await Builder.withJson(manifestOf()).signAsync(
          signer,
          { path: absolute, mimeType },
          { path: signed },
        );
        signal?.throwIfAborted();
        await rename(signed, absolute);
      } catch (error) {
        signal?.throwIfAborted();
        throw signingFailure(error, path);
      } finally {
        await rm(folder, { recursive: true, force: true, maxRetries: 3 });
      }
    },
  };
}

function signingFailure(error: unknown, path: string): LatentSyncError {
  if (error instanceof Error && "syscall" in error) return toFileError(error, path);
  const reason = error instanceof Error ? error.message : String(error);
  return new LatentSyncError("runtime", `${path} could not be signed after C2PA: ${reason}`, {
    cause: error,
    hint: "Check that the certificate is one for C2PA: valid now, not self-signed, with a usage that it allows.",
  });
}

/** The claim: a generative model has made a part of this. Names of files stay with the user. */
function manifestOf(): object {
  const software = { name: "latentsync-ts", version: packageVersion() };
  return {
    claim_generator_info: [software],
    assertions: [
      {
        label: "c2pa.actions.v2",
        data: {
          actions: [
            {
              action: "c2pa.created",
              softwareAgent: software,
              digitalSourceType: DIGITAL_SOURCE_TYPE,
              description: "Artificial intelligence made the mouth in this video speak.",
            },
          ],
        },
      },
    ],
  };
}
