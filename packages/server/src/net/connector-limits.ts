import type { TransferLimits } from "./transfer-watch.ts";

export interface ConnectorLimits extends TransferLimits {
  /** For name, connection and TLS. Default 10,000. */
  readonly connectTimeoutMs: number;
  /** From the request to the head of the answer. Default 60,000. */
  readonly headersTimeoutMs: number;
  /** Average that a peer must bring or take over `transferWindowMs`. Default 1024. */
  readonly minBytesPerSecond: number;
  /** Default 20,000. */
  readonly transferWindowMs: number;
  /** For a whole exchange with its body. Default 6 hours. */
  readonly totalTimeoutMs: number;
  /** Connections to one origin at a time. Default 64. */
  readonly maxConnectionsPerOrigin: number;
}

export const defaultConnectorLimits: ConnectorLimits = {
  connectTimeoutMs: 10_000,
  headersTimeoutMs: 60_000,
  minBytesPerSecond: 1024,
  transferWindowMs: 20_000,
  totalTimeoutMs: 6 * 3_600_000,
  maxConnectionsPerOrigin: 64,
};
