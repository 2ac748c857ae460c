/** For runtimes on other native libraries: sessions in a worker, their order, checks and disposal. */
export { probeCapabilities } from "./device-probe.ts";
export {
  fixDimensions,
  HostedRuntime,
  type HostedRuntimeOptions,
  type SessionWishes,
} from "./hosted-runtime.ts";
export type { HostedSession, Tensors } from "./messages.ts";
export { loadError, runError } from "./native-errors.ts";
export { silenceTelemetry } from "./ort-module.ts";
export type { SessionHost } from "./session-host.ts";
export { serveSessions } from "./session-server.ts";
export { checkThreads } from "./threads.ts";
export { WorkerHost } from "./worker-host.ts";
