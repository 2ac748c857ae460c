/**
 * The one way out: every outbound connection of the service is made here. Names are resolved once,
 * every address is checked, and the checked address is the one that is connected to, while TLS and
 * the `Host` header keep the name. Proxy variables of the environment are ignored on purpose: a
 * proxy would resolve names itself, past these checks.
 */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { Agent, buildConnector } from "undici";
import { AddressPolicy, type AddressPolicyOptions } from "./address-policy.ts";
import {
  pinnedLookup,
  resolveAllowed,
  type ResolveHost,
  resolveWithSystem,
} from "./address-resolver.ts";
import { type ConnectorLimits, defaultConnectorLimits } from "./connector-limits.ts";
import { exchange, type GuardedRequest } from "./exchange.ts";
import { type Guard, guardAgent } from "./guarded-agents.ts";

export interface GuardedConnectorOptions extends AddressPolicyOptions, Partial<ConnectorLimits> {
  /** Resolves names; default: as the system does. */
  readonly resolve?: ResolveHost;
}

export interface GuardedConnector extends AsyncDisposable {
  /**
   * As the `fetch` of the platform, but guarded: http(s) only, no user names in URLs, redirects
   * rechecked one by one, no cookies, no cache, no decoding of `Content-Encoding`. The answer's body
   * must be read or cancelled.
   *
   * Redirects: GET and HEAD follow up to `maxRedirects`. Any other method follows 307 and 308 only,
   * sending the same again to the new address, and fails on the others, since those would turn it
   * into a GET. A redirect from https to http is refused; `Authorization` and `Cookie` stay behind
   * when the origin changes.
   * @throws LatentSyncError `forbidden`, `network`, `timeout`; the signal's reason on abort. Reading
   * the body throws the same.
   */
  fetch(url: string | URL, request?: GuardedRequest): Promise<Response>;
  /**
   * Refuses what can be refused without a connection.
   * @throws LatentSyncError `forbidden`.
   */
  checkUrl(url: URL): void;
  /** The same guard for libraries. They must not follow redirects to other protocols themselves. */
  readonly httpAgent: HttpAgent;
  readonly httpsAgent: HttpsAgent;
  readonly limits: ConnectorLimits;
}

const MAX_HEADER_BYTES = 16 * 1024;

/** @throws LatentSyncError `invalid_argument` if a host entry cannot be read. */
export function createGuardedConnector(options: GuardedConnectorOptions = {}): GuardedConnector {
  const limits: ConnectorLimits = { ...defaultConnectorLimits, ...withoutUndefined(options) };
  const policy = new AddressPolicy(options);
  const resolve = options.resolve ?? resolveWithSystem;
  const guard: Guard = async (destination) =>
    pinnedLookup(
      await resolveAllowed(destination, { policy, resolve, timeoutMs: limits.connectTimeoutMs }),
    );
  const dispatcher = createDispatcher(guard, limits);
  const agentOptions = { keepAlive: true, maxSockets: limits.maxConnectionsPerOrigin };
  const httpAgent = new HttpAgent(agentOptions);
  const httpsAgent = new HttpsAgent(agentOptions);
  for (const agent of [httpAgent, httpsAgent]) guardAgent(agent, guard);
  return {
    limits,
    httpAgent,
    httpsAgent,
    checkUrl: (url) => policy.checkUrl(url),
    fetch: (url, request = {}) => exchange(url, request, { dispatcher, policy, limits }),
    async [Symbol.asyncDispose]() {
      httpAgent.destroy();
      httpsAgent.destroy();
      await dispatcher.destroy();
    },
  };
}

function withoutUndefined(options: GuardedConnectorOptions): Partial<ConnectorLimits> {
  return Object.fromEntries(
    Object.entries(options).filter(
      ([name, value]) => name in defaultConnectorLimits && value !== undefined,
    ),
  );
}

function createDispatcher(guard: Guard, limits: ConnectorLimits): Agent {
  const connect: buildConnector.connector = (options, callback) => {
    const { protocol, hostname } = options;
    const port = Number(options.port || (protocol === "https:" ? 443 : 80));
    guard({ hostname: hostname.replace(/^\[(.*)\]$/, "$1"), port }).then(
      (lookup) => {
        // A connector per connection, since the checked addresses belong to this one alone.
        const pinned = { lookup, timeout: limits.connectTimeoutMs, allowH2: false };
        buildConnector(pinned)(options, callback);
      },
      (error: Error) => callback(error, null),
    );
  };
  return new Agent({
    connect,
    connections: limits.maxConnectionsPerOrigin,
    headersTimeout: limits.headersTimeoutMs,
    // The transfer watch measures bodies, and does not count the time of a slow reader.
    bodyTimeout: 0,
    maxHeaderSize: MAX_HEADER_BYTES,
  });
}
