/** What the data of the demo model is made of. Change a number and the figures change with it. */

export const SPEECH = {
  /** Whisper's window: mel frames, and states of the encoder at 50 Hz. */
  melFrames: 3000,
  states: 1500,
  seconds: 30,
  shortestSeconds: 3,
  windows: 960,
  windowsPerShard: 16,
} as const;

export const FACES = {
  resolution: 128,
  framesPerSecond: 25,
  /** Frames of a chunk, as the UNet sees them. */
  frames: 16,
  people: 1280,
  peoplePerShard: 16,
  /** Each frame is drawn with the mouths of two speeches: one is the target, one the reference. */
  mouths: 2,
} as const;
