import { createLogUpdate } from "log-update";
import type { Terminal } from "./terminal.ts";

/** Shows what happens, one event at a time, until it is disposed. */
export interface EventLine<Event> extends Disposable {
  report(event: Event): void;
}

export interface EventLineOptions<Event> {
  readonly terminal: Terminal;
  /** Whether events are printed on stdout as JSON. */
  readonly json: boolean;
  /** An event as a line of text. */
  readonly describe: (event: Event) => string;
}

/**
 * One line that changes on a terminal; elsewhere a line for each new event, but for those of type
 * `progress`.
 */
export function createEventLine<Event extends { readonly type: string }>({
  terminal,
  json,
  describe,
}: EventLineOptions<Event>): EventLine<Event> {
  if (json) {
    return {
      report: (event) => terminal.stdout.write(`${JSON.stringify(event)}\n`),
      [Symbol.dispose]: () => undefined,
    };
  }
  const line = createLogUpdate(terminal.stderr);
  const isTerminal = terminal.stderr.isTTY === true;
  let last = "";
  return {
    report(event) {
      const text = describe(event);
      if (isTerminal) line(text);
      else if (event.type !== "progress" && text !== last) terminal.stderr.write(`${text}\n`);
      last = text;
    },
    [Symbol.dispose]: () => {
      if (!isTerminal) return;
      line.clear();
      line.done();
    },
  };
}
