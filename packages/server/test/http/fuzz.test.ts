import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { REQUEST, createFixture, post } from "./fixture.ts";

const numbers = fc.oneof(fc.double(), fc.integer(), fc.maxSafeInteger());
const values = fc.oneof(numbers, fc.string({ unit: "binary" }), fc.jsonValue(), fc.webUrl());

/** A proper request, some fields of which were replaced, removed or added. */
const requests = fc
  .record(
    {
      video_in: values,
      audio_in: values,
      out: fc.oneof(values, fc.constantFrom("upload:", "upload:x")),
      guidance_scale: values,
      inference_steps: values,
      seed: values,
      face: fc.oneof(values, fc.constantFrom("left", "all", 2)),
      fps: fc.oneof(values, fc.constantFrom("source", 25)),
      start: values,
      end: values,
      face_at: fc.oneof(values, fc.record({ x: values, y: values })),
      priority: values,
      deadline_seconds: values,
      webhook: values,
      __proto__: values,
      constructor: values,
    },
    { requiredKeys: [] },
  )
  .map((change) => Object.assign({}, REQUEST, change));

const bodies = fc.oneof(
  requests.map((request) => JSON.stringify(request)),
  fc.json(),
  fc.string({ unit: "binary" }),
);

describe("POST /jobs with whatever", () => {
  it("is accepted or refused, and never fails", async () => {
    await using fixture = createFixture({ queueLimits: { maxQueued: 100_000 } });
    await fc.assert(
      fc.asyncProperty(
        bodies,
        fc.option(fc.string({ minLength: 1, maxLength: 300 }), { nil: undefined }),
        async (body, key) => {
          const headers: Record<string, string> = key === undefined ? {} : idempotencyKey(key);
          const response = await fixture.request("/jobs", post(body, { headers }));
          expect([202, 400, 403, 422]).toContain(response.status);
        },
      ),
      { numRuns: 300 },
    );
    expect(fixture.reports).toEqual([]);
  });

  it("other routes hold too", async () => {
    await using fixture = createFixture({ services: { limits: { processTimeoutMs: 1 } } });
    const paths = fc.oneof(
      fc.constantFrom("/process", "/pubsub", "/uploads", "/jobs"),
      fc.webPath().map((path) => `/jobs${path}`),
      fc.webPath(),
    );
    const methods = fc.constantFrom("GET", "POST", "PUT", "DELETE", "PATCH");
    await fc.assert(
      fc.asyncProperty(paths, methods, bodies, async (path, method, body) => {
        const init = method === "GET" ? {} : post(body, { method });
        const response = await fixture.request(path, init);
        await response.body?.cancel();
        expect(response.status === 504 || response.status < 500, String(response.status)).toBe(
          true,
        );
      }),
      { numRuns: 150 },
    );
    expect(fixture.reports).toEqual([]);
  });
});

function idempotencyKey(key: string): Record<string, string> {
  return { "idempotency-key": encodeURIComponent(key) };
}
