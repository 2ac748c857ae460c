import { describe, expect, it, vi } from "vitest";
import { MANIFEST, createFixture, readUntil } from "./fixture.ts";

function readerOf(response: Response): ReadableStreamDefaultReader<Uint8Array> {
  const reader = response.body?.getReader();
  if (!reader) throw new Error("There is no body.");
  return reader as ReadableStreamDefaultReader<Uint8Array>;
}

interface Frame {
  readonly id?: string;
  readonly event?: string;
  readonly data?: Record<string, unknown>;
}

function framesOf(text: string): Frame[] {
  return text
    .split("\n\n")
    .filter((frame) => frame.includes("event: "))
    .map((frame) => {
      const fields = Object.fromEntries(
        frame.split("\n").map((line) => [line.split(": ")[0], line.slice(line.indexOf(": ") + 2)]),
      );
      return Object.assign(fields, { data: JSON.parse(fields["data"] ?? "null") });
    });
}

describe("GET /jobs/{id}/events", () => {
  it("tells what was, then what comes, then the end", async () => {
    await using fixture = createFixture();
    const id = await fixture.create();
    const lease = await fixture.claim();
    await lease.append([{ type: "log", level: "info", message: "line 1\nline 2" }]);
    const response = await fixture.request(`/jobs/${id}/events`);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const reader = readerOf(response);
    const stored = await readUntil(reader, "line 2");
    await lease.append([{ type: "progress", stage: "frames", progress: 0.5 }]);
    await lease.complete(MANIFEST);
    const rest = await readUntil(reader, "event: end");
    expect((await reader.read()).done).toBe(true);
    const frames = framesOf(stored + rest);
    expect(frames.map(({ event }) => event)).toEqual([
      "status",
      "status",
      "log",
      "progress",
      "status",
      "end",
    ]);
    expect(frames.map((frame) => frame.id)).toEqual(["1", "2", "3", "4", "5", undefined]);
    expect(frames[3]?.data).toMatchObject({ type: "progress", progress: 0.5 });
    expect(frames[5]?.data).toEqual({ job_id: id, status: "completed" });
  });

  it("goes on after Last-Event-ID, and answers 204 when the client knows all", async () => {
    await using fixture = createFixture();
    const id = await fixture.create();
    const lease = await fixture.claim();
    await lease.append([{ type: "log", level: "info", message: "hello" }]);
    await lease.complete(MANIFEST);
    const ask = (after: string) =>
      fixture.request(`/jobs/${id}/events`, { headers: { "last-event-id": after } });
    const frames = framesOf(await (await ask("3")).text());
    expect(frames.map((frame) => frame.id)).toEqual(["4", undefined]);
    expect((await ask("4")).status).toBe(204);
    expect(framesOf(await (await ask("nonsense")).text())).toHaveLength(5);
  });

  it("gives signs of life while nothing happens", async () => {
    await using fixture = createFixture({ services: { limits: { heartbeatMs: 20 } } });
    const id = await fixture.create();
    const reader = readerOf(await fixture.request(`/jobs/${id}/events`));
    for (let i = 0; i < 2; i++) {
      expect(await readUntil(reader, ": still here\n\n")).toMatch(/still here\n\n$/);
    }
    await reader.cancel();
  });

  it("limits streams, and gives places back when clients go", async () => {
    await using fixture = createFixture({ services: { limits: { maxStreams: 1 } } });
    const id = await fixture.create();
    const first = readerOf(await fixture.request(`/jobs/${id}/events`));
    await readUntil(first, "queued");
    const refused = await fixture.request(`/jobs/${id}/events`);
    expect(refused.status).toBe(503);
    expect(refused.headers.has("retry-after")).toBe(true);
    await refused.body?.cancel();
    await first.cancel();
    await vi.waitFor(async () => {
      const response = await fixture.request(`/jobs/${id}/events`);
      await response.body?.cancel();
      expect(response.status).toBe(200);
    });
  });

  it("HEAD takes no place", async () => {
    await using fixture = createFixture({ services: { limits: { maxStreams: 1 } } });
    const id = await fixture.create();
    for (let i = 0; i < 3; i++) {
      const response = await fixture.request(`/jobs/${id}/events`, { method: "HEAD" });
      expect(response.status).toBe(200);
    }
  });
});

describe("GET /jobs/{id}/log", () => {
  it("is plain text, one line per entry", async () => {
    await using fixture = createFixture();
    const id = await fixture.create();
    const lease = await fixture.claim();
    await lease.append([
      { type: "log", level: "warn", message: "two\nlines" },
      { type: "progress", stage: "frames", progress: 0.5 },
    ]);
    const response = await fixture.request(`/jobs/${id}/log`);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    const lines = (await response.text()).trimEnd().split("\n");
    expect(lines.map((line) => line.replace(/^\S+ /, ""))).toEqual([
      "INFO  queued",
      "INFO  processing, attempt 1",
      "WARN  two lines",
    ]);
  });

  it("follows until the job ends", async () => {
    await using fixture = createFixture();
    const id = await fixture.create();
    const lease = await fixture.claim();
    const reader = readerOf(await fixture.request(`/jobs/${id}/log?follow=1`));
    await readUntil(reader, "processing");
    await lease.append([{ type: "log", level: "info", message: "later" }]);
    await readUntil(reader, "later");
    await lease.complete(MANIFEST);
    await readUntil(reader, "completed");
    expect((await reader.read()).done).toBe(true);
  });
});
