import { describe, expect, it } from "vitest";
import { newJob } from "../../src/conformance/job-queue-fixture.ts";
import { JobHistory, type JobRow } from "../../src/jobs/job-history.ts";

const tell = (token: string, at: number): JobRow => ({
  kind: "tell",
  token,
  at,
  events: [{ type: "log", level: "info", message: token }],
});
const wait = (token: string, at: number): JobRow => ({
  kind: "wait",
  token,
  at,
  availableAt: 0,
  attemptCounts: true,
});

function historyOf(rows: readonly JobRow[]): {
  readonly history: JobHistory;
  readonly counted: boolean[];
} {
  const history = new JobHistory(newJob(), 1000);
  return { history, counted: rows.map((row) => history.apply(row) !== undefined) };
}

describe("JobHistory", () => {
  it("ignores what a lease says that was lost before", () => {
    const { history, counted } = historyOf([
      { kind: "start", token: "a", at: 1001 },
      tell("a", 1002),
      wait("a", 1003),
      { kind: "start", token: "b", at: 1004 },
      tell("a", 1005),
      { kind: "end", token: "a", at: 1006, status: "completed", deadLetter: false },
      { kind: "start", token: "a", at: 1007 },
      wait("a", 1008),
      tell("b", 1009),
    ]);
    expect(counted).toEqual([true, true, true, true, false, false, false, false, true]);
    expect(history.record()).toMatchObject({ status: "processing", attempts: 2 });
  });

  it("numbers the events that count without gaps", () => {
    const history = new JobHistory(newJob(), 1000);
    const rows: JobRow[] = [
      { kind: "start", token: "a", at: 1001 },
      tell("x", 1002),
      tell("a", 1003),
      { kind: "cancel", at: 1004 },
      { kind: "cancel", at: 1005 },
      wait("a", 1006),
      tell("a", 1007),
    ];
    const events = [history.firstEvent, ...rows.flatMap((row) => history.apply(row) ?? [])];
    expect(events.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
    expect(history.rowCount).toBe(rows.length);
    expect(history.record()).toMatchObject({ status: "failed", error: { code: "cancelled" } });
  });

  it("keeps its time going forward, though clocks differ", () => {
    const { history } = historyOf([{ kind: "start", token: "a", at: 5 }]);
    expect(history.record().startedAt).toBe(new Date(1000).toISOString());
  });
});
