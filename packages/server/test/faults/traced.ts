/** What a service process and its workers ask of the kernel, as strace tells it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { findProgram } from "../servers/process.ts";

const program = findProgram("strace");

export const straceMissing: string | undefined =
  program === undefined ? "strace is not installed" : undefined;

const CALLS = "connect,open,openat,openat2,execve,unlink,unlinkat,rename,renameat,renameat2";

export class Trace {
  readonly #path: string;

  constructor(folder: string) {
    this.#path = join(folder, "trace.log");
  }

  /** In front of the command; the process keeps its id, as the tracer is not its parent. */
  get wrapper(): readonly string[] {
    if (program === undefined) throw new Error(straceMissing);
    const quietly = ["-q", "-s", "4096", "-e", "signal=none"];
    return [
      program,
      ...["-D", "-f", "--seccomp-bpf", ...quietly],
      ...["-e", `trace=${CALLS}`, "-o", this.#path],
    ];
  }

  async lines(): Promise<readonly string[]> {
    return (await readFile(this.#path, "utf8")).split("\n");
  }

  /** `address port` of every connection over IP that was tried. */
  async connections(): Promise<readonly string[]> {
    const lines = await this.lines();
    return lines.flatMap((line) => {
      if (!/ connect\(.*AF_INET/.test(line)) return [];
      const port = /sin6?_port=htons\((\d+)\)/.exec(line)?.[1];
      const address = /inet_(?:addr\(|pton\(AF_INET6, )"([^"]+)"/.exec(line)?.[1];
      // Port 0 is how the system's resolver asks for its own address; nothing is sent.
      return port === "0" ? [] : [`${address} ${port}`];
    });
  }

  /** Programs that were started, without Node.js itself. */
  async programs(): Promise<readonly string[]> {
    const lines = await this.lines();
    return lines
      .flatMap((line) => /execve\("([^"]+)"/.exec(line)?.[1] ?? [])
      .filter((path) => path !== process.execPath);
  }

  /** Calls that name a path. */
  async touching(path: string): Promise<readonly string[]> {
    return (await this.lines()).filter((line) => line.includes(path));
  }
}
