/** Names to checked addresses; what was checked is what is connected to. */
import { lookup } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { LatentSyncError } from "@ls/core";
import {
  type AddressPolicy,
  type Destination,
  isPublicAddress,
  notPublic,
} from "./address-policy.ts";

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** All addresses of a name. */
export type ResolveHost = (hostname: string) => Promise<readonly ResolvedAddress[]>;

/** As the system resolves names, in its order. */
export const resolveWithSystem: ResolveHost = (hostname) =>
  lookup(hostname, { all: true, order: "verbatim" });

/**
 * The addresses of a destination, every one of them allowed.
 * @throws LatentSyncError `forbidden`, `network`, `timeout`.
 */
export async function resolveAllowed(
  destination: Destination,
  options: {
    readonly policy: AddressPolicy;
    readonly resolve: ResolveHost;
    readonly timeoutMs: number;
  },
): Promise<readonly ResolvedAddress[]> {
  const { policy, resolve, timeoutMs } = options;
  const { hostname } = destination;
  policy.checkHost(destination);
  const family = isIP(hostname);
  if (family !== 0) return [{ address: hostname, family }];
  const addresses = await withTimeout(resolve(hostname), timeoutMs, hostname).catch(
    (cause: unknown) => {
      throw LatentSyncError.is(cause) ? cause : notFound(hostname, cause);
    },
  );
  if (addresses.length === 0) throw notFound(hostname);
  const mayBePrivate = policy.mayBePrivate(destination);
  if (!mayBePrivate && !addresses.every(({ address }) => isPublicAddress(address))) {
    throw notPublic(destination);
  }
  return addresses;
}

/** A `lookup` that knows these addresses only, so that the name is not asked for a second time. */
export function pinnedLookup(addresses: readonly ResolvedAddress[]): LookupFunction {
  return (_hostname, options, callback) => {
    const wanted = addresses.filter(
      ({ family }) =>
        !options.family || options.family === family || options.family === `IPv${family}`,
    );
    const first = wanted[0];
    if (!first) {
      callback(new Error("The host has no address of this family."), "", 0);
    } else if (options.all) {
      callback(null, [...wanted]);
    } else {
      callback(null, first.address, first.family);
    }
  };
}

async function withTimeout<T>(work: Promise<T>, timeoutMs: number, hostname: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(
        new LatentSyncError(
          "timeout",
          `The name ${hostname} was not resolved in ${timeoutMs} ms.`,
          {
            hint: "Try again later.",
          },
        ),
      );
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function notFound(hostname: string, cause?: unknown): LatentSyncError {
  return new LatentSyncError("network", `The host ${hostname} cannot be found.`, {
    cause,
    hint: "Check the address, or try again later.",
  });
}
