/**
 * Loaded into the service in front of everything else: a resolver that answers hostile names, as the
 * name servers of an attacker would. All other names are the system's.
 */
import dns from "node:dns/promises";
import { syncBuiltinESMExports } from "node:module";

interface Answer {
  readonly address: string;
  readonly family: number;
}

/** Public by its number; nothing is there, and machines without IPv6 do not even send. */
const PUBLIC: Answer = { address: "2600::dead", family: 6 };
const LOOPBACK: Answer = { address: "127.0.0.1", family: 4 };

const asked = new Map<string, number>();

function answers(hostname: string): readonly Answer[] | undefined {
  const times = (asked.get(hostname) ?? 0) + 1;
  asked.set(hostname, times);
  if (hostname.endsWith("inside.test")) return [LOOPBACK];
  if (hostname.endsWith("inside6.test")) return [{ address: "::1", family: 6 }];
  if (hostname.endsWith("mapped.test")) return [{ address: "::ffff:127.0.0.1", family: 6 }];
  if (hostname.endsWith("mixed.test")) return [PUBLIC, LOOPBACK];
  if (hostname.endsWith("metadata.test")) return [{ address: "169.254.169.254", family: 4 }];
  if (hostname.endsWith("rebind.test")) return times % 2 === 1 ? [PUBLIC] : [LOOPBACK];
  return undefined;
}

const system = dns.lookup;
Object.assign(dns, {
  lookup: async (hostname: string, options: object) =>
    answers(hostname) ?? (await system(hostname, options)),
});
syncBuiltinESMExports();
