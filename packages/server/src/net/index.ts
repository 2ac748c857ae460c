export { isPublicAddress } from "./address-policy.ts";
export type { ResolvedAddress, ResolveHost } from "./address-resolver.ts";
export type { ConnectorLimits } from "./connector-limits.ts";
export type { GuardedRequest } from "./exchange.ts";
export { describeUrl, toNetworkError } from "./network-error.ts";
export {
  createGuardedConnector,
  type GuardedConnector,
  type GuardedConnectorOptions,
} from "./guarded-connector.ts";
export { watchedBody } from "./watched-body.ts";
