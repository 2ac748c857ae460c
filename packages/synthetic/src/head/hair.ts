/** Hair behind and in front of the head. */
import type { Point } from "@ls/core";
import { mix, shaded } from "./colours.ts";
import { closedCurve, mirrored, svg } from "./markup.ts";
import type { Person } from "./person.ts";

const HAIR_FILL = `fill="url(#hair)"`;

/** Hair behind head and neck. */
export function backHairMarkup(person: Person): string {
  const path = backHairPath(person);
  const { style } = person.hair;
  // Curls go over into the cap without an edge.
  const fill = style === "afro" || style === "curls" ? "hair" : "hairback";
  return path === "" ? "" : svg`<path d="${path}" fill="url(#${fill})"/>${bunMarkup(person)}`;
}

function backHairPath({ hair, face }: Person): string {
  const width = face.halfWidth;
  const extra = 0.045 * hair.volume;
  switch (hair.style) {
    case "bald":
    case "buzz":
    case "crop":
    case "parted":
    case "quiff":
      return "";
    case "bun":
      return closedCurve(mirrored([...skull(width, extra * 0.4, -0.3), [0, -0.2]]));
    case "scarf":
      return closedCurve(mirrored([...skull(width, 0.01, 0.1), [width, 0.5], [0, 0.7]]));
    case "afro":
      return curlyRing(0, -0.26, width + 0.1 + extra, 0.4 + extra, 24);
    case "curls":
      return curlyRing(0, -0.22, width + 0.035 + extra * 0.8, 0.405 + extra * 0.8, 17);
    case "bob":
      return closedCurve(
        mirrored([
          ...skull(width, extra, 0.1),
          [width + 0.09, 0.36],
          [width * 0.7, 0.46],
          [0, 0.44],
        ]),
      );
    case "bangs":
    case "long":
      return closedCurve(
        mirrored([
          ...skull(width, extra, 0.1),
          [width + 0.085, 0.45],
          [width + 0.1, 0.8],
          [width * 0.7, 0.98],
          [0, 0.95],
        ]),
      );
    case "waves":
      return closedCurve(
        mirrored([
          ...skull(width, extra, -0.05),
          [width + 0.13, 0.12],
          [width + 0.06, 0.27],
          [width + 0.15, 0.43],
          [width + 0.07, 0.6],
          [width + 0.13, 0.76],
          [width * 0.7, 0.9],
          [0, 0.85],
        ]),
      );
  }
}

function bunMarkup({ hair }: Person): string {
  if (hair.style !== "bun") return "";
  return svg`<ellipse cx="0" cy="-0.7" rx="0.15" ry="0.125" fill="url(#hairback)"/><path d="M-0.1 -0.7Q0 -0.8 0.1 -0.7M-0.11 -0.66Q0 -0.74 0.11 -0.66" fill="none" stroke="${shaded(hair.colour, 0.6)}" stroke-width="0.008" stroke-opacity="0.6"/>`;
}

/** Right outline of the hair over the skull, down to `endY`. */
function skull(width: number, extra: number, endY: number): readonly Point[] {
  return [
    [0, -0.585 - extra],
    [width * 0.55, -0.55 - extra * 0.9],
    [width * 0.93 + extra * 0.5, -0.41 - extra * 0.5],
    [width + 0.02 + extra, -0.22],
    [width + 0.018 + extra, endY],
  ];
}

/** Hair over the forehead, and the scarf around the whole face. */
export function frontHairMarkup(person: Person, drop: number): string {
  const { hair, face } = person;
  if (hair.style === "bald") return "";
  if (hair.style === "scarf") return scarfMarkup(person, drop);
  const width = face.halfWidth;
  const cap = closedCurve([...capTop(person), ...hairline(person)]);
  const shadow = svg`<path d="${cap}" transform="translate(0 0.012)" fill="#1a0d08" fill-opacity="0.18"/>`;
  return (
    shadow +
    svg`<path d="${cap}" ${HAIR_FILL}/>` +
    strands(person, width) +
    fringeCurls(person, width)
  );
}

/** Upper edge of the cap, from the left temple over the crown to the right one. */
function capTop({ hair, face }: Person): readonly Point[] {
  const width = face.halfWidth;
  const extra = 0.045 * hair.volume;
  const side = hair.side;
  const over = (end: number, lift: number): readonly Point[] => {
    const right = skull(width, lift, end);
    return [
      ...right
        .slice(1)
        .toReversed()
        .map(([x, y]): Point => [-x, y]),
      ...right,
    ];
  };
  switch (hair.style) {
    case "buzz":
      return over(-0.05, -0.012);
    case "crop":
      return over(-0.04, extra * 0.55);
    case "quiff":
      return over(-0.04, extra * 0.4).map(([x, y]): Point =>
        y < -0.5 ? [x * 1.02 + side * 0.015, y - 0.055 * hair.volume - side * x * 0.12] : [x, y],
      );
    case "parted":
    case "bun":
      return over(-0.02, extra * 0.6);
    case "long":
    case "bangs":
    case "bob":
      return over(0.34, extra);
    case "waves":
      return over(0.1, extra);
    default:
      return over(-0.1, extra * 0.5);
  }
}

/** Lower edge of the cap, from the right temple to the left one. */
function hairline({ hair, face }: Person): readonly Point[] {
  const width = face.halfWidth;
  const { side } = hair;
  const level = (points: readonly Point[]): readonly Point[] => [
    ...points.filter(([x]) => x !== 0),
    ...points.filter(([x]) => x === 0),
    ...points
      .filter(([x]) => x !== 0)
      .toReversed()
      .map(([x, y]): Point => [-x, y]),
  ];
  const swept = (points: readonly Point[]): readonly Point[] =>
    side === 1 ? points : points.toReversed().map(([x, y]): Point => [-x, y]);
  switch (hair.style) {
    case "bangs":
      return level([
        [width + 0.01, 0.33],
        [width * 0.93, 0.14],
        [width * 0.95, -0.02],
        [width * 0.9, -0.2],
        [width * 0.66, -0.27],
        [width * 0.3, -0.285],
        [0, -0.288],
      ]);
    case "long":
    case "bob":
      return level([
        [width + 0.01, 0.33],
        [width * 0.93, 0.12],
        [width * 0.95, -0.06],
        [width * 0.84, -0.24],
        [width * 0.5, -0.36],
        [width * 0.14, -0.43],
        [0, -0.455],
      ]);
    case "waves":
      return swept([
        [width * 1.01, 0.12],
        [width * 0.97, -0.1],
        [width * 0.82, -0.29],
        [width * 0.45, -0.42],
        [width * 0.3, -0.455],
        [0, -0.4],
        [-width * 0.5, -0.33],
        [-width * 0.87, -0.24],
        [-width * 0.98, -0.04],
        [-width * 1.01, 0.12],
      ]);
    case "parted":
      return swept([
        [width * 0.985, -0.06],
        [width * 0.95, -0.23],
        [width * 0.74, -0.37],
        [width * 0.48, -0.425],
        [width * 0.1, -0.365],
        [-width * 0.45, -0.325],
        [-width * 0.82, -0.31],
        [-width * 0.96, -0.2],
        [-width * 0.985, -0.06],
      ]);
    case "quiff":
      return level([
        [width * 0.985, -0.06],
        [width * 0.94, -0.25],
        [width * 0.74, -0.36],
        [width * 0.4, -0.4],
        [0, -0.42],
      ]);
    case "bun":
      return level([
        [width * 0.985, -0.04],
        [width * 0.93, -0.25],
        [width * 0.68, -0.38],
        [width * 0.3, -0.43],
        [0, -0.44],
      ]);
    default:
      return level([
        [width * 0.985, -0.08],
        [width * 0.94, -0.24],
        [width * 0.76, -0.345],
        [width * 0.38, -0.385],
        [0, -0.39],
      ]);
  }
}

/** A shine over the crown and a few soft lines along the hair. */
function strands({ hair }: Person, width: number): string {
  if (hair.style === "buzz" || hair.style === "afro" || hair.style === "curls") return "";
  const fromX = ["parted", "waves", "quiff"].includes(hair.style) ? hair.side * width * 0.36 : 0;
  const lines = [-0.95, -0.72, -0.45, -0.18, 0.2, 0.48, 0.74, 0.94]
    .map((at) => {
      const x = width * at;
      return svg`M${fromX + (x - fromX) * 0.16} -0.555Q${fromX * 0.3 + x * 0.8} -0.53 ${x} ${-0.46 + 0.24 * at ** 4}`;
    })
    .join("");
  const shine = svg`M${-width * 0.78} -0.4Q${-width * 0.45} -0.545 0 -0.55Q${width * 0.45} -0.545 ${width * 0.78} -0.4Q${width * 0.42} -0.5 0 -0.505Q${-width * 0.42} -0.5 ${-width * 0.78} -0.4Z`;
  return (
    svg`<path d="${lines}" fill="none" stroke="${shaded(hair.colour, 0.5)}" stroke-width="0.011" stroke-linecap="round" stroke-opacity="0.22"/>` +
    svg`<path d="${shine}" fill="${mix(hair.colour, "#ffe9cf", 0.6)}" fill-opacity="0.2"/>`
  );
}

/** Rings of hair over the forehead. */
function fringeCurls({ hair }: Person, width: number): string {
  if (hair.style !== "curls") return "";
  const at = [-0.86, -0.62, -0.36, -0.1, 0.16, 0.42, 0.68, 0.88];
  const curls = at.map((place, index) => {
    const y = -0.4 + 0.1 * place ** 2 + (index % 2) * 0.022;
    return svg`<circle cx="${width * place}" cy="${y}" r="${0.05 + (index % 3) * 0.007}" ${HAIR_FILL}/>`;
  });
  const rings = at.map((place, index) => {
    const y = -0.49 + 0.16 * place ** 2 + (index % 2) * 0.05;
    return svg`M${width * place - 0.03} ${y}q0.03 -0.05 0.06 0`;
  });
  return (
    curls.join("") +
    svg`<path d="${rings.join("")}" fill="none" stroke="${mix(hair.colour, "#ffe9cf", 0.35)}" stroke-width="0.008" stroke-linecap="round" stroke-opacity="0.4"/>`
  );
}

function scarfMarkup({ hair, face }: Person, drop: number): string {
  const width = face.halfWidth;
  const outer = closedCurve(
    mirrored([
      [0, -0.6],
      [width * 0.72, -0.54],
      [width + 0.045, -0.3],
      [width + 0.07, 0.02],
      [width + 0.05, 0.32],
      [width + 0.02, 0.62],
      [width * 0.8, 0.86],
      [0, 0.92],
    ]),
  );
  const inner = closedCurve(
    mirrored([
      [0, -0.395],
      [width * 0.5, -0.37],
      [width * 0.85, -0.25],
      [width * 0.965, -0.02],
      [width * 0.93, 0.2],
      [width * 0.76, 0.37 + 0.7 * drop],
      [width * 0.4, 0.485 + drop],
      [0, 0.515 + drop],
    ]),
  );
  return (
    svg`<path fill-rule="evenodd" d="${outer}${inner}" ${HAIR_FILL}/>` +
    svg`<path d="${inner}" fill="none" stroke="#140a06" stroke-width="0.014" stroke-opacity="0.22"/>` +
    svg`<path d="M${-width * 0.9} 0.45Q0 ${0.72 + drop} ${width} 0.4M${-width * 0.9} 0.6Q${width * 0.2} 0.86 ${width * 0.95} 0.5M${-width * 0.95} -0.3Q${-width * 0.4} -0.53 ${width * 0.3} -0.52" fill="none" stroke="${shaded(hair.colour, 0.6)}" stroke-width="0.012" stroke-linecap="round" stroke-opacity="0.4"/>`
  );
}

/** A closed ring of round bumps. */
function curlyRing(x: number, y: number, radiusX: number, radiusY: number, bumps: number): string {
  const bump = ((radiusX + radiusY) * Math.PI * 0.58) / bumps;
  const at = (index: number): string => {
    const angle = (2 * Math.PI * index) / bumps;
    return svg`${x + radiusX * Math.sin(angle)} ${y - radiusY * Math.cos(angle)}`;
  };
  const arcs = Array.from(
    { length: bumps },
    (_, index) => svg`A${bump} ${bump} 0 0 1 ${at(index + 1)}`,
  );
  return `M${at(0)}${arcs.join("")}Z`;
}
