/** Which of several faces a run is about. */

/**
 * - `speaker`: in each shot the person whose mouth moves as in speech, if one clearly does, else the
 *   largest face; over a cut the same person goes on, if recognised
 * - `largest`, `left`, `right`, `center`: in each shot, by the faces' mean size or place
 * - `all`: every face but flickers
 * - `number`: the person of that number, from 1 in the order of appearance, as tracks are numbered
 * - `at`: the person nearest to a place, from (0, 0) left top to (1, 1), at a time of the video
 * - `like`: who looks like the person of an appearance, a unit vector of the same detector
 */
export type FaceSelection =
  | { readonly kind: "speaker" | "largest" | "left" | "right" | "center" | "all" }
  | { readonly kind: "number"; readonly number: number }
  | { readonly kind: "at"; readonly x: number; readonly y: number; readonly timeSeconds: number }
  | { readonly kind: "like"; readonly appearance: Float32Array };
