import { readConfiguration } from "../../src/configuration.ts";
import { listen } from "../../src/http/listen.ts";
/**
 * The whole service as a process of its own, as `serve` runs it but with another engine. Its
 * argument is a JSON `ServiceProcessOptions`; it prints its address, and later the log.
 */
import { createService } from "../../src/service/service.ts";
import { shutDown } from "../../src/service/shut-down.ts";

export interface ServiceProcessOptions {
  readonly environment: Readonly<Record<string, string>>;
  readonly engineModule: string;
  readonly engineOptions: Readonly<Record<string, unknown>>;
}

const { environment, engineModule, engineOptions } = JSON.parse(
  process.argv[2] ?? "{}",
) as ServiceProcessOptions;
const configuration = await readConfiguration({ env: environment });
const service = await createService({
  configuration,
  version: "0.0.0-faults",
  engine: { module: engineModule, options: engineOptions },
  checkWeights: async () => [],
});
const { host, port, drainSeconds } = configuration;
const listening = await listen({ app: service.app, port, host });
process.stderr.write(`Listening on ${listening.url}\n`);
process.once("SIGTERM", () => {
  void shutDown({ service, listening, drainSeconds }).then(
    async () => await service[Symbol.asyncDispose](),
  );
});
