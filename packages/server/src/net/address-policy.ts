import { LatentSyncError } from "@ls/core";
/** Which hosts and addresses outbound connections may reach. */
import ipaddr from "ipaddr.js";

/** Global unicast, the only part of IPv6 that is given out to networks. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR("2000::/3");
/** NAT64: how an IPv4 address is reached from a network that has IPv6 only. */
const NAT64 = ipaddr.IPv6.parseCIDR("64:ff9b::/96");
/** Public by its number, but on Azure it is the platform's own service to each machine. */
const AZURE_PLATFORM = "168.63.129.16";

/**
 * Whether an address belongs to the public internet: not this machine, its network, its cloud's
 * metadata service, or a form of IPv6 that carries such an IPv4 address.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  if (parsed instanceof ipaddr.IPv4) {
    return parsed.range() === "unicast" && parsed.toString() !== AZURE_PLATFORM;
  }
  if (parsed.isIPv4MappedAddress()) return isPublicAddress(parsed.toIPv4Address().toString());
  if (parsed.match(NAT64)) {
    return isPublicAddress(parsed.toByteArray().slice(-4).join("."));
  }
  return parsed.match(GLOBAL_IPV6) && parsed.range() === "unicast";
}

/** Most names are told apart without the exceptions that the parser of addresses throws and catches. */
function isAddress(hostname: string): boolean {
  return /^\d|:/.test(hostname) && ipaddr.isValid(hostname);
}

export interface AddressPolicyOptions {
  /** Private hosts that may be reached, as `host:port`; IPv6 in brackets. Names are not resolved. */
  readonly allowedPrivateHosts?: readonly string[];
  /** If given, only these names and the allowed private hosts; `*.example.com` means all below. */
  readonly allowedHosts?: readonly string[];
}

/** Where a connection goes. */
export interface Destination {
  /** Without brackets. */
  readonly hostname: string;
  readonly port: number;
}

export class AddressPolicy {
  readonly #privateHosts: ReadonlySet<string>;
  readonly #names: ReadonlySet<string> | undefined;
  readonly #suffixes: readonly string[];

  /** @throws LatentSyncError `invalid_argument` if an entry cannot be read. */
  constructor(options: AddressPolicyOptions) {
    this.#privateHosts = new Set((options.allowedPrivateHosts ?? []).map(parseHostAndPort));
    const names = options.allowedHosts?.map(parsePattern);
    this.#names = names && new Set(names.filter((name) => !name.startsWith("*")));
    this.#suffixes = (names ?? [])
      .filter((name) => name.startsWith("*."))
      .map((name) => name.slice(1));
  }

  /**
   * Refuses what can be refused without asking for the name's addresses.
   * @throws LatentSyncError `forbidden`.
   */
  checkUrl(url: URL): void {
    if (url.protocol !== "http:" && url.protocol !== "https:") {
      throw forbidden(`Connections by ${url.protocol} are not allowed, only http: and https:.`);
    }
    if (url.username !== "" || url.password !== "") {
      throw forbidden(
        `The address of ${url.host} holds a user name or password, which is not allowed.`,
        "Leave them out; use a pre-signed URL.",
      );
    }
    this.checkHost(destinationOf(url));
  }

  /** @throws LatentSyncError `forbidden`. */
  checkHost(destination: Destination): void {
    if (this.mayBePrivate(destination)) return;
    const hostname = plainHostname(destination.hostname);
    if (!this.#isListed(hostname)) {
      throw forbidden(
        `Connections to ${hostname} are not allowed: it is not on the list of allowed hosts.`,
        "Use a host that the operator allows.",
      );
    }
    const isLocalName = hostname === "localhost" || hostname.endsWith(".localhost");
    if (isLocalName || (isAddress(hostname) && !isPublicAddress(hostname))) {
      throw notPublic(destination);
    }
  }

  /** Whether the operator has named this host and port. */
  mayBePrivate({ hostname, port }: Destination): boolean {
    return this.#privateHosts.has(`${plainHostname(hostname)}:${port}`);
  }

  #isListed(hostname: string): boolean {
    if (!this.#names) return true;
    return this.#names.has(hostname) || this.#suffixes.some((suffix) => hostname.endsWith(suffix));
  }
}

function destinationOf(url: URL): Destination {
  const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
  return { hostname: plainHostname(url.hostname), port };
}

/** Lower case, without the brackets of IPv6 and the dot of a fully qualified name. */
function plainHostname(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
}

function parseHostAndPort(entry: string): string {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:/@?#\s]+):(\d{1,5})$/.exec(entry.trim());
  const address = match && `http://${match[1]}:${match[2]}`;
  if (!address || !URL.canParse(address)) {
    throw new LatentSyncError(
      "invalid_argument",
      `The allowed private host ${JSON.stringify(entry)} is not of the form host:port.`,
      { hint: "Write, for example, minio.internal:9000 or [fd00::1]:9000." },
    );
  }
  const { hostname, port } = destinationOf(new URL(address));
  return `${hostname}:${port}`;
}

function parsePattern(entry: string): string {
  const pattern = plainHostname(entry.trim());
  if (!/^(\*\.)?[^*\s/@?#]+$/.test(pattern)) {
    throw new LatentSyncError(
      "invalid_argument",
      `The allowed host ${JSON.stringify(entry)} is neither a name nor of the form *.example.com.`,
      { hint: "Write a host's name without protocol and port." },
    );
  }
  return pattern;
}

/** Says the same of every private address, so that the error does not map the inner network. */
export function notPublic({ hostname, port }: Destination): LatentSyncError {
  return forbidden(
    `Connections to ${plainHostname(hostname)}:${port} are not allowed: it is not a public address.`,
    "Use a public http(s) address; the operator can name private hosts in ALLOWED_PRIVATE_HOSTS.",
  );
}

function forbidden(
  message: string,
  hint = "Use a public http(s) address of your storage.",
): LatentSyncError {
  return new LatentSyncError("forbidden", message, { hint });
}
