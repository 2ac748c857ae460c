import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { findFreePort } from "../servers/process.ts";
import type { AttackOptions, AttackReport } from "./attackers.ts";
import { backends } from "./backends.ts";
import { percentile, record, seconds } from "./figures.ts";
import { sendAll } from "./load-client.ts";
import { Scene } from "./scene.ts";

const SLOW_CONNECTIONS = 1000;
const MOST_P99_MS = 100;
const BASELINE_MS = 5000;
const title = "Slow headers, huge and deep JSON, endless bodies, slow and endless sources";
const script = fileURLToPath(new URL("./attackers.ts", import.meta.url));

/** Times of what an honest client asks for over and over, in milliseconds, until it is told to stop. */
async function ask(url: string, body: object, isOver: () => boolean): Promise<readonly number[]> {
  const times: number[] = [];
  while (!isOver()) {
    const answers = await sendAll({
      url,
      connections: 1,
      requests: [
        { method: "GET", path: "/livez" },
        { path: "/jobs", body },
        { method: "GET", path: "/jobs?limit=1" },
      ],
    });
    for (const { status, milliseconds } of answers) {
      times.push(status < 300 ? milliseconds : Number.POSITIVE_INFINITY);
    }
    await delay(20);
  }
  return times;
}

function p99(times: readonly number[]): number {
  return Math.round(percentile(times, 0.99) * 10) / 10;
}

function told(outcomes: AttackReport[string] | undefined): string {
  return Object.entries(outcomes ?? {})
    .map(([outcome, number]) => `${number} x ${outcome}`)
    .join(", ");
}

describe.each(backends.filter(({ name }) => name === "sqlite"))("row 15", (backend) => {
  test("honest clients do not notice", async () => {
    await using scene = await Scene.open(backend);
    // The attackers' process has the sources, whose port the service must be allowed beforehand.
    const sourcePort = await findFreePort();
    await using service = await scene.start({
      environment: {
        WORKERS: "3",
        MAX_ATTEMPTS: "1",
        MAX_UPLOAD_MIB: "8",
        ALLOWED_PRIVATE_HOSTS: `${scene.bucket.host},127.0.0.1:${sourcePort}`,
      },
    });
    const options: AttackOptions = {
      url: service.url,
      slowConnections: SLOW_CONNECTIONS,
      slowHeaderMs: 1000,
      sourcePort,
    };
    const attackers = spawn(process.execPath, [script, JSON.stringify(options)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    try {
      const lines = createInterface({ input: attackers.stdout })[Symbol.asyncIterator]();
      await lines.next();
      const { body } = scene.request({ segments: 1, stepMs: 1 }, { steps: 1 });
      // What is compiled on first use is no part of the figures.
      await sendAll({
        url: service.url,
        connections: 1,
        requests: Array.from({ length: 200 }, () => ({ path: "/jobs", body })),
      });
      const baselineEndsAt = Date.now() + BASELINE_MS;
      const before = await ask(service.url, body, () => Date.now() > baselineEndsAt);

      const startedAt = Date.now();
      const ends = new Map<string, string>();
      const fail = async (name: string): Promise<void> => {
        const video_in = `http://127.0.0.1:${sourcePort}/${name}`;
        const response = await service.create({ ...body, video_in });
        const { job_id: id } = (await response.json()) as { job_id: string };
        const job = await service.finished(id);
        const took = seconds(Date.now() - startedAt);
        ends.set(name, `${job.error_code ?? job.status}, ${took} s`);
      };
      const failures = Promise.all([fail("slow"), fail("endless")]);
      attackers.stdin.write("go\n");
      let isOver = false;
      const asking = ask(service.url, body, () => isOver);
      const line = await lines.next();
      isOver = true;
      const during = await asking;
      const attackSeconds = seconds(Date.now() - startedAt);
      const report = JSON.parse(line.value ?? "{}") as AttackReport;
      await failures;

      const figures = {
        attackSeconds,
        slowHeaders: told(report["slowHeaders"]),
        jsonOf100MB: told(report["hundredMegabytes"]),
        jsonOf100MBInChunks: told(report["hundredMegabytesInChunks"]),
        deepJson: told(report["deepJson"]),
        slowBodies: told(report["slowBodies"]),
        endlessUploads: told(report["endlessUploads"]),
        slowSource: ends.get("slow") ?? "none",
        endlessSource: ends.get("endless") ?? "none",
        honestRequests: during.length,
        honestP99MillisecondsBefore: p99(before),
        honestP99Milliseconds: p99(during),
      };
      const only = (name: string, ...allowed: readonly string[]): boolean =>
        Object.keys(report[name] ?? { none: 1 }).every((outcome) => allowed.includes(outcome));
      const passed =
        only("slowHeaders", "408") &&
        // A client that does not stop sending may not see the answer before its connection ends.
        only("hundredMegabytes", "413", "cut off") &&
        only("hundredMegabytesInChunks", "413", "cut off") &&
        only("deepJson", "400") &&
        only("slowBodies", "408") &&
        only("endlessUploads", "413") &&
        figures.slowSource.startsWith("timeout") &&
        figures.endlessSource.startsWith("too_large") &&
        figures.honestP99Milliseconds < MOST_P99_MS;
      await record({ row: 15, title, backend: backend.name, figures, passed });
      expect(passed).toBe(true);
    } finally {
      attackers.stdin.end();
    }
  });
});
