/** Server programs that tests start for themselves. */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";

/** Path of a program, or `undefined` if it is not installed. */
export function findProgram(
  name: string,
  folders: readonly string[] = (process.env["PATH"] ?? "").split(delimiter),
): string | undefined {
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

export async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  if (address === null || typeof address === "string") throw new Error("No port is free.");
  return address.port;
}

/** A program that runs until it is told otherwise. */
export class ServerProcess {
  readonly child: ChildProcess;
  readonly #exited: Promise<void>;
  #output = "";

  constructor(
    program: string,
    args: readonly string[],
    options: { readonly cwd: string; readonly uid?: number; readonly gid?: number },
  ) {
    this.child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on("data", (data: Buffer) => {
        this.#output = (this.#output + data.toString()).slice(-10_000);
      });
    }
    this.#exited = new Promise((resolve) => {
      this.child.once("exit", () => {
        resolve();
      });
      this.child.once("error", () => {
        resolve();
      });
    });
  }

  get output(): string {
    return this.#output;
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    this.child.kill(signal);
    await this.#exited;
  }

  /** Resolves when `check` does not throw any more. */
  async ready(check: () => Promise<unknown>): Promise<void> {
    const giveUpAt = Date.now() + 60_000;
    for (;;) {
      try {
        await check();
        return;
      } catch (error) {
        if (Date.now() > giveUpAt || this.child.exitCode !== null) {
          throw new Error(`The server did not start:\n${this.#output}`, { cause: error });
        }
      }
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
  }
}
