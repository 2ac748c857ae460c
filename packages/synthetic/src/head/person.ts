/** What a generated person looks like. Lengths are in face heights, from forehead to chin. */
import { LatentSyncError } from "@ls/core";
import { RandomNumbers } from "../random.ts";
import { mix, rampColour, shaded } from "./colours.ts";

export type HairStyle =
  | "afro"
  | "bald"
  | "bangs"
  | "bob"
  | "bun"
  | "buzz"
  | "crop"
  | "curls"
  | "long"
  | "parted"
  | "quiff"
  | "scarf"
  | "waves";
export type BeardStyle = "none" | "stubble" | "moustache" | "goatee" | "full";
export type GlassesStyle = "none" | "round" | "square";
export type ClothesStyle = "crew" | "collar" | "v-neck" | "jacket";
export type BackgroundStyle = "wall" | "lights" | "window" | "panels";

/** A generated person; colours are `#rrggbb`. */
export interface Person {
  readonly seed: number;
  readonly face: {
    readonly halfWidth: number;
    /** Half width at the corner of the jaw, of `halfWidth`. */
    readonly jaw: number;
    readonly chinHalfWidth: number;
    /** How full the cheeks are, 0 to 1. */
    readonly cheeks: number;
  };
  readonly skin: {
    readonly base: string;
    readonly light: string;
    readonly shadow: string;
    readonly flush: string;
  };
  readonly hair: {
    readonly style: HairStyle;
    readonly colour: string;
    readonly volume: number;
    /** Side of the parting in the picture. */
    readonly side: -1 | 1;
  };
  readonly beard: { readonly style: BeardStyle; readonly colour: string };
  readonly glasses: { readonly style: GlassesStyle; readonly colour: string };
  readonly brows: {
    readonly x: number;
    readonly y: number;
    readonly halfLength: number;
    readonly thickness: number;
    readonly arch: number;
    /** How much higher the outer end is. */
    readonly rise: number;
    readonly colour: string;
  };
  readonly eyes: {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
    readonly rise: number;
    readonly iris: string;
    /** Strength of the lashes, 0 to 1. */
    readonly lashes: number;
  };
  readonly nose: {
    readonly halfWidth: number;
    /** Level of the wings. */
    readonly y: number;
    readonly bridge: number;
  };
  readonly mouth: {
    readonly y: number;
    readonly halfWidth: number;
    readonly fullness: number;
    readonly colour: string;
  };
  readonly ears: { readonly size: number };
  readonly clothes: {
    readonly style: ClothesStyle;
    readonly colour: string;
    readonly accent: string;
    readonly shoulders: number;
  };
  readonly background: {
    readonly style: BackgroundStyle;
    readonly near: string;
    readonly far: string;
    readonly accent: string;
  };
  /** The light falls from this side of the picture. */
  readonly light: { readonly side: -1 | 1; readonly contrast: number };
}

const SKIN = ["#f3d8c6", "#eac4a8", "#deab86", "#c98e65", "#a26a45", "#7a4a2f", "#553322"];
const HAIR = ["#17120f", "#2b1d15", "#4a2f1e", "#6f4526", "#9a6a3a", "#c79a5b", "#a3432b"];
const GREY_HAIR = ["#8d8a87", "#c9c5c0", "#e6e2dc"];
const IRIS = ["#3d2616", "#5a3a20", "#7a5a2c", "#55703f", "#4a7a8c", "#5f86ab", "#6b7780"];
const LIPSTICK = ["#b0303f", "#c24a5a", "#9c2f52", "#c4544a"];
const FABRIC = [
  "#2f4156",
  "#7a2f3a",
  "#3f6b57",
  "#d8d2c6",
  "#262a31",
  "#b5823f",
  "#5a4a7a",
  "#4f86a6",
  "#c46a5a",
  "#e9e6e0",
];
const WALLS = [
  "#c9d3d6",
  "#d9cfc0",
  "#aebfae",
  "#b4bccb",
  "#8a97a3",
  "#c7b3ad",
  "#5f6f7c",
  "#e2dcd0",
];
const FRAMES = ["#1d1b1a", "#4a2f20", "#2f3f5a", "#8a6a3a", "#6b2f2f"];
const LONG_STYLES = [
  "long",
  "waves",
  "bob",
  "bangs",
  "bun",
  "curls",
  "afro",
  "parted",
  "scarf",
] as const;
const SHORT_STYLES = ["crop", "crop", "parted", "quiff", "buzz", "curls", "afro", "bald"] as const;
const BEARDS = ["none", "none", "none", "stubble", "moustache", "goatee", "full"] as const;

/**
 * A person from a seed: the same one on every machine.
 * @param seed a whole number.
 * @throws LatentSyncError `invalid_argument`
 */
export function createPerson(seed: number): Person {
  if (!Number.isSafeInteger(seed)) {
    throw new LatentSyncError(
      "invalid_argument",
      `createPerson: seed must be a whole number, got ${seed}.`,
      { hint: "Pass an integer, for example 1." },
    );
  }
  const random = new RandomNumbers(Math.imul(seed, 0x9e37_79b1) ^ 0x5bd1_e995);
  // Of two families of looks, each gets the styles that go together.
  const soft = random.chance(0.5);
  const darkness = random.next();
  const skin = createSkin(random, darkness);
  const halfWidth = random.between(0.345, 0.395) - (soft ? 0.01 : 0);
  const hair = createHair(random, soft, darkness);
  return {
    seed,
    face: {
      halfWidth,
      jaw: soft ? random.between(0.72, 0.81) : random.between(0.77, 0.88),
      chinHalfWidth: soft ? random.between(0.08, 0.12) : random.between(0.1, 0.15),
      cheeks: random.next(),
    },
    skin,
    hair,
    beard: createBeard(random, soft, hair.colour),
    glasses: {
      style: random.chance(0.25) ? random.pick(["round", "square"] as const) : "none",
      colour: random.pick(FRAMES),
    },
    ...createFeatures(random, soft, halfWidth, darkness),
    brows: createBrows(random, soft, halfWidth, hair.colour),
    mouth: createMouth(random, soft, skin.base, darkness),
    ...createSurroundings(random),
  };
}

function createSkin(random: RandomNumbers, darkness: number): Person["skin"] {
  const undertone = random.pick(["#e08a70", "#d8a860", "#c98a80"]);
  const base = mix(rampColour(SKIN, darkness), undertone, random.between(0, 0.12));
  return {
    base,
    light: mix(base, "#fff0de", 0.3 - 0.06 * darkness),
    shadow: shaded(base, 0.68),
    flush: mix(base, "#cf3f38", 0.42 - 0.12 * darkness),
  };
}

function createHair(random: RandomNumbers, soft: boolean, darkness: number): Person["hair"] {
  const style: HairStyle = random.pick<HairStyle>(soft ? LONG_STYLES : SHORT_STYLES);
  const grey = random.chance(0.14);
  const brightest = 1 - 0.75 * darkness;
  const natural = rampColour(HAIR, random.next() * brightest);
  const own = grey ? rampColour(GREY_HAIR, random.next()) : natural;
  return {
    style,
    colour: style === "scarf" ? random.pick(FABRIC) : own,
    volume: random.between(0.6, 1.3),
    side: random.chance(0.5) ? 1 : -1,
  };
}

function createBeard(random: RandomNumbers, soft: boolean, hairColour: string): Person["beard"] {
  const style = random.pick(BEARDS);
  return { style: soft ? "none" : style, colour: shaded(hairColour, random.between(0.75, 1)) };
}

function createFeatures(
  random: RandomNumbers,
  soft: boolean,
  halfWidth: number,
  darkness: number,
): Pick<Person, "eyes" | "nose" | "ears"> {
  return {
    eyes: {
      x: halfWidth * random.between(0.425, 0.455),
      y: random.between(-0.085, -0.07),
      width: random.between(0.128, 0.146) + (soft ? 0.006 : 0),
      height: random.between(0.042, 0.051) + (soft ? 0.005 : 0),
      rise: random.between(-0.004, 0.014),
      iris: rampColour(IRIS, random.next() * (1 - darkness) ** 1.5),
      lashes: soft ? random.between(0.55, 1) : random.between(0.1, 0.35),
    },
    nose: {
      halfWidth: random.between(0.062, 0.086) - (soft ? 0.006 : 0),
      y: random.between(0.125, 0.148),
      bridge: random.between(0.6, 1.1),
    },
    ears: { size: random.between(0.85, 1.15) },
  };
}

function createBrows(
  random: RandomNumbers,
  soft: boolean,
  halfWidth: number,
  hairColour: string,
): Person["brows"] {
  return {
    x: halfWidth * 0.5,
    y: random.between(-0.182, -0.166),
    halfLength: random.between(0.088, 0.098),
    thickness: soft ? random.between(0.018, 0.027) : random.between(0.026, 0.036),
    arch: random.between(0.03, 0.055),
    rise: random.between(-0.012, 0.012),
    colour: shaded(mix(hairColour, "#3a2a20", 0.55), 0.8),
  };
}

function createMouth(
  random: RandomNumbers,
  soft: boolean,
  base: string,
  darkness: number,
): Person["mouth"] {
  const natural = mix(shaded(base, 0.95 - 0.12 * darkness), "#bd3f4c", random.between(0.38, 0.56));
  const painted = soft && random.chance(0.35);
  return {
    y: random.between(0.268, 0.286),
    halfWidth: random.between(0.122, 0.142),
    fullness: soft ? random.between(0.9, 1.3) : random.between(0.72, 1.12),
    colour: painted ? mix(random.pick(LIPSTICK), base, 0.15) : natural,
  };
}

function createSurroundings(
  random: RandomNumbers,
): Pick<Person, "clothes" | "background" | "light"> {
  const wall = random.pick(WALLS);
  const tint = random.pick(FABRIC);
  return {
    clothes: {
      style: random.pick(["crew", "collar", "v-neck", "jacket"] as const),
      colour: random.pick(FABRIC),
      accent: random.pick(FABRIC),
      shoulders: random.between(0.9, 1.06),
    },
    background: {
      style: random.pick(["wall", "lights", "window", "panels"] as const),
      near: mix(wall, tint, random.between(0, 0.25)),
      far: shaded(mix(wall, tint, random.between(0, 0.35)), random.between(0.55, 0.85)),
      accent: random.pick(FABRIC),
    },
    light: { side: random.chance(0.5) ? 1 : -1, contrast: random.between(0.25, 0.8) },
  };
}
