import { LatentSyncError } from "@ls/core";
import type { GoogleAuth } from "google-auth-library";

/** Gives the tokens that requests to Google Cloud are signed with. */
export interface GoogleTokens {
  /** `undefined`: requests go out unsigned, for public objects and emulators. */
  accessToken(): Promise<string | undefined>;
}

const SCOPE = "https://www.googleapis.com/auth/devstorage.read_write";

/**
 * Tokens of the application default credentials: a key file, workload identity, or the machine's
 * service account. They are fetched by Google's library itself and not through the guarded
 * connector: where from is said by the operator's credentials alone, often the metadata service at
 * 169.254.169.254, which no client's URL may reach.
 */
export function createGoogleTokens(): GoogleTokens {
  let auth: Promise<GoogleAuth> | undefined;
  return {
    async accessToken() {
      try {
        auth ??= import("google-auth-library").then(
          (library) => new library.GoogleAuth({ scopes: [SCOPE] }),
        );
        return (await (await auth).getAccessToken()) ?? undefined;
      } catch (cause) {
        throw new LatentSyncError("unavailable", "No access token for Google Cloud is to be had.", {
          cause,
          hint: "The operator sets GOOGLE_APPLICATION_CREDENTIALS or gives the machine a service account.",
        });
      }
    },
  };
}

/** Unsigned requests. */
export const anonymousGoogleTokens: GoogleTokens = { accessToken: async () => undefined };
