import { describe, expect, it } from "vitest";
import type { TraceSpan } from "../src/trace.ts";
import { FakeAccelerator, runEngine, setUpEngine } from "./fake-accelerator.ts";

/** 24 frames in 6 chunks of 4. */
const CHUNKS = 6;
const STEPS = 3;

async function traceRun(runtimes: readonly [FakeAccelerator, ...FakeAccelerator[]]) {
  const spans: TraceSpan[] = [];
  const { load, sink } = setUpEngine({ runtime: runtimes });
  await using engine = await load();
  const trace = { record: (span: TraceSpan) => void spans.push(span) };
  await runEngine(engine, { trace, inferenceSteps: STEPS });
  const traced = spans.length;
  await runEngine(engine);
  expect(spans).toHaveLength(traced);
  return { spans, sink, named: (name: string) => spans.filter((span) => span.name === name) };
}

/** The end of a chunk's last span of a name, by the order in which spans ended. */
function endOf(spans: readonly TraceSpan[], name: string, chunk: number): number {
  return spans.findLastIndex(
    (span) => span.name === name && span.details?.["chunk"] === String(chunk),
  );
}

describe("a trace", () => {
  it("has a span for every frame, chunk, step and network", async () => {
    const { spans, named } = await traceRun([new FakeAccelerator()]);
    const groups = Map.groupBy(spans, ({ kind, name }) => `${kind} ${name}`);
    const counts = Object.fromEntries([...groups].map(([key, group]) => [key, group.length]));
    expect(counts).toMatchObject({
      "stage decode": 24 + CHUNKS,
      "stage features": 24,
      "stage detect": 24,
      "stage align": 24,
      "stage encode": CHUNKS,
      "stage step": CHUNKS * STEPS,
      "stage restore": 24,
      "stage write": 24,
      "stage finish": 1,
      "stage whisper_encoder": 1,
      "stage unet_guided": 1,
      "model unet_guided": CHUNKS * STEPS,
      "model vae_encoder": CHUNKS * 2,
      "model vae_decoder": CHUNKS,
    });
    const steps = named("step").flatMap(
      ({ details }) => `${details?.["chunk"]}.${details?.["step"]}`,
    );
    expect(new Set(steps).size).toBe(CHUNKS * STEPS);
    expect(spans.every(({ startMs, endMs }) => endMs >= startMs)).toBe(true);
  });

  it("shows that a chunk's inputs are ready before the model has done with the one before", async () => {
    const { spans } = await traceRun([new FakeAccelerator()]);
    const aligned = spans.flatMap(({ name }, index) => (name === "align" ? [index] : []));
    for (let chunk = 1; chunk < CHUNKS; chunk++) {
      expect(aligned[4 * chunk + 3]).toBeLessThan(endOf(spans, "step", chunk - 1));
    }
    expect(endOf(spans, "encode", 1)).toBeLessThan(endOf(spans, "step", 0));
  });

  it("shows what a device did as spans that follow one another, with the gaps between them", async () => {
    const { spans } = await traceRun([new FakeAccelerator()]);
    const device = spans.filter(({ kind }) => kind !== "stage");
    expect(new Set(device.map(({ track }) => track))).toEqual(new Set(["fake"]));
    expect(device.slice(1).map(({ startMs }) => startMs)).toEqual(
      device.slice(0, -1).map(({ endMs }) => endMs),
    );
    const runs = device.findIndex(({ name }) => name === "unet_guided");
    expect(device.slice(runs).filter(({ kind }) => kind === "idle").length).toBeLessThan(runs + 4);
  });

  it("has a track for each of several devices", async () => {
    const { spans } = await traceRun([new FakeAccelerator(), new FakeAccelerator()]);
    const tracks = new Set(spans.flatMap(({ kind, track }) => (kind === "model" ? [track] : [])));
    expect(tracks).toEqual(new Set(["fake 0", "fake 1"]));
  });
});
