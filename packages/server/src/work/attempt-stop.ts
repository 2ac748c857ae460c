/** Why an attempt is broken off from outside; the reason of its signal. */
export type StopKind = "cancelled" | "timeout" | "lost" | "drain";

const MESSAGES: Readonly<Record<StopKind, string>> = {
  cancelled: "The job was cancelled.",
  timeout: "The job was not done by its deadline.",
  lost: "The lease was lost: another worker may hold the job.",
  drain: "The server is going down.",
};

export class AttemptStop extends Error {
  readonly kind: StopKind;

  constructor(kind: StopKind) {
    super(MESSAGES[kind]);
    this.name = "AttemptStop";
    this.kind = kind;
  }
}
