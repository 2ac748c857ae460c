/** Private by default: a server without credentials answers its own machine only. */
import { LatentSyncError } from "@ls/core";
import ipaddr from "ipaddr.js";
import type { Authenticate } from "../http/services.ts";

/** Whether a host to listen on, or to be called by, is this machine. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, "").toLowerCase();
  if (name === "localhost" || name.endsWith(".localhost")) return true;
  return ipaddr.isValid(name) && ipaddr.process(name).range() === "loopback";
}

/**
 * Refuses to start a server that anybody could reach and use.
 * @throws LatentSyncError `forbidden`.
 */
export function assertSafeExposure(options: {
  /** Address that the server binds to. */
  readonly host: string;
  /** Whether callers must identify themselves. */
  readonly authenticated: boolean;
  /** The operator has said that anybody may use it. */
  readonly allowOpen: boolean;
}): void {
  if (options.authenticated || options.allowOpen || isLoopback(options.host)) return;
  throw new LatentSyncError(
    "forbidden",
    `The server would listen on ${options.host} without any credentials.`,
    {
      hint: "Set API_KEYS, API_KEYS_FILE or GOOGLE_AUDIENCE, bind to HOST=127.0.0.1, or allow everybody with --no-auth.",
    },
  );
}

/**
 * Lets everybody in as `anonymous`. With `loopbackOnly` the request must name this machine as its
 * host, so that a web site cannot reach it under a name of its own; other sites' scripts are refused
 * in any case.
 */
export function createOpenAuthenticator(options: { readonly loopbackOnly: boolean }): Authenticate {
  return async (request) => {
    const host = new URL(request.url).hostname;
    if (options.loopbackOnly && !isLoopback(host)) {
      throw new LatentSyncError("forbidden", `This server does not answer to the name ${host}.`, {
        hint: "Call it as localhost, or set up API keys.",
      });
    }
    const isChanging = request.method !== "GET" && request.method !== "HEAD";
    if (isChanging && request.headers.get("sec-fetch-site") === "cross-site") {
      throw new LatentSyncError("forbidden", "Another web site sent this request.", {
        hint: "Set up API keys to use the service from other origins.",
      });
    }
    return { id: "anonymous", role: "admin" };
  };
}

/** Asks each in turn; the first that knows the caller decides. */
export function combineAuthenticators(authenticators: readonly Authenticate[]): Authenticate {
  return async (request) => {
    for (const authenticate of authenticators) {
      const identity = await authenticate(request);
      if (identity) return identity;
    }
    return undefined;
  };
}
