import { describe, expect, it, vi } from "vitest";
import { MANIFEST, REQUEST, createFixture, post } from "./fixture.ts";

function envelope(body: unknown, messageId = "1"): object {
  const data = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  return {
    message: {
      data: data.toString("base64"),
      messageId,
      message_id: messageId,
      publishTime: "2026-01-01T00:00:00Z",
      attributes: { origin: "test" },
    },
    subscription: "projects/p/subscriptions/s",
    deliveryAttempt: 1,
  };
}

const failing = { code: "invalid_media", message: "video_in is empty." } as const;

describe("POST /process", () => {
  it("waits for the end and answers as the contract says", async () => {
    await using fixture = createFixture();
    fixture.work();
    const response = await fixture.request("/process", post(REQUEST));
    expect(response.status).toBe(200);
    const { audio_in, out, video_in } = REQUEST;
    expect(await response.json()).toEqual({
      status: "success",
      message: expect.any(String),
      video_in,
      audio_in,
      out,
      job_id: expect.any(String),
    });
  });

  it("answers a failure with the status of its code", async () => {
    await using fixture = createFixture();
    fixture.work((lease) => lease.fail(failing, { retry: false }));
    const response = await fixture.request("/process", post(REQUEST));
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({
      code: "invalid_media",
      detail: "video_in is empty.",
      job_id: expect.any(String),
    });
  });

  it("names failures of the runtime, whose message is for clients", async () => {
    await using fixture = createFixture();
    const error = { code: "runtime", message: "The GPU is out of memory." } as const;
    fixture.work((lease) => lease.fail(error, { retry: false }));
    const response = await fixture.request("/process", post(REQUEST));
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ code: "runtime", detail: error.message });
  });

  it("answers 504 when it takes too long, and the job goes on", async () => {
    await using fixture = createFixture({ services: { limits: { processTimeoutMs: 50 } } });
    const init = post(REQUEST, { headers: { "idempotency-key": "a" } });
    const response = await fixture.request("/process", init);
    expect(response.status).toBe(504);
    const { job_id: id } = (await response.json()) as { job_id: string };
    expect(response.headers.get("location")).toBe(`/jobs/${id}`);
    await (await fixture.claim()).complete(MANIFEST);
    const again = await fixture.request("/process", init);
    expect(await again.json()).toMatchObject({ status: "success", job_id: id });
  });

  it("does not lose the job of a client that goes", async () => {
    await using fixture = createFixture();
    const client = new AbortController();
    const waiting = fixture.app.request(
      new Request("http://localhost/process", {
        ...(post(REQUEST, { signal: client.signal }) as RequestInit),
        headers: { authorization: "Bearer alice", "content-type": "application/json" },
      }),
    );
    const lease = await fixture.claim();
    client.abort();
    await waiting;
    expect(await lease.complete(MANIFEST)).toBe(true);
    expect(await fixture.queue.get(lease.job.id)).toMatchObject({ status: "completed" });
  });

  it("tells that the job was cancelled", async () => {
    await using fixture = createFixture();
    const waiting = fixture.request("/process", post(REQUEST));
    await vi.waitFor(async () => {
      const [job] = await fixture.queue.list({ limit: 1 });
      expect(job).toBeDefined();
      await fixture.queue.cancel(job?.id ?? "");
    });
    const response = await waiting;
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({ code: "cancelled" });
  });
});

describe("POST /pubsub", () => {
  it("runs the job of the envelope, once per message", async () => {
    await using fixture = createFixture();
    fixture.work();
    const first = await fixture.request("/pubsub", post(envelope(REQUEST)));
    expect(first.status).toBe(200);
    const answer = (await first.json()) as object;
    expect(answer).toMatchObject({ status: "success", out: REQUEST.out });
    const again = await fixture.request("/pubsub", post(envelope(REQUEST)));
    expect(await again.json()).toEqual(answer);
    expect(await fixture.queue.list({ limit: 10 })).toHaveLength(1);
    await fixture.request("/pubsub", post(envelope(REQUEST, "2")));
    expect(await fixture.queue.list({ limit: 10 })).toHaveLength(2);
  });

  it("is not 2xx when the job fails, each time, so that the message becomes a dead letter", async () => {
    await using fixture = createFixture();
    fixture.work((lease) => lease.fail(failing, { retry: false }));
    for (let delivery = 0; delivery < 3; delivery++) {
      const response = await fixture.request("/pubsub", post(envelope(REQUEST)));
      expect(response.status).toBe(422);
    }
  });

  it.each([
    ["no message", {}, 422],
    ["no data", { message: { messageId: "1" } }, 422],
    ["data that is not JSON", envelope("{"), 400],
    ["data that is not a job", envelope({ video_in: "x" }), 422],
    ["data that is not base64", { message: { data: "\u0000\u00ff", messageId: "1" } }, 400],
  ])("refuses %s", async (_, body, status) => {
    await using fixture = createFixture();
    const response = await fixture.request("/pubsub", post(body));
    expect(response.status).toBe(status);
    expect(await fixture.queue.list({ limit: 1 })).toEqual([]);
  });
});
