/** What the executable runs: makes sure of the Node.js version before anything is loaded. */
import module from "node:module";

/** As `engines` of package.json has it. */
const OLDEST_NODE = { major: 22, minor: 13 } as const;

/**
 * Runs the command line of this process and sets its exit code. An older Node.js is told so: it
 * would fail somewhere half-way, with a message that helps nobody.
 */
export async function runProgram(): Promise<void> {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const { major: oldestMajor, minor: oldestMinor } = OLDEST_NODE;
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
    process.stderr.write(
      `error: latentsync-ts needs Node.js ${oldestMajor}.${oldestMinor} or newer, but this is ${process.versions.node}.\n` +
        "Install it from https://nodejs.org, or run through npm where a project brings its own.\n",
    );
    process.exitCode = 1;
    return;
  }
  // Compiled modules are kept in the system's temporary folder: a quarter of the time to start.
  module.enableCompileCache();
  const { main } = await import("./main.ts");
  process.exitCode = await main(process.argv.slice(2));
}
