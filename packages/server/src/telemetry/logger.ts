/** Logs: a line of JSON for each event, with secrets removed. */
import { pino, stdTimeFunctions, type DestinationStream, type Logger } from "pino";
import { redact } from "./redact.ts";

export interface LoggerOptions {
  /** Default `info`. */
  readonly level?: "debug" | "info" | "warn" | "error" | "silent";
  /**
   * Where whole lines go. Default: standard output. Whatever else writes to the same place, such as
   * chart lines, should write through the same object, so that lines stay whole.
   */
  readonly destination?: DestinationStream;
}

/**
 * A logger that writes lines such as
 * `{"level":"info","time":"2026-01-01T00:00:00.000Z","job":"…","msg":"…"}`. Query strings of URLs,
 * API keys and tokens are replaced in everything that it writes, messages and errors included.
 */
export function createLogger(options: LoggerOptions = {}): Logger {
  return pino(
    {
      level: options.level ?? "info",
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: redact },
    },
    options.destination ?? pino.destination({ fd: 1, sync: true }),
  );
}

/** A logger whose lines carry the id of a job. */
export function jobLogger(logger: Logger, job: { readonly id: string }): Logger {
  return logger.child({ job: job.id });
}
