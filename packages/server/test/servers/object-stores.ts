/**
 * Fake object stores that tests start for themselves. `scripts/install-fakes.sh` installs them with
 * Go; they are looked for in `OBJECT_STORE_FAKES`, the package's `.fakes` folder and on the `PATH`.
 */
import { delimiter, join } from "node:path";
import { findFreePort, findProgram, ServerProcess } from "./process.ts";

export interface ObjectStore extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly host: string;
  readonly origin: string;
}

const FOLDERS = [
  process.env["OBJECT_STORE_FAKES"] ?? "",
  join(import.meta.dirname, "../../.fakes"),
  ...(process.env["PATH"] ?? "").split(delimiter),
].filter((folder) => folder !== "");

const s3Program = findProgram("gofakes3", FOLDERS);
const gcsProgram = findProgram("fake-gcs-server", FOLDERS);

/** Why there is none here. */
export const s3Missing: string | undefined = s3Program ? undefined : "gofakes3 is not installed";
export const gcsMissing: string | undefined = gcsProgram
  ? undefined
  : "fake-gcs-server is not installed";

async function start(
  program: string | undefined,
  argumentsOf: (port: number) => readonly string[],
): Promise<ObjectStore> {
  if (program === undefined) throw new Error("The fake store is not installed.");
  const port = await findFreePort();
  const origin = `http://127.0.0.1:${port}`;
  const server = new ServerProcess(program, argumentsOf(port), { cwd: "/" });
  await server.ready(() => fetch(origin));
  return {
    host: `127.0.0.1:${port}`,
    origin,
    [Symbol.asyncDispose]: () => server.stop("SIGKILL"),
  };
}

/** With one bucket, `conformance`. */
export function startS3(): Promise<ObjectStore> {
  return start(s3Program, (port) => [
    "-backend",
    "mem",
    "-host",
    `127.0.0.1:${port}`,
    "-initialbucket",
    "conformance",
    "-quiet",
  ]);
}

/** With one bucket, `conformance`. */
export async function startGcs(): Promise<ObjectStore> {
  const store = await start(gcsProgram, (port) => [
    "-backend",
    "memory",
    "-scheme",
    "http",
    "-host",
    "127.0.0.1",
    "-port",
    String(port),
    "-external-url",
    `http://127.0.0.1:${port}`,
    "-log-level",
    "error",
  ]);
  const created = await fetch(`${store.origin}/storage/v1/b?project=test`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: "conformance" }),
  });
  if (!created.ok) throw new Error(`The bucket was not created: ${created.status}.`);
  return store;
}
