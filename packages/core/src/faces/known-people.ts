/** Who has been seen in a video, to know them again after a cut or an absence. */
import { LEAST_LIKENESS, MeanAppearance, SURE_LIKENESS } from "./appearance.ts";
import { growth, shift } from "./face-geometry.ts";
import type { Person, Tracklet } from "./tracklet.ts";

/** By how much the cosine to one person must be above that to anybody else. */
const SURE_MARGIN = 0.1;
/** How far a person who is lost for a moment may have moved, in sides of the face, and grown. */
const RETURN_SHIFT = 1;
const RETURN_GROWTH = Math.log(2);

export class KnownPeople {
  readonly #people: Person[] = [];
  /** For so many frames a lost face is waited for at its place. */
  readonly returnFrames: number;

  constructor(returnFrames: number) {
    this.returnFrames = returnFrames;
  }

  get count(): number {
    return this.#people.length;
  }

  /** Tells whose face a track shows: somebody known, or a new person. */
  meet(tracklet: Tracklet, others: readonly Tracklet[]): void {
    const person = this.#recognise(tracklet, others) ?? this.#greet();
    tracklet.person = person;
    const { appearance } = tracklet;
    person.appearance.merge(appearance);
    // Whose face is seen elsewhere is not waited for at its old place.
    for (const other of others) {
      if (other !== tracklet && other.person === person && !other.ended) other.ended = true;
    }
  }

  #greet(): Person {
    const person = { number: this.#people.length + 1, appearance: new MeanAppearance() };
    this.#people.push(person);
    return person;
  }

  #recognise(tracklet: Tracklet, others: readonly Tracklet[]): Person | undefined {
    const present = others.filter(
      (other) => other !== tracklet && other.last >= tracklet.start && other.shot === tracklet.shot,
    );
    const absent = this.#people.filter((person) =>
      present.every((other) => other.person !== person),
    );
    return this.#byAppearance(tracklet, absent) ?? this.#byPlace(tracklet, absent, others);
  }

  #byAppearance({ appearance }: Tracklet, people: readonly Person[]): Person | undefined {
    const [best, second] = people
      .map((person) => ({ person, likeness: person.appearance.likeness(appearance) ?? 0 }))
      .toSorted((a, b) => b.likeness - a.likeness);
    if (best === undefined || best.likeness < SURE_LIKENESS) return undefined;
    return best.likeness - (second?.likeness ?? 0) < SURE_MARGIN ? undefined : best.person;
  }

  /** Who was lost near there, a moment ago and in the same shot. */
  #byPlace(
    tracklet: Tracklet,
    people: readonly Person[],
    others: readonly Tracklet[],
  ): Person | undefined {
    const box = tracklet.boxAt(tracklet.start);
    const lost = others
      .filter(({ shot, last, person, appearance }) => {
        const isNear =
          shot === tracklet.shot &&
          last < tracklet.start &&
          tracklet.start - last <= this.returnFrames;
        const isOther = (appearance.likeness(tracklet.appearance) ?? 1) < LEAST_LIKENESS;
        return isNear && !isOther && person !== undefined && people.includes(person);
      })
      .map((other) => ({ other, place: other.boxAt(other.last) }))
      .filter(
        ({ place }) => shift(place, box) <= RETURN_SHIFT && growth(place, box) <= RETURN_GROWTH,
      )
      .toSorted((a, b) => shift(a.place, box) - shift(b.place, box));
    return lost[0]?.other.person;
  }
}
