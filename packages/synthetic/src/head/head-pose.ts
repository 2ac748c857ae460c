/** How a head moves, and where its features come to lie when it turns. */
import { LatentSyncError } from "@ls/core";
import { RandomNumbers } from "../random.ts";
import type { Person } from "./person.ts";

/** Where a head is and what its eyes do. */
export interface HeadPose {
  /** Middle of the face in face heights, relative to rest. */
  readonly x: number;
  readonly y: number;
  /** Clockwise. */
  readonly rollDegrees: number;
  /** -1 = towards the picture's left, 1 = towards its right. */
  readonly yaw: number;
  /** -1 = up, 1 = down. */
  readonly pitch: number;
  /** 0 = eyes open, 1 = shut. */
  readonly blink: number;
  /** -1 = to the picture's left, 1 = to its right. */
  readonly gaze: number;
}

/** Looking straight ahead. */
export const restingPose: HeadPose = {
  x: 0,
  y: 0,
  rollDegrees: 0,
  yaw: 0,
  pitch: 0,
  blink: 0,
  gaze: 0,
};

const BLINK_INTERVAL_SECONDS = 3.4;
const BLINK_SECONDS = 0.2;
const MAX_YAW_RADIANS = 0.26;
const MAX_PITCH_RADIANS = 0.17;
/** Radius of the head on which features foreshorten. */
const HEAD_RADIUS = 0.6;

/**
 * The pose of a person who sways, nods and blinks: smooth in time, and each person's own.
 * @throws LatentSyncError `invalid_argument` unless `seconds` is finite and at least 0.
 */
export function poseAt(person: Person, seconds: number): HeadPose {
  if (!Number.isFinite(seconds) || seconds < 0) {
    throw new LatentSyncError(
      "invalid_argument",
      `poseAt: seconds must be 0 or more, got ${seconds}.`,
      { hint: "Pass the time from the clip's start." },
    );
  }
  const random = new RandomNumbers(person.seed ^ 0x2c1b_3c6d);
  const sway = (slowHz: number, fastHz: number): number => {
    const wave = (hz: number): number =>
      Math.sin(2 * Math.PI * (seconds * hz * random.between(0.8, 1.2) + random.next()));
    return 0.68 * wave(slowHz) + 0.32 * wave(fastHz);
  };
  const yaw = 0.55 * sway(0.13, 0.31);
  const pitch = 0.4 * sway(0.17, 0.43);
  return {
    x: 0.035 * sway(0.11, 0.29) + 0.03 * yaw,
    y: 0.018 * sway(0.15, 0.37) + 0.02 * pitch,
    rollDegrees: 3.2 * sway(0.12, 0.27),
    yaw,
    pitch,
    blink: blinkAt(person.seed, seconds),
    gaze: 0.5 * sway(0.21, 0.09) - 0.4 * yaw,
  };
}

function blinkAt(seed: number, seconds: number): number {
  const period = Math.floor(seconds / BLINK_INTERVAL_SECONDS);
  const random = new RandomNumbers(Math.imul(seed, 31) ^ Math.imul(period + 1, 0x85eb_ca6b));
  const start = random.between(0, BLINK_INTERVAL_SECONDS - BLINK_SECONDS);
  const progress = (seconds - period * BLINK_INTERVAL_SECONDS - start) / BLINK_SECONDS;
  return progress > 0 && progress < 1 ? Math.sin(Math.PI * progress) ** 2 : 0;
}

/** Where a feature lies on the turned head. */
export interface FeatureFrame {
  readonly x: number;
  readonly y: number;
  readonly scaleX: number;
  readonly scaleY: number;
}

/** The frame of a feature at `x`, `y` that lies `depth` in front of the head's axis. */
export function turnedFrame(pose: HeadPose, x: number, y: number, depth: number): FeatureFrame {
  const yaw = pose.yaw * MAX_YAW_RADIANS;
  const pitch = pose.pitch * MAX_PITCH_RADIANS;
  const longitude = Math.asin(x / HEAD_RADIUS);
  return {
    x: x * Math.cos(yaw) + depth * Math.sin(yaw),
    y: y * Math.cos(pitch) + depth * Math.sin(pitch),
    scaleX: Math.cos(longitude + yaw) / Math.cos(longitude),
    scaleY: Math.cos(pitch),
  };
}
