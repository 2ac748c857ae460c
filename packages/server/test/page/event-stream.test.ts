import fc from "fast-check";
import { describe, expect, it } from "vitest";

// The page's files are plain JavaScript.
const load = (name: string) => import(new URL(`../../page/${name}`, import.meta.url).href);
const { parseEvents } = await load("event-stream.js");
const { clock, duration, size } = await load("format.js");

const text =
  'retry: 2000\n\nid: 1\nevent: log\ndata: {"a":1}\n\n: still here\n\nid: 2\r\ndata: x\r\ndata: y\r\n\r\nid: 3\ndata: cut off';

async function* cut(places: readonly number[]): AsyncGenerator<string> {
  let from = 0;
  for (const place of [...places].sort((a, b) => a - b)) {
    yield text.slice(from, place);
    from = place;
  }
  yield text.slice(from);
}

describe("event stream", () => {
  it("is the same however the text is cut", async () => {
    const place = fc.integer({ min: 0, max: text.length });
    await fc.assert(
      fc.asyncProperty(fc.array(place), async (places) => {
        expect(await Array.fromAsync(parseEvents(cut(places)))).toEqual([
          { id: "1", event: "log", data: '{"a":1}' },
          { id: "2", event: "message", data: "x\ny" },
        ]);
      }),
    );
  });
});

describe("figures", () => {
  it("are as people read them", () => {
    expect([0, 65.9, 3723, Number.NaN].map(clock)).toEqual(["0:00", "1:05", "1:02:03", "0:00"]);
    expect([0.2, 89, 90, 3900].map(duration)).toEqual(["1 s", "89 s", "2 min", "1 h 5 min"]);
    expect([10, 999_400, 999_600, 2.5e9].map(size)).toEqual([
      "1 kB",
      "999 kB",
      "1.0 MB",
      "2.50 GB",
    ]);
  });
});
