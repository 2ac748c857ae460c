import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  InMemorySpanExporter,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { describe, expect, it, onTestFinished } from "vitest";
import type { JobManifest, JobRecord } from "../../src/jobs/job.ts";
import { openAuditLog, readAudit } from "../../src/telemetry/audit.ts";
import { createJobEstimator } from "../../src/telemetry/estimator.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { auditedModel, createTelemetryObserver } from "../../src/telemetry/observer.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

function job(id: string): JobRecord {
  const createdAt = new Date(Date.now() - 100_000).toISOString();
  return {
    id,
    status: "processing",
    request: {
      video_in: "https://a/v",
      audio_in: "https://a/a",
      out: "https://a/o",
      guidance_scale: 2,
      inference_steps: 20,
      priority: 0,
    },
    owner: "ann",
    createdAt,
    updatedAt: createdAt,
    attempts: 1,
    cancelRequested: false,
    deadLetter: false,
    traceparent: `00-${TRACE}-b7ad6b7169203331-01`,
  };
}

const manifest: JobManifest = {
  software: { name: "s", version: "1" },
  model: { name: "demo", files: { b: "22", a: "11" } },
  runtime: { name: "r", hardware: "h" },
  settings: {},
  inputs: { video_in: { sha256: "", sizeBytes: 1 }, audio_in: { sha256: "", sizeBytes: 1 } },
  output: { sha256: "", sizeBytes: 1 },
  frames: 250,
  framesWithoutFace: 5,
  stageSeconds: { frames: 20 },
};

async function telemetry() {
  const folder = await mkdtemp(join(tmpdir(), "observer-"));
  const audit = await openAuditLog({ folder });
  onTestFinished(async () => {
    await audit[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const exporter = new InMemorySpanExporter();
  const lines: string[] = [];
  const points: (readonly [string, number])[] = [];
  const metrics = createMetrics({
    queue: {
      counts: async () => ({ queued: 0, processing: 0, completed: 0, failed: 0, deadLetter: 0 }),
    },
    gpuMemory: async () => [],
    processMetrics: false,
  });
  const estimator = createJobEstimator();
  const observer = createTelemetryObserver({
    logger: createLogger({ destination: { write: (line: string) => void lines.push(line) } }),
    metrics,
    tracer: new TracerProvider({
      spanProcessors: [new SimpleSpanProcessor({ exporter })],
    }).getTracer("t"),
    charts: { point: (chart, y) => void points.push([chart, y]) },
    audit,
    estimator,
    latencyBudget: { secondsPerVideoSecond: 9 },
    dollarsPerHour: 3.6,
  });
  return { audit, estimator, exporter, folder, lines, metrics, observer, points };
}

describe("telemetry observer", () => {
  it("tells a completed job everywhere", async () => {
    const { audit, estimator, exporter, folder, lines, metrics, observer, points } =
      await telemetry();
    const attempt = { job: job("j1"), worker: "w" };
    observer.jobStarted!(attempt, { waitedSeconds: 70 });
    observer.stageEnded!(attempt, { stage: "download", seconds: 2 });
    observer.jobFinished!(attempt, { outcome: { kind: "completed", manifest }, seconds: 30 });

    const { body } = await metrics.render();
    expect(body).toContain('latentsync_jobs_total{result="completed",code=""} 1\n');
    expect(body).toContain("latentsync_job_wait_seconds_sum 70\n");
    expect(body).toContain('latentsync_job_stage_seconds_sum{stage="download"} 2\n');
    expect(body).toContain("latentsync_frames_total 250\n");
    expect(body).toContain("latentsync_frames_without_face_total 5\n");
    expect(body).toContain("latentsync_frames_per_second 12.5\n");
    expect(body).toMatch(/latentsync_cost_dollars_total 0\.03\d*\n/);
    // 100 s for 10 s of video, with 9 s allowed for each.
    expect(body).toContain("latentsync_latency_budget_breaches_total 1\n");
    expect(lines.join("")).toContain("Latency budget broken.");
    expect(estimator.estimate({ inference_steps: 20 })?.seconds).toBeCloseTo(30);
    expect(points.map(([chart]) => chart)).toEqual([
      "cost_dollars",
      "job_seconds",
      "frames_per_second",
    ]);

    const [stage, whole] = exporter.getFinishedSpans();
    expect([stage?.name, whole?.name]).toEqual(["download", "job"]);
    expect(whole?.spanContext().traceId).toBe(TRACE);
    expect(whole?.parentSpanContext?.spanId).toBe("b7ad6b7169203331");
    expect(stage?.parentSpanContext?.spanId).toBe(whole?.spanContext().spanId);
    expect(stage?.duration[0]).toBe(2);

    // Whatever is appended later is written after it.
    await audit.append({ action: "job.result", owner: "ann", outcome: "done", jobId: "j1" });
    const entries = await Array.fromAsync(readAudit({ folder, jobId: "j1" }));
    expect(entries[0]).toMatchObject({
      action: "job.finish",
      outcome: "done",
      model: { name: "demo", sha256: auditedModel(manifest.model).sha256 },
    });
  });

  it("tells failures, attempts that come again, crashes and lost leases apart", async () => {
    const { exporter, lines, metrics, observer } = await telemetry();
    const error = { code: "invalid_media", message: "Truncated." } as const;
    const attempt = { job: job("j2"), worker: "w" };
    for (const kind of ["retry", "failed", "cancelled"] as const) {
      observer.jobStarted!(attempt, { waitedSeconds: 1 });
      observer.jobFinished!(attempt, {
        outcome: { kind, error },
        seconds: 1,
        cause: new Error("raw"),
      });
    }
    observer.leaseLost!(attempt);
    observer.jobFinished!(attempt, { outcome: { kind: "lost" }, seconds: 1 });
    observer.workerCrashed!({
      worker: "w",
      exitCode: null,
      exitSignal: "SIGKILL",
      lastLines: ["x"],
      job: attempt.job,
    });
    observer.workerStateChanged!({
      worker: "w",
      state: "starting",
      pid: 1,
      description: undefined,
    });
    observer.workerMemory!({ worker: "w", residentBytes: 77 });
    observer.trouble!({ what: "The queue is away.", cause: new Error("ECONNREFUSED") });
    observer.workerOutput!({ worker: "w", stream: "stderr", line: "hello", jobId: "j2" });

    const { body } = await metrics.render();
    for (const result of ["retry", "failed", "cancelled"]) {
      expect(body).toContain(`latentsync_jobs_total{result="${result}",code="invalid_media"} 1\n`);
    }
    expect(body).toContain('latentsync_job_seconds_count{result="failed"} 1\n');
    expect(body).not.toContain('latentsync_job_seconds_count{result="retry"}');
    expect(body).toContain("latentsync_leases_lost_total 1\n");
    expect(body).toContain("latentsync_worker_crashes_total 1\n");
    expect(body).toContain("latentsync_worker_starts_total 1\n");
    expect(body).toContain('latentsync_worker_resident_memory_bytes{worker="w"} 77\n');
    expect(exporter.getFinishedSpans().at(0)?.status.message).toBe("Truncated.");
    const logged = lines.map((line) => JSON.parse(line));
    expect(logged.find(({ msg }) => msg === "hello")).toMatchObject({
      job: "j2",
      stream: "stderr",
    });
    expect(logged.find(({ msg }) => msg === "Worker process died.")).toMatchObject({
      level: "error",
      job: "j2",
      exitSignal: "SIGKILL",
    });
    expect(logged.find(({ outcome }) => outcome === "failed")).toMatchObject({
      level: "error",
      error,
    });
  });
});
