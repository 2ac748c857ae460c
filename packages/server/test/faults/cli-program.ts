import { join } from "node:path";

/** The built command line. */
export const program: string = join(import.meta.dirname, "../../../cli/bin/latentsync-ts.js");

/** Serves the demo model. */
export const serveCommand: readonly [string, ...string[]] = [
  process.execPath,
  program,
  ...["serve", "--runtime", "cpu", "--threads", "1"],
];
