import { hostname } from "node:os";
import { systemCode } from "./file-error.ts";

/** Marks what a process has under way on a disk that it may share with other machines. */
export interface ProcessOwner {
  readonly host: string;
  readonly pid: number;
  /** When the process started, in seconds since 1970. */
  readonly startedSeconds: number;
}

const START_TOLERANCE_SECONDS = 5;

export function thisProcess(): ProcessOwner {
  return {
    host:
      hostname()
        .replace(/[^A-Za-z0-9]/g, "")
        .slice(0, 32) || "host",
    pid: process.pid,
    startedSeconds: Math.round(Date.now() / 1000 - process.uptime()),
  };
}

/** The owner as a part of a file name. */
export function formatOwner(owner: ProcessOwner): string {
  return `${owner.host}_${owner.pid}_${owner.startedSeconds}`;
}

export function parseOwner(text: string): ProcessOwner | undefined {
  const match = /^([A-Za-z0-9]+)_(\d+)_(\d+)$/.exec(text);
  if (match === null) return undefined;
  return { host: match[1] ?? "", pid: Number(match[2]), startedSeconds: Number(match[3]) };
}

/**
 * Whether a process is known to be gone. False where it cannot be known: on another machine, or
 * where another process has taken its number.
 */
export function isGone(owner: ProcessOwner): boolean {
  const self = thisProcess();
  if (owner.host !== self.host) return false;
  if (owner.pid === self.pid) {
    return Math.abs(owner.startedSeconds - self.startedSeconds) > START_TOLERANCE_SECONDS;
  }
  try {
    process.kill(owner.pid, 0);
    return false;
  } catch (error) {
    return systemCode(error) === "ESRCH";
  }
}
