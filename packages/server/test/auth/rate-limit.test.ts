import { describe, expect, it } from "vitest";
import { createRateLimiter } from "../../src/auth/rate-limit.ts";

describe("createRateLimiter", () => {
  it("grants a minute's worth at once, then one by one", () => {
    let nowMs = 0;
    const limiter = createRateLimiter({ now: () => nowMs });
    const take = (key = "a") => limiter.take(key, 6);
    expect(Array.from({ length: 6 }, () => take())).toEqual([0, 0, 0, 0, 0, 0]);
    expect(take()).toBe(10);
    nowMs += 5000;
    expect(take()).toBe(5);
    nowMs += 5000;
    expect(take()).toBe(0);
    expect(take()).toBe(10);
    expect(take("b")).toBe(0);
  });

  it("holds no more than a minute's worth", () => {
    let nowMs = 0;
    const limiter = createRateLimiter({ now: () => nowMs });
    limiter.take("a", 2);
    nowMs += 3_600_000;
    expect([1, 2, 3].map(() => limiter.take("a", 2) > 0)).toEqual([false, false, true]);
  });

  it("knows rates below one a minute, and none at all", () => {
    let nowMs = 0;
    const limiter = createRateLimiter({ now: () => nowMs });
    expect(limiter.take("a", Number.POSITIVE_INFINITY)).toBe(0);
    expect(limiter.take("slow", 0.5)).toBe(0);
    expect(limiter.take("slow", 0.5)).toBe(120);
    nowMs += 120_000;
    expect(limiter.take("slow", 0.5)).toBe(0);
  });

  it("forgets the least recently used beyond its size", () => {
    const limiter = createRateLimiter({ now: () => 0 });
    limiter.take("first", 1);
    limiter.take("kept", 1);
    for (let i = 0; i < 9998; i++) limiter.take(`k${i}`, 1);
    expect(limiter.take("kept", 1)).toBeGreaterThan(0);
    limiter.take("one more", 1);
    expect(limiter.take("first", 1)).toBe(0);
    expect(limiter.take("kept", 1)).toBeGreaterThan(0);
  });
});
