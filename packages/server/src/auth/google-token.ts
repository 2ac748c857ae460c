/** Identity tokens of Google accounts and service accounts, as Cloud Run and Pub/Sub send them. */
import { LatentSyncError } from "@ls/core";
import { createRemoteJWKSet, customFetch, errors, type JWTPayload, jwtVerify } from "jose";
import type { Authenticate, Identity } from "../http/services.ts";
import type { GuardedConnector } from "../net/guarded-connector.ts";
import { bearerToken } from "./bearer-token.ts";

const ISSUERS = ["https://accounts.google.com", "accounts.google.com"];
const KEYS_URL = "https://www.googleapis.com/oauth2/v3/certs";
const DEFAULT_CLOCK_TOLERANCE_SECONDS = 30;
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

export interface GoogleTokenOptions {
  /** URL of this service, as tokens name it. */
  readonly audience: string | readonly string[];
  /** E-mail addresses that may come. */
  readonly emails: readonly string[];
  /** Those of them that are administrators. */
  readonly adminEmails?: readonly string[];
  readonly quota?: Identity["quota"];
  /** Gets Google's keys: the guarded connector's. */
  readonly fetch: GuardedConnector["fetch"];
  /** Default: Google's. */
  readonly keysUrl?: string;
  readonly issuers?: readonly string[];
  /** Default 30. */
  readonly clockToleranceSeconds?: number;
}

/**
 * Knows callers by `Authorization: Bearer` with an identity token that Google signed for this
 * audience, whose e-mail address is verified and listed. Google's keys are fetched when they are
 * needed, and again when a token names an unknown one.
 */
export function createGoogleTokenAuthenticator(options: GoogleTokenOptions): Authenticate {
  const keys = createRemoteJWKSet(new URL(options.keysUrl ?? KEYS_URL), {
    [customFetch]: (url, { headers, signal }) => options.fetch(url, { headers, signal }),
  });
  const emails = new Set(options.emails.map(normalized));
  const admins = new Set(options.adminEmails?.map(normalized));
  return async (request) => {
    const token = bearerToken(request);
    if (token === undefined || !JWT.test(token)) return undefined;
    const payload = await verified(() =>
      jwtVerify(token, keys, {
        algorithms: ["RS256"],
        audience: typeof options.audience === "string" ? options.audience : [...options.audience],
        issuer: [...(options.issuers ?? ISSUERS)],
        clockTolerance: options.clockToleranceSeconds ?? DEFAULT_CLOCK_TOLERANCE_SECONDS,
        requiredClaims: ["exp", "iat", "sub"],
      }),
    );
    const email = payload && verifiedEmail(payload);
    if (email === undefined || !emails.has(email)) return undefined;
    const { quota } = options;
    return { id: email, role: admins.has(email) ? "admin" : "user", ...(quota && { quota }) };
  };
}

/** Claims of a valid token, `undefined` for a bad one. */
async function verified(
  verify: () => Promise<{ readonly payload: JWTPayload }>,
): Promise<JWTPayload | undefined> {
  try {
    return (await verify()).payload;
  } catch (error) {
    const isTokenBad = error instanceof errors.JOSEError && !isKeyProblem(error);
    if (isTokenBad) return undefined;
    throw new LatentSyncError("unavailable", "Google's keys cannot be fetched now.", {
      cause: error,
      hint: "Try again in a moment; the server must reach www.googleapis.com.",
    });
  }
}

/** Generic errors are what the fetch answered with, such as a status other than 200. */
function isKeyProblem(error: errors.JOSEError): boolean {
  return error instanceof errors.JWKSTimeout || error.code === errors.JOSEError.code;
}

function verifiedEmail({ email, email_verified: isVerified }: JWTPayload): string | undefined {
  return isVerified === true && typeof email === "string" ? normalized(email) : undefined;
}

function normalized(email: string): string {
  return email.trim().toLowerCase();
}
