import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { LatentSyncError } from "../src/errors.ts";
import { trackFaces } from "../src/faces/face-timeline.ts";
import {
  appearanceOf,
  faceAt,
  follow,
  greysOf,
  type Moment,
  MomentVideo,
  random,
  runsOf,
  timelineOf,
  tracksOf,
} from "./face-timeline-fixtures.ts";

const still = (): Moment => ({ faces: [faceAt({ x: 200 })] });

describe("identity", () => {
  it("keeps two people apart whatever the order of the detector's list", async () => {
    const frames = await follow(60, (index) => {
      const faces = [faceAt({ x: 150 + index }), faceAt({ x: 450 - index / 2, size: 80 + index })];
      return { faces: index % 3 === 0 ? faces.toReversed() : faces };
    });
    expect(runsOf(frames)).toBe("1 2*60");
    expect(frames.every(([left, right]) => (left?.box.x ?? 0) < (right?.box.x ?? 0))).toBe(true);
  });

  /** One walks right, the other left; while they are near one another only the nearer one is seen. */
  const crossing =
    (likeness: boolean) =>
    (index: number): Moment => {
      const a = 120 + 8 * index;
      const b = 520 - 8 * index;
      const look = (person: number) => (likeness ? { appearance: appearanceOf(person) } : {});
      const front = faceAt({ x: a, size: 104, ...look(1) });
      const back = faceAt({ x: b, ...look(2) });
      return { faces: Math.abs(a - b) < 60 ? [front] : [back, front] };
    };

  it.each([
    ["by their motion", false],
    ["by their motion and what they look like", true],
  ])("tells people who cross from one another %s", async (_, likeness) => {
    const frames = await follow(50, crossing(likeness));
    for (const [index, faces] of frames.entries()) {
      const first = faces.find(({ track }) => track === 1);
      expect((first?.box.x ?? 0) + 52, `frame ${index}`).toBeCloseTo(120 + 8 * index, 0);
    }
    expect(frames.at(-1)?.map(({ track }) => track)).toEqual([1, 2]);
  });

  it("drops what is seen for less than five frames", async () => {
    const frames = await follow(40, (index) => ({
      faces: [faceAt({ x: 200 }), ...(index >= 10 && index < 14 ? [faceAt({ x: 500 })] : [])],
    }));
    expect(runsOf(frames)).toBe("1*40");
  });

  it("takes the face of a video that is not longer", async () => {
    expect(runsOf(await follow(1, still))).toBe("1*1");
    expect(runsOf(await follow(3, still))).toBe("1*3");
  });

  it("knows a person again after a cut by appearance, and nobody without", async () => {
    const people = (index: number): Moment => {
      const scene = Math.floor(index / 30) % 2;
      const look = (person: number) => ({ appearance: appearanceOf(person) });
      return scene === 0
        ? { scene, faces: [faceAt({ x: 200, ...look(1) }), faceAt({ x: 450, ...look(2) })] }
        : { scene, faces: [faceAt({ x: 300, size: 160, ...look(2) })] };
    };
    expect(runsOf(await follow(90, people))).toBe("1 2*30, 2*30, 1 2*30");
    const unknown = (index: number): Moment => ({
      scene: index < 30 ? 0 : 1,
      faces: still().faces,
    });
    expect(runsOf(await follow(60, unknown))).toBe("1*30, 2*30");
  });

  it("keeps the number of who turns away for a while, without filling the time in", async () => {
    const frames = await follow(90, (index) =>
      index < 30 || index >= 60 ? still() : { faces: [] },
    );
    expect(runsOf(frames)).toBe("1*30, -*30, 1*30");
  });
});

describe("gaps", () => {
  it("interpolates a short one from both sides", async () => {
    const frames = await follow(60, (index) => ({
      faces: index >= 25 && index < 33 ? [] : [faceAt({ x: 100 + 4 * index })],
    }));
    expect(runsOf(frames)).toBe("1*60");
    for (const [index, faces] of frames.entries()) {
      expect(faces[0]?.points[2][0], `frame ${index}`).toBeCloseTo(100 + 4 * index, 2);
    }
  });

  it("extends no track at its beginning or end", async () => {
    const frames = await follow(60, (index) =>
      index >= 7 && index < 51 ? still() : { faces: [] },
    );
    expect(runsOf(frames)).toBe("-*7, 1*44, -*9");
  });

  it("passes black frames through, short gap or not", async () => {
    for (const length of [3, 9, 20]) {
      const frames = await follow(80, (index) =>
        index >= 30 && index < 30 + length ? { scene: "black", faces: [] } : still(),
      );
      const faceless = tracksOf(frames).flatMap((text, index) => (text === "" ? [index] : []));
      expect(faceless).toEqual(Array.from({ length }, (_, index) => 30 + index));
    }
  });

  it.each([
    ["black", 0],
    ["white", 255],
  ])("passes frames through that have faded to %s", async (_, ground) => {
    // Seen while an eighth of it is left; fading takes 8 frames each way, nothing shows for 6.
    const shareAt = (index: number): number =>
      Math.min(1, Math.max(0, (Math.abs(index + 0.5 - 40) - 3) / 8));
    const frames = await follow(80, (index) => ({
      faces: shareAt(index) > 0.12 ? still().faces : [],
      greys: (columns, rows) =>
        greysOf(0, columns, rows).map((grey) => ground + (grey - ground) * shareAt(index)),
    }));
    const faceless = tracksOf(frames).flatMap((text, index) => (text === "" ? [index] : []));
    expect(faceless).toEqual(expect.arrayContaining([37, 38, 39, 40, 41, 42]));
    expect(faceless.length).toBeLessThan(10);
  });

  it("fills what was missed round a black frame", async () => {
    const frames = await follow(60, (index) => {
      if (index === 30) return { scene: "black", faces: [] };
      return index >= 28 && index < 33 ? { faces: [] } : still();
    });
    expect(runsOf(frames)).toBe("1*30, -*1, 1*29");
  });
});

describe("shots", () => {
  const shotsOf = async (frameCount: number, momentAt: (index: number) => Moment) => {
    const frames = await follow(frameCount, momentAt);
    return frames.map((faces) => faces[0]?.shot);
  };

  it("begin at cuts, to the frame", async () => {
    const shots = await shotsOf(60, (index) => ({
      scene: index < 23 ? 0 : 1,
      faces: still().faces,
    }));
    expect(shots).toEqual(Array.from({ length: 60 }, (_, index) => (index < 23 ? 0 : 1)));
  });

  it("do not begin at a flash", async () => {
    const shots = await shotsOf(60, (index) => ({
      scene: index === 20 || index === 21 ? 5 : 0,
      faces: still().faces,
    }));
    expect(new Set(shots)).toEqual(new Set([0]));
  });

  const [MIDDLE, LENGTH] = [60, 16];
  const dissolve = (index: number): Required<Pick<Moment, "greys">> => {
    const share = Math.min(1, Math.max(0, (index + 0.5 - MIDDLE) / LENGTH + 0.5));
    return {
      greys: (columns, rows) => {
        const after = greysOf(1, columns, rows);
        const mix = (grey: number, cell: number): number =>
          grey + ((after[cell] ?? 0) - grey) * share;
        return greysOf(0, columns, rows).map(mix);
      },
    };
  };

  it("begin in the middle of a dissolve", async () => {
    const shots = await shotsOf(120, (index) => ({ ...dissolve(index), faces: still().faces }));
    const start = shots.indexOf(1);
    expect(Math.abs(start - MIDDLE)).toBeLessThanOrEqual(2);
    expect(shots).toEqual(Array.from({ length: 120 }, (_, index) => (index < start ? 0 : 1)));
  });

  it("are of whom they show when a dissolve is over", async () => {
    const stale = MIDDLE + 6;
    const frames = await follow(120, (index) => ({
      ...dissolve(index),
      faces: [faceAt({ x: 200, appearance: appearanceOf(index < stale ? 1 : 2) })],
    }));
    const start = frames.findIndex(([face]) => face?.shot === 1);
    expect(runsOf(frames)).toBe(`1*${start}, 2*${120 - start}`);
  });

  it.each<[string, (index: number, columns: number, rows: number) => Uint8Array]>([
    [
      "lights are dimmed",
      (index, columns, rows) => {
        const light = 1 - 0.6 * Math.min(1, Math.max(0, (index - 50) / 10));
        return greysOf(0, columns, rows).map((grey) => grey * light);
      },
    ],
    [
      "the camera swings by a sixth of the picture a frame",
      (index, columns, rows) => {
        const left = 30 + Math.round(27 * Math.sin(index / 5));
        const wide = greysOf(0, 3 * columns, rows);
        return Uint8Array.from(
          { length: columns * rows },
          (_, cell) =>
            wide[Math.floor(cell / columns) * 3 * columns + left + (cell % columns)] ?? 0,
        );
      },
    ],
  ])("do not begin where %s", async (_name, greysAt) => {
    const shots = await shotsOf(120, (index) => ({
      greys: (columns, rows) => greysAt(index, columns, rows),
      faces: still().faces,
    }));
    expect(new Set(shots)).toEqual(new Set([0]));
  });

  it("do not smear a face over the cut between them", async () => {
    const frames = await follow(40, (index) => ({
      scene: index < 20 ? 0 : 1,
      faces: [faceAt({ x: index < 20 ? 200 : 215 })],
    }));
    for (const [index, faces] of frames.entries()) {
      expect(faces[0]?.points[2][0]).toBeCloseTo(index < 20 ? 200 : 215, 3);
    }
  });
});

describe("running ahead", () => {
  it("reads the video once, however its frames are asked for, and holds none", async () => {
    const video = new MomentVideo(120, still);
    await using timeline = timelineOf(video);
    const order = [...Array(120).keys(), ...[...Array(120).keys()].toReversed(), 5, 119, 60];
    for (const index of order) expect(await timeline.at(index)).toHaveLength(1);
    expect(video.iterations).toBe(1);
    expect(video.openFrames).toBe(0);
    expect(video.detected).toBe(120);
    expect(await timeline.at(120)).toEqual([]);
    expect(await timeline.frameCount()).toBe(120);
  });

  it("stops about ten seconds ahead of what is asked for", async () => {
    const video = new MomentVideo(5000, still);
    await using timeline = timelineOf(video, { kind: "speaker" });
    await timeline.at(0);
    await setTimeout(50);
    expect(video.detected).toBeGreaterThan(200);
    expect(video.detected).toBeLessThan(300);
    await timeline.at(1000);
    expect(video.detected).toBeLessThan(1300);
  });

  it("ends where the frames that matter end", async () => {
    const video = new MomentVideo(500, still);
    const options = { reader: video, detector: video, selection: { kind: "all" } as const };
    await using timeline = trackFaces({ ...options, end: 30 });
    expect(await timeline.frameCount()).toBe(30);
    expect(video.detected).toBe(30);
  });

  it("hands on what fails, to whoever needs the frames after", async () => {
    const failure = new LatentSyncError("invalid_media", "Broken.");
    const video = new MomentVideo(100, (index) => {
      if (index === 60) throw failure;
      return still();
    });
    await using timeline = timelineOf(video);
    expect(await timeline.at(10)).toHaveLength(1);
    await expect(timeline.at(60)).rejects.toBe(failure);
    expect(await timeline.at(10)).toHaveLength(1);
    expect(video.openFrames).toBe(0);
  });

  it("gives up when it is told to, or disposed", async () => {
    const stop = new AbortController();
    const reason = new Error("Enough.");
    const video = new MomentVideo(100_000, (index) => {
      if (index === 400) stop.abort(reason);
      return still();
    });
    const options = { reader: video, detector: video, selection: { kind: "all" } as const };
    const timeline = trackFaces({ ...options, end: 100_000, signal: stop.signal });
    await expect(timeline.at(50_000)).rejects.toBe(reason);
    await timeline[Symbol.asyncDispose]();
    await expect(timeline.at(0)).rejects.toMatchObject({ code: "disposed" });
    expect(video.openFrames).toBe(0);

    const given = new MomentVideo(100_000, still);
    const left = timelineOf(given);
    const waiting = left.at(90_000);
    waiting.catch(() => undefined);
    await left[Symbol.asyncDispose]();
    await expect(waiting).rejects.toMatchObject({ code: "disposed" });
    expect(given.openFrames).toBe(0);
    expect(given.detected).toBeLessThan(90_000);
  });
});

describe("smoothing", () => {
  const SIZE = 200;

  /** Root mean square of the change of the change, which a still or steady face has none of. */
  const jitter = (values: readonly number[]): number => {
    const bends = values.slice(2).map((value, index) => {
      const [a, b] = [values[index] as number, values[index + 1] as number];
      return (value - 2 * b + a) ** 2;
    });
    return Math.sqrt(bends.reduce((sum, bend) => sum + bend, 0) / bends.length);
  };

  /** The nose of a face whose points have noise of their own, of a deviation of about `noise`. */
  const noseOf = async (place: (index: number) => number, noise: number, backward = false) => {
    const next = random(7);
    const shake = (): number => noise * (next() + next() + next() - 1.5) * 2;
    const seen = Array.from({ length: 150 }, (_, index) => {
      const face = faceAt({ x: place(index), size: SIZE });
      const [left, right, nose] = face.points.map(([x, y]) => [x + shake(), y + shake()] as const);
      return { ...face, points: [left, right, nose] as typeof face.points };
    });
    const played = backward ? seen.toReversed() : seen;
    const frames = await follow(150, (index) => ({ faces: played.slice(index, index + 1) }));
    return {
      raw: played.map(({ points }) => points[2][0]),
      smoothed: frames.map((faces) => faces[0]?.points[2][0] ?? Number.NaN),
    };
  };

  it("takes the jitter out of a still face", async () => {
    const { raw, smoothed } = await noseOf(() => 300, 0.6);
    expect(jitter(smoothed)).toBeLessThan(0.25 * jitter(raw));
    const error = Math.max(...smoothed.map((value) => Math.abs(value - 300)));
    expect(error).toBeLessThan(Math.max(...raw.map((value) => Math.abs(value - 300))));
  });

  it.each([
    ["a steady fast move", (index: number) => 60 + 3.5 * index, 0.001],
    ["a start and a stop", (index: number) => 150 + 6 * Math.min(Math.max(index - 50, 0), 40), 2],
    ["a shake of three hertz", (i: number) => 300 + 12 * Math.sin((2 * Math.PI * 3 * i) / 25), 1],
    ["a jump cut", (index: number) => (index < 75 ? 250 : 290), 0.05],
  ])("does not displace a face in %s", async (_, place, bound) => {
    const { smoothed } = await noseOf(place, 0);
    const errors = smoothed.map((value, index) => Math.abs(value - place(index)));
    expect(Math.max(...errors)).toBeLessThan(bound);
  });

  it("has no lag: a video run backwards gives the same", async () => {
    const place = (index: number) => 300 + 40 * Math.sin(index / 9);
    const forward = await noseOf(place, 0.5);
    const backward = await noseOf(place, 0.5, true);
    for (const [index, value] of forward.smoothed.entries()) {
      expect(backward.smoothed[149 - index]).toBeCloseTo(value, 2);
    }
  });
});
