import { LatentSyncError, type LatentSyncErrorCode } from "@ls/core";
import { type Command, Option } from "commander";
import type { CommandContext } from "../command-context.ts";
import { debugOption, jsonOption } from "../options.ts";

interface SubmitOptions {
  readonly server: string;
  readonly apiKey?: string;
  readonly detach?: boolean;
  readonly json?: boolean;
}

/** What is read of the service's answers. */
interface JobAnswer {
  readonly job_id: string;
  readonly status: string;
  readonly error?: string;
  readonly error_code?: LatentSyncErrorCode;
  readonly error_hint?: string;
}

const EXAMPLES = `
Examples:
  latentsync-ts submit --video-in https://example.com/face.mp4 --audio-in https://example.com/a.wav \\
    --out https://bucket.example.com/signed-url
  latentsync-ts submit --server https://lipsync.example.com --video-in gs://in/v.mp4 \\
    --audio-in gs://in/a.wav --out gs://out/o.mp4 --detach
`;

export function addSubmitCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("submit")
    .description("have a running service do a job, and follow it to its end")
    .addOption(
      new Option("--server <url>", "where the service is")
        .env("LATENTSYNC_URL")
        .default("http://127.0.0.1:8080"),
    )
    .addOption(new Option("--api-key <key>", "your key").env("LATENTSYNC_API_KEY"))
    .option("--detach", "print the job's id and do not wait for its end")
    .addOption(jsonOption())
    .addOption(debugOption())
    .addHelpText("after", EXAMPLES)
    .action((options: SubmitOptions) => submit(options, command, context));
  program.hook("preSubcommand", async (_program, chosen) => {
    if (chosen !== command) return;
    const { describeJobOptions } = await import("@ls/server");
    for (const { flag, description, isRequired } of describeJobOptions()) {
      command.addOption(new Option(`${flag} <value>`, description).makeOptionMandatory(isRequired));
    }
  });
}

async function submit(
  options: SubmitOptions,
  command: Command,
  { terminal, signal }: CommandContext,
): Promise<void> {
  const { describeJobOptions, readJobOptions } = await import("@ls/server");
  const fields = describeJobOptions().map(({ field, flag }) => {
    const option = command.options.find(({ long }) => long === flag);
    const value: unknown = option && command.getOptionValue(option.attributeName());
    return [field, typeof value === "string" ? value : undefined] as const;
  });
  const request = readJobOptions(Object.fromEntries(fields));
  const service = new ServiceClient(options, signal);
  const created = await service.json("jobs", {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": crypto.randomUUID() },
    body: JSON.stringify(request),
  });
  if (options.detach === true) {
    terminal.stdout.write(
      options.json === true ? `${JSON.stringify(created)}\n` : `${created.job_id}\n`,
    );
    return;
  }
  const path = `jobs/${created.job_id}`;
  const log = await service.fetch(`${path}/log?follow=1`);
  for await (const part of (log.body ?? []) as AsyncIterable<Uint8Array>)
    terminal.stderr.write(part);
  const job = await service.json(path);
  if (options.json === true) terminal.stdout.write(`${JSON.stringify(job)}\n`);
  if (job.status === "failed") {
    throw new LatentSyncError(job.error_code ?? "runtime", job.error ?? "The job has failed.", {
      ...(job.error_hint !== undefined && { hint: job.error_hint }),
    });
  }
  if (job.status !== "completed") {
    throw new LatentSyncError("network", `The log of ${created.job_id} ended before the job.`, {
      hint: `The job goes on; ask ${new URL(path, service.base).href} for it.`,
    });
  }
  if (options.json !== true) terminal.stdout.write(`${created.job_id}\n`);
}

class ServiceClient {
  readonly base: URL;
  readonly #apiKey: string | undefined;
  readonly #signal: AbortSignal;

  constructor({ server, apiKey }: SubmitOptions, signal: AbortSignal) {
    if (!URL.canParse(server)) {
      throw new LatentSyncError("invalid_argument", `--server ${server} is not a URL.`, {
        hint: "Write it with its protocol, such as http://127.0.0.1:8080.",
      });
    }
    this.base = new URL(server.endsWith("/") ? server : `${server}/`);
    this.#apiKey = apiKey;
    this.#signal = signal;
  }

  async json(path: string, init: RequestInit = {}): Promise<JobAnswer> {
    return (await (await this.fetch(path, init)).json()) as JobAnswer;
  }

  /** @throws LatentSyncError with what the service says, if it refuses. */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.#apiKey !== undefined) headers.set("x-api-key", this.#apiKey);
    let response: Response;
    try {
      response = await fetch(new URL(path, this.base), { ...init, headers, signal: this.#signal });
    } catch (cause) {
      this.#signal.throwIfAborted();
      throw new LatentSyncError("network", `The service at ${this.base.href} does not answer.`, {
        cause,
        hint: "Start one with latentsync-ts serve, or name another with --server.",
      });
    }
    if (response.ok) return response;
    const problem = (await response.json().catch(() => ({}))) as {
      readonly detail?: string;
      readonly hint?: string;
    };
    throw new LatentSyncError(
      "invalid_argument",
      `The service answers ${response.status}: ${problem.detail ?? response.statusText}`,
      { ...(problem.hint !== undefined && { hint: problem.hint }) },
    );
  }
}
