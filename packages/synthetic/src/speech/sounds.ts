/** Targets of the lips, teeth and tongue, as in `Articulation`, and how strongly a sound holds each. */
export interface MouthTarget {
  /** Below 0 the lips press together. */
  readonly opening: number;
  readonly openingHold: number;
  readonly spread: number;
  readonly spreadHold: number;
  readonly teeth: number;
  readonly teethHold: number;
  readonly tongue: number;
  readonly tongueHold: number;
}

type Band = readonly [centerHz: number, bandwidthHz: number, gain: number];
/** Two bands of noise, for a vocal tract of 17 cm. */
export type NoiseShape = readonly [Band, Band];

/** One stretch of a sound: a vowel has one, a diphthong two, a stop closure, burst and breath. */
export interface Stage {
  /** Part of the sound's duration. */
  readonly share: number;
  /** F1, F2 and F3 of a man. */
  readonly formantsHz: readonly [f1Hz: number, f2Hz: number, f3Hz: number];
  /** How strongly the stage holds its formants against its neighbours'. */
  readonly formantHold: number;
  /** Amplitudes, 1 = a stressed vowel's. */
  readonly voicing: number;
  readonly aspiration: number;
  readonly frication: number;
  readonly noise: NoiseShape;
  /** How far the soft palate is open, 0 to 1. */
  readonly nasality: number;
  /** Closed mouth: only low harmonics pass through the walls, 0 to 1. */
  readonly muffling: number;
}

/** A sound of speech. */
export interface Sound {
  readonly isVowel: boolean;
  /** Duration in a stressed syllable, and the shortest possible (after Klatt 1979). */
  readonly seconds: number;
  readonly shortestSeconds: number;
  readonly stages: readonly Stage[];
  /** One for the whole sound or one for each stage. */
  readonly mouths: readonly MouthTarget[];
}

const SILENT_NOISE: NoiseShape = [
  [1500, 1000, 0],
  [4000, 2000, 0],
];
const NOISE = {
  S: [
    [5300, 900, 0.8],
    [6900, 1700, 0.8],
  ],
  SH: [
    [2700, 550, 0.75],
    [4300, 1500, 0.75],
  ],
  F: [
    [2600, 3500, 0.12],
    [6900, 3500, 0.28],
  ],
  TH: [
    [4300, 4000, 0.1],
    [7000, 2200, 0.25],
  ],
  P: [
    [850, 900, 0.35],
    [2600, 3500, 0.12],
  ],
  T: [
    [4100, 1500, 0.65],
    [6500, 2500, 0.4],
  ],
  K: [
    [2000, 600, 0.7],
    [4800, 2000, 0.2],
  ],
} as const satisfies Record<string, NoiseShape>;

const OPEN_STAGE: Stage = {
  share: 1,
  formantsHz: [500, 1500, 2500],
  formantHold: 1,
  voicing: 0,
  aspiration: 0,
  frication: 0,
  noise: SILENT_NOISE,
  nasality: 0,
  muffling: 0,
};
type Formants = Stage["formantsHz"];

/** A vowel leaves the tongue's tip alone and holds opening and spread. */
function vowelMouth(opening: number, spread: number, teeth: number): MouthTarget {
  return {
    opening,
    openingHold: 1,
    spread,
    spreadHold: spread < 0 ? 1.6 : 1,
    teeth,
    teethHold: 0.7,
    tongue: 0.05,
    tongueHold: 0.7,
  };
}

function vowel(
  milliseconds: readonly [number, number],
  formantsHz: Formants,
  mouth: MouthTarget,
): Sound {
  return {
    isVowel: true,
    seconds: milliseconds[0] / 1000,
    shortestSeconds: milliseconds[1] / 1000,
    stages: [{ ...OPEN_STAGE, formantsHz, voicing: 1 }],
    mouths: [mouth],
  };
}

function diphthong(
  milliseconds: readonly [number, number],
  [from, to]: readonly [Formants, Formants],
  mouths: readonly [MouthTarget, MouthTarget],
): Sound {
  return {
    ...vowel(milliseconds, from, mouths[0]),
    stages: [
      { ...OPEN_STAGE, share: 0.55, formantsHz: from, voicing: 1 },
      { ...OPEN_STAGE, share: 0.45, formantsHz: to, voicing: 0.85 },
    ],
    mouths,
  };
}

/** Consonants leave to the vowels around them what they do not name. */
function consonantMouth(target: Partial<MouthTarget>): MouthTarget {
  return {
    opening: 0.25,
    openingHold: 0.5,
    spread: 0,
    spreadHold: 0.12,
    teeth: 0.2,
    teethHold: 0.5,
    tongue: 0.05,
    tongueHold: 0.4,
    ...target,
  };
}

function consonant(
  milliseconds: readonly [number, number],
  stages: readonly Partial<Stage>[],
  mouth: Partial<MouthTarget>,
): Sound {
  return {
    isVowel: false,
    seconds: milliseconds[0] / 1000,
    shortestSeconds: milliseconds[1] / 1000,
    stages: stages.map((stage) => ({ ...OPEN_STAGE, ...stage })),
    mouths: [consonantMouth(mouth)],
  };
}

const LIPS_CLOSED = { opening: -0.25, openingHold: 5, teeth: 0, teethHold: 2 };
const LIP_ON_TEETH = { opening: 0.08, openingHold: 4, teeth: 0.85, teethHold: 4 };
const ALVEOLAR = {
  opening: 0.15,
  openingHold: 1,
  teeth: 0.5,
  teethHold: 0.8,
  tongue: 0.75,
  tongueHold: 2,
};
const HISSING = {
  opening: 0.12,
  openingHold: 2.2,
  teeth: 0.95,
  teethHold: 4,
  tongue: 0.3,
  tongueHold: 1,
};
const HUSHING = { ...HISSING, opening: 0.2, spread: -0.5, spreadHold: 1.2, tongue: 0.2 };
const DENTAL = {
  opening: 0.2,
  openingHold: 1.6,
  teeth: 0.5,
  teethHold: 2,
  tongue: 0.95,
  tongueHold: 3,
};
const VELAR = { opening: 0.3, openingHold: 0.3, tongue: 0, tongueHold: 0.6 };

/** Closure, burst and, without voice, a breath before the voice sets in. */
function stopStages(
  formantsHz: Formants,
  noise: NoiseShape,
  isVoiced: boolean,
): readonly Partial<Stage>[] {
  const place = { formantsHz, formantHold: 0.7, noise };
  if (isVoiced) {
    return [
      { ...place, share: 0.78, voicing: 0.3, muffling: 1 },
      { ...place, share: 0.22, voicing: 0.5, frication: 0.6, formantHold: 0.4 },
    ];
  }
  return [
    { ...place, share: 0.58 },
    { ...place, share: 0.16, frication: 1 },
    { ...place, share: 0.26, frication: 0.15, aspiration: 0.7, formantHold: 0.15 },
  ];
}

function affricateStages(isVoiced: boolean): readonly Partial<Stage>[] {
  const place = { formantsHz: [300, 1800, 2800], formantHold: 0.7, noise: NOISE.SH } as const;
  return [
    { ...place, share: 0.42, voicing: isVoiced ? 0.3 : 0, muffling: isVoiced ? 1 : 0 },
    { ...place, share: 0.58, voicing: isVoiced ? 0.35 : 0, frication: isVoiced ? 0.6 : 0.9 },
  ];
}

function fricative(
  formantsHz: Formants,
  noise: NoiseShape,
  isVoiced: boolean,
): readonly Partial<Stage>[] {
  const amplitudes = isVoiced ? { voicing: 0.4, frication: 0.55, muffling: 0.5 } : { frication: 1 };
  return [{ formantsHz, formantHold: 0.6, noise, ...amplitudes }];
}

const nasal = (formantsHz: Formants): readonly Partial<Stage>[] => [
  { formantsHz, formantHold: 0.8, voicing: 0.65, nasality: 1, muffling: 0.35 },
];

const glide = (formantsHz: Formants, voicing: number): readonly Partial<Stage>[] => [
  { formantsHz, formantHold: 1.2, voicing, muffling: 0.1 },
];

const OPEN_O = vowelMouth(0.62, -0.65, 0.1);
const OPEN_A = vowelMouth(0.95, 0.1, 0.3);
const NEAR_I = vowelMouth(0.3, 0.6, 0.5);
const NEAR_U = vowelMouth(0.25, -0.95, 0);

/**
 * Sounds of General American by ARPAbet symbol. Formants of vowels are the averages of Peterson and
 * Barney (1952), those of consonants and all durations follow Klatt (1979, 1980); what the mouth does
 * follows the visemes that phonetics describes.
 */
export const SOUNDS: Readonly<Record<string, Sound>> = {
  sil: consonant([300, 50], [{ formantHold: 0.05 }], {
    opening: -0.08,
    openingHold: 0.8,
    spreadHold: 0.5,
    teeth: 0,
    tongue: 0,
  }),

  IY: vowel([155, 55], [280, 2280, 2980], vowelMouth(0.36, 0.95, 0.65)),
  IH: vowel([135, 45], [400, 1980, 2550], vowelMouth(0.5, 0.5, 0.45)),
  EH: vowel([150, 70], [550, 1830, 2480], vowelMouth(0.75, 0.4, 0.45)),
  AE: vowel([220, 80], [670, 1720, 2410], vowelMouth(0.92, 0.5, 0.5)),
  AA: vowel([230, 100], [730, 1100, 2440], vowelMouth(1, 0, 0.25)),
  AO: vowel([220, 95], [580, 860, 2410], vowelMouth(0.8, -0.55, 0.1)),
  AH: vowel([140, 55], [620, 1220, 2400], vowelMouth(0.7, 0, 0.25)),
  UH: vowel([150, 60], [440, 1020, 2240], vowelMouth(0.42, -0.55, 0.1)),
  UW: vowel([200, 70], [310, 930, 2240], vowelMouth(0.22, -1, 0)),
  ER: vowel([180, 75], [480, 1330, 1680], vowelMouth(0.5, -0.35, 0.3)),
  EY: diphthong(
    [190, 90],
    [
      [480, 1920, 2520],
      [330, 2150, 2700],
    ],
    [vowelMouth(0.66, 0.55, 0.5), NEAR_I],
  ),
  AY: diphthong(
    [250, 130],
    [
      [720, 1220, 2450],
      [400, 1950, 2550],
    ],
    [OPEN_A, NEAR_I],
  ),
  AW: diphthong(
    [260, 110],
    [
      [720, 1250, 2450],
      [430, 950, 2300],
    ],
    [OPEN_A, NEAR_U],
  ),
  OW: diphthong(
    [210, 80],
    [
      [510, 950, 2400],
      [370, 850, 2300],
    ],
    [vowelMouth(0.65, -0.75, 0.05), NEAR_U],
  ),
  OY: diphthong(
    [280, 140],
    [
      [530, 860, 2400],
      [380, 1900, 2550],
    ],
    [OPEN_O, NEAR_I],
  ),

  W: consonant([80, 55], glide([300, 620, 2150], 0.6), {
    opening: 0.1,
    openingHold: 1.6,
    spread: -1,
    spreadHold: 3,
    teeth: 0,
    teethHold: 1,
  }),
  Y: consonant([75, 40], glide([270, 2100, 3000], 0.65), {
    spread: 0.7,
    spreadHold: 0.8,
    teeth: 0.5,
  }),
  R: consonant([80, 40], glide([320, 1080, 1420], 0.65), {
    opening: 0.28,
    openingHold: 0.9,
    spread: -0.5,
    spreadHold: 1,
  }),
  L: consonant([75, 45], glide([340, 1080, 2800], 0.65), {
    opening: 0.4,
    tongue: 1,
    tongueHold: 2.5,
    teeth: 0.3,
  }),
  HH: consonant([75, 30], [{ formantHold: 0.04, aspiration: 0.9 }], {
    openingHold: 0.1,
    spreadHold: 0.05,
    teethHold: 0.1,
  }),

  M: consonant([75, 60], nasal([280, 1050, 2200]), LIPS_CLOSED),
  N: consonant([65, 45], nasal([280, 1500, 2550]), ALVEOLAR),
  NG: consonant([90, 60], nasal([280, 1950, 2600]), VELAR),

  P: consonant([100, 70], stopStages([350, 950, 2150], NOISE.P, false), LIPS_CLOSED),
  B: consonant([85, 65], stopStages([220, 1000, 2150], NOISE.P, true), LIPS_CLOSED),
  T: consonant([85, 55], stopStages([350, 1700, 2600], NOISE.T, false), ALVEOLAR),
  D: consonant([70, 45], stopStages([220, 1700, 2600], NOISE.T, true), ALVEOLAR),
  K: consonant([95, 65], stopStages([320, 1950, 2600], NOISE.K, false), VELAR),
  G: consonant([75, 55], stopStages([220, 1950, 2600], NOISE.K, true), VELAR),
  CH: consonant([130, 90], affricateStages(false), HUSHING),
  JH: consonant([110, 75], affricateStages(true), HUSHING),

  F: consonant([100, 75], fricative([340, 1100, 2100], NOISE.F, false), LIP_ON_TEETH),
  V: consonant([65, 45], fricative([240, 1100, 2100], NOISE.F, true), LIP_ON_TEETH),
  TH: consonant([90, 60], fricative([320, 1290, 2540], NOISE.TH, false), DENTAL),
  DH: consonant([50, 35], fricative([270, 1290, 2540], NOISE.TH, true), DENTAL),
  S: consonant([105, 65], fricative([320, 1450, 2550], NOISE.S, false), HISSING),
  Z: consonant([75, 50], fricative([250, 1450, 2550], NOISE.S, true), HISSING),
  SH: consonant([110, 80], fricative([320, 1800, 2700], NOISE.SH, false), HUSHING),
  ZH: consonant([75, 55], fricative([260, 1800, 2700], NOISE.SH, true), HUSHING),
};
