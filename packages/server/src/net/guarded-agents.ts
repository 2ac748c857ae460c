/** The guard on agents of `node:http` and `node:https`, for libraries that take those. */
import type { Agent, ClientRequestArgs } from "node:http";
import type { LookupFunction } from "node:net";
import type { Duplex } from "node:stream";
import type { Destination } from "./address-policy.ts";

/** Checks a destination, and gives a `lookup` that leads to the checked addresses. */
export type Guard = (destination: Destination) => Promise<LookupFunction>;

type Connected = (error: Error | null, stream: Duplex) => void;

/**
 * Has an agent ask the guard before each connection. It then connects to the checked addresses alone,
 * also where a request asks for a local socket.
 */
export function guardAgent(agent: Agent, guard: Guard): void {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options: ClientRequestArgs, callback?: Connected): undefined => {
    const { host, hostname, port } = options;
    guard({ hostname: host ?? hostname ?? "localhost", port: Number(port) })
      .then((lookup) => {
        // Agents copy a request's socketPath to path, and whichever is set goes before host and port.
        const stream = connect({ ...options, lookup, path: undefined, socketPath: undefined });
        if (stream) callback?.(null, stream);
      })
      .catch((error: unknown) => {
        callback?.(error instanceof Error ? error : new Error(String(error)), undefined as never);
      });
  };
}
