/** The guard as agents of `node:http` and `node:https`, for libraries that take those. */
import { Agent as HttpAgent, type AgentOptions, type ClientRequestArgs } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { LookupFunction } from "node:net";
import type { Duplex } from "node:stream";
import type { Destination } from "./address-policy.ts";

/** Checks a destination, and gives a `lookup` that leads to the checked addresses. */
export type Guard = (destination: Destination) => Promise<LookupFunction>;

type Connected = (error: Error | null, stream: Duplex) => void;

function destinationOf(protocol: string, options: ClientRequestArgs): Destination {
  const defaultPort = protocol === "https:" ? 443 : 80;
  return {
    protocol,
    hostname: options.host ?? options.hostname ?? "localhost",
    port: Number(options.port ?? defaultPort),
  };
}

/** Connects by `connect` once the guard agrees, unless the request asks for a local socket. */
function connectGuarded(
  guard: Guard,
  destination: Destination,
  connect: (lookup: LookupFunction) => Duplex | null | undefined,
  callback: Connected | undefined,
): void {
  const report = (error: unknown): void => {
    callback?.(error instanceof Error ? error : new Error(String(error)), undefined as never);
  };
  guard(destination)
    .then((lookup) => {
      const stream = connect(lookup);
      if (stream) callback?.(null, stream);
    })
    .catch(report);
}

export class GuardedHttpAgent extends HttpAgent {
  readonly #guard: Guard;

  constructor(guard: Guard, options: AgentOptions) {
    super(options);
    this.#guard = guard;
  }

  override createConnection(options: ClientRequestArgs, callback?: Connected): undefined {
    const connect = (lookup: LookupFunction): Duplex | null | undefined =>
      super.createConnection({ ...options, lookup, socketPath: undefined });
    connectGuarded(this.#guard, destinationOf("http:", options), connect, callback);
  }
}

export class GuardedHttpsAgent extends HttpsAgent {
  readonly #guard: Guard;

  constructor(guard: Guard, options: AgentOptions) {
    super(options);
    this.#guard = guard;
  }

  override createConnection(options: ClientRequestArgs, callback?: Connected): undefined {
    const connect = (lookup: LookupFunction): Duplex | null | undefined =>
      super.createConnection({ ...options, lookup, socketPath: undefined });
    connectGuarded(this.#guard, destinationOf("https:", options), connect, callback);
  }
}
