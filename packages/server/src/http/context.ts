/** What the app's handlers share while they answer a request. */
import type { Context } from "hono";
import { ProblemError } from "./problem.ts";
import type { AppServices, AuditRecord, HttpLimits, Identity } from "./services.ts";

/** What `listen` tells the app; absent under another server. */
export interface ListenBindings {
  /** Aborts when the server stops accepting: streams end. */
  readonly draining: AbortSignal;
  readonly remoteAddress: string | undefined;
}

export interface AppEnvironment {
  /** Under a server of the user's own there are others, or none: read them with `?.`. */
  Bindings: Partial<ListenBindings>;
  Variables: {
    /** Path that the app is mounted at, without a slash at the end. */
    base: string;
    /** Who asks; only behind `identified`. */
    identity: Identity;
  };
}

export type AppContext = Context<AppEnvironment>;

/** Services with limits filled in, and what lives as long as the app. */
export interface AppState extends AppServices {
  readonly limits: HttpLimits;
  /** Runs tasks of one owner one after the other. */
  inTurn<T>(owner: string, task: () => Promise<T>): Promise<T>;
  /** Takes a place for an event stream; the result gives it back. */
  takeStream(): () => void;
}

export function createAppState(services: AppServices, limits: HttpLimits): AppState {
  const tails = new Map<string, Promise<unknown>>();
  let streams = 0;
  return {
    ...services,
    limits,
    inTurn(owner, task) {
      const turn = (tails.get(owner) ?? Promise.resolve()).then(task, task);
      const tail = turn
        .catch(() => undefined)
        .then(() => {
          if (tails.get(owner) === tail) tails.delete(owner);
        });
      tails.set(owner, tail);
      return turn;
    },
    takeStream() {
      if (streams >= limits.maxStreams) {
        throw new ProblemError({
          code: "exhausted",
          status: 503,
          message: `All ${limits.maxStreams} event streams are taken.`,
          hint: "Ask for the job's status instead, or try again later.",
        });
      }
      streams++;
      let taken = true;
      return () => {
        if (taken) streams--;
        taken = false;
      };
    },
  };
}

/** Writes an audit record of the request. */
export function audit(
  services: AppServices,
  c: AppContext,
  record: Omit<AuditRecord, "at" | "owner" | "remoteAddress">,
): void {
  const remoteAddress = c.env?.remoteAddress;
  services.audit?.({
    at: new Date().toISOString(),
    owner: c.var.identity.id,
    ...(remoteAddress !== undefined && { remoteAddress }),
    ...record,
  });
}

/** The owner whose things the caller may see; `undefined`: everybody's. */
export function visibleOwner(identity: Identity): string | undefined {
  return identity.role === "admin" ? undefined : identity.id;
}
