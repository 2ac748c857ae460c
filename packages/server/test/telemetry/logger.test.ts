import { describe, expect, it } from "vitest";
import { createLogger, jobLogger } from "../../src/telemetry/logger.ts";
import { redact } from "../../src/telemetry/redact.ts";

function capture() {
  const lines: string[] = [];
  return { lines, destination: { write: (line: string) => void lines.push(line) } };
}

describe("logger", () => {
  it("writes a line of JSON with level, time and job", () => {
    const { lines, destination } = capture();
    jobLogger(createLogger({ destination }), { id: "j1" }).warn({ stage: "load" }, "Slow.");
    expect(lines).toHaveLength(1);
    const { time, ...line } = JSON.parse(lines.at(0)!);
    expect(line).toEqual({ level: "warn", job: "j1", stage: "load", msg: "Slow." });
    expect(new Date(time).toISOString()).toBe(time);
  });

  it("keeps secrets out of messages, fields, nested fields and errors", () => {
    const { lines, destination } = capture();
    const logger = createLogger({ destination });
    const url = "https://b.example/v.mp4?X-Amz-Signature=hunter2&X-Amz-Expires=9";
    logger.info({ url, deep: { a: [{ authorization: 'hunter2"x' }] } }, `Got ${url} now.`);
    logger.error({ err: new Error(`PUT "${url}" failed with Bearer hunter2.x`) }, "Failed.");
    logger.info({ "x-api-key": "hunter2", cookie: "hunter2" }, "redis://user:hunter2@host:1/0");
    expect(lines.join("")).not.toContain("hunter2");
    expect(JSON.parse(lines.at(0)!).msg).toBe("Got https://b.example/v.mp4?[redacted] now.");
    expect(JSON.parse(lines.at(1)!).err.message).toContain("https://b.example/v.mp4?[redacted]");
    expect(JSON.parse(lines.at(2)!).msg).toBe("redis://[redacted]@host:1/0");
  });

  it("writes nothing below its level", () => {
    const { lines, destination } = capture();
    createLogger({ destination, level: "error" }).info("quiet");
    expect(lines).toEqual([]);
  });

  it("leaves ordinary texts as they are", () => {
    const text = 'a? b http://h/p "token of thanks" x?y=z basic';
    expect(redact(text)).toBe(text);
  });
});
