/**
 * How much each caller may create per minute: a token bucket per identity, in this process. Several
 * servers on one queue each grant the full rate.
 */

export interface RateLimiter {
  /** 0 if it may go on, else the seconds to wait. */
  take(key: string, perMinute: number): number;
}

interface Bucket {
  tokens: number;
  updatedAtMs: number;
}

/** Buckets kept; the least recently used is forgotten first. */
const MAX_BUCKETS = 10_000;

/** A bucket holds one minute's worth, at least one. Rates must be above 0. */
export function createRateLimiter(options: { readonly now?: () => number } = {}): RateLimiter {
  const now = options.now ?? Date.now;
  const buckets = new Map<string, Bucket>();

  return {
    take(key, perMinute) {
      if (perMinute === Number.POSITIVE_INFINITY) return 0;
      const nowMs = now();
      const capacity = Math.max(1, perMinute);
      const bucket = buckets.get(key) ?? { tokens: capacity, updatedAtMs: nowMs };
      // The most recently used go last, so that the first is the one to forget.
      buckets.delete(key);
      buckets.set(key, bucket);
      const refill = ((nowMs - bucket.updatedAtMs) / 60_000) * perMinute;
      bucket.tokens = Math.min(capacity, bucket.tokens + refill);
      bucket.updatedAtMs = nowMs;
      forgetOldest();
      if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) / perMinute) * 60);
      bucket.tokens -= 1;
      return 0;
    },
  };

  function forgetOldest(): void {
    if (buckets.size <= MAX_BUCKETS) return;
    const oldest = buckets.keys().next();
    if (!oldest.done) buckets.delete(oldest.value);
  }
}
