/** What the visible articulators do at one instant. */
export interface Articulation {
  /** Distance between the lips: 0 = closed, 1 = the widest that speech opens them. */
  readonly opening: number;
  /** Shape of the lips: -1 = rounded and pushed forward, 0 = at rest, 1 = spread. */
  readonly spread: number;
  /** How far the upper teeth show, 0 to 1. */
  readonly teeth: number;
  /** How far the tip of the tongue is raised behind the teeth, 0 to 1. */
  readonly tongue: number;
}

/** A mouth that says nothing. */
export const restingArticulation: Articulation = { opening: 0, spread: 0, teeth: 0, tongue: 0 };
