/** Lips, teeth and tongue of an articulation. */
import type { Articulation } from "../articulation.ts";
import { mix, shaded } from "./colours.ts";
import { arch, archPoint, svg } from "./markup.ts";
import type { Person } from "./person.ts";

/** Height of the gap between the lips at opening 1, in face heights. */
const MAX_GAP = 0.13;
/** How much higher the gap of a spread mouth is; a round one looks more open than it is. */
const GAP_SPREAD = 0.12;
/** Of the gap, what lies above the line where the lips meet at rest. */
const UPPER_SHARE = 0.16;

/** The curves of a mouth around (0, 0), where the lips meet at rest; in face heights. */
export interface MouthShape {
  /** Half width of the lips and of the gap between them. */
  readonly outerHalf: number;
  readonly innerHalf: number;
  /** Level of the corners. */
  readonly cornerY: number;
  /** Middle of the edges, from top to bottom. */
  readonly lipTop: number;
  readonly gapTop: number;
  readonly gapBottom: number;
  readonly lipBottom: number;
  /** How boxy the curves are: 0.55 = pointed corners, 1 = an ellipse. */
  readonly gapFullness: number;
  readonly lipFullness: number;
}

export function mouthShape(person: Person, { opening, spread }: Articulation): MouthShape {
  const wide = Math.max(spread, 0);
  const round = Math.max(-spread, 0);
  const { halfWidth, fullness } = person.mouth;
  const gap = MAX_GAP * opening * (1 + GAP_SPREAD * spread);
  const outerHalf = halfWidth * (1 + 0.17 * wide - 0.37 * round) * (1 - 0.07 * opening);
  const thickness = fullness * (1 + 0.28 * round - 0.16 * wide) * (1 - 0.1 * opening);
  return {
    outerHalf,
    innerHalf: outerHalf * (0.92 - 0.16 * round),
    cornerY: 0.25 * gap - 0.008 * wide,
    lipTop: -UPPER_SHARE * gap - 0.032 * thickness,
    gapTop: -UPPER_SHARE * gap,
    gapBottom: (1 - UPPER_SHARE) * gap,
    lipBottom: (1 - UPPER_SHARE) * gap + 0.041 * thickness,
    gapFullness: 0.56 + 0.14 * opening + 0.16 * round,
    lipFullness: 0.6 + 0.06 * opening + 0.16 * round,
  };
}

/** The mouth around (0, 0). */
export function mouthMarkup(person: Person, shape: MouthShape, articulation: Articulation): string {
  const { colour } = person.mouth;
  const line = mix(shaded(colour, 0.45), "#2a0a0a", 0.5);
  const { outerHalf, innerHalf, cornerY } = shape;
  const upperEdge = arch(innerHalf, cornerY, shape.gapTop, shape.gapFullness);
  const lowerEdge = arch(-innerHalf, cornerY, shape.gapBottom, shape.gapFullness);
  const gap = svg`M${-innerHalf} ${cornerY}${upperEdge}${lowerEdge}Z`;
  const lowerLip =
    svg`M${-outerHalf} ${cornerY}L${-innerHalf} ${cornerY}` +
    arch(innerHalf, cornerY, shape.gapBottom, shape.gapFullness) +
    svg`L${outerHalf} ${cornerY}${arch(-outerHalf, cornerY, shape.lipBottom, shape.lipFullness)}Z`;
  const upperLip =
    svg`M${outerHalf} ${cornerY}L${innerHalf} ${cornerY}` +
    arch(-innerHalf, cornerY, shape.gapTop, shape.gapFullness) +
    svg`L${-outerHalf} ${cornerY}${cupidsBow(shape)}Z`;
  const thickness = shape.lipBottom - shape.gapBottom;
  return (
    svg`<ellipse cx="0" cy="${shape.lipBottom + 0.016}" rx="${outerHalf * 0.6}" ry="0.022" fill="url(#dusk)"/>` +
    svg`<path d="${gap}" fill="#2b0d10" stroke="#2b0d10" stroke-width="0.004"/>` +
    insideMarkup(shape, articulation) +
    svg`<path d="${lowerLip}" fill="url(#lip)" stroke="${colour}" stroke-width="0.002"/>` +
    svg`<path d="${upperLip}" fill="${shaded(colour, 0.86)}"/>` +
    svg`<ellipse cx="0" cy="${shape.gapBottom + thickness * 0.52}" rx="${outerHalf * 0.4}" ry="${thickness * 0.26}" fill="#fff" fill-opacity="0.16"/>` +
    svg`<path d="${gap}M${-outerHalf - 0.004} ${cornerY - 0.002}L${-innerHalf} ${cornerY}M${innerHalf} ${cornerY}L${outerHalf + 0.004} ${cornerY - 0.002}" fill="none" stroke="${line}" stroke-width="0.0065" stroke-linejoin="round" stroke-linecap="round"/>`
  );
}

/** Upper edge of the upper lip, from the left corner to the right one. */
function cupidsBow({ outerHalf, cornerY, lipTop, lipFullness }: MouthShape): string {
  const peakX = outerHalf * 0.2;
  const dip = lipTop + 0.008;
  const sideX = outerHalf * lipFullness;
  const sideY = lipTop * 0.72 + cornerY * 0.28;
  return (
    svg`C${-sideX} ${sideY} ${-peakX * 1.9} ${lipTop - 0.001} ${-peakX} ${lipTop - 0.002}Q${-peakX * 0.45} ${lipTop} 0 ${dip}` +
    svg`Q${peakX * 0.45} ${lipTop} ${peakX} ${lipTop - 0.002}C${peakX * 1.9} ${lipTop - 0.001} ${sideX} ${sideY} ${outerHalf} ${cornerY}`
  );
}

/** Tongue and teeth; what reaches over the gap comes to lie under the lips. */
function insideMarkup(shape: MouthShape, { opening, teeth, tongue }: Articulation): string {
  const gap = shape.gapBottom - shape.gapTop;
  if (gap < 0.004) return "";
  const half = shape.innerHalf;
  const lying = Math.max(opening - 0.3, 0) * 0.05;
  const raised = tongue * gap * 0.72;
  const tongueHeight = Math.max(lying, raised);
  const tonguePart =
    tongueHeight < 0.003
      ? ""
      : svg`<path d="M${-half * 0.66} ${shape.gapBottom}C${-half * 0.62} ${shape.gapBottom - tongueHeight * 1.3} ${half * 0.62} ${shape.gapBottom - tongueHeight * 1.3} ${half * 0.66} ${shape.gapBottom}Z" fill="${mix("#8d3d42", "#d8757a", tongue)}"/>`;
  const lower = Math.max(opening - 0.25, 0) * 0.03 * teeth;
  const lowerPart =
    lower < 0.002
      ? ""
      : svg`<path d="M${-half * 0.55} ${shape.gapBottom}Q0 ${shape.gapBottom - lower * 2} ${half * 0.55} ${shape.gapBottom}Z" fill="#d9cdc2" fill-opacity="0.75"/>`;
  const length = teeth * Math.min(gap * 0.86, 0.012 + gap * 0.24);
  if (length < 0.002) return tonguePart + lowerPart;
  const [topHalf, topY] = archPoint(half, shape.cornerY, shape.gapTop, shape.gapFullness, 0.13);
  const edge = svg`M${-topHalf} ${topY}${arch(topHalf, topY, shape.gapTop - 0.003, 0.5)}`;
  const sideY = topY + length * 0.5;
  const middleY = shape.gapTop + length;
  const upperPart = svg`<path d="${edge}L${topHalf * 0.96} ${sideY}${arch(-topHalf * 0.96, sideY, middleY, 0.5)}Z" fill="#f4eee6"/>`;
  return tonguePart + lowerPart + upperPart;
}

/** Folds from the nose to the corners of the mouth, deeper in a spread or open mouth. */
export function foldsMarkup(person: Person, shape: MouthShape, articulation: Articulation): string {
  const fromX = person.nose.halfWidth + 0.022;
  const fromY = person.nose.y - person.mouth.y + 0.03;
  const toX = shape.outerHalf + 0.026;
  const toY = shape.cornerY - 0.004;
  const bendX = (fromX + toX) / 2 + 0.008;
  const bendY = (fromY + toY) / 2 - 0.012;
  const opacity = 0.1 + 0.16 * Math.max(articulation.spread, 0) + 0.1 * articulation.opening;
  return svg`<path d="M${-fromX} ${fromY}Q${-bendX} ${bendY} ${-toX} ${toY}M${fromX} ${fromY}Q${bendX} ${bendY} ${toX} ${toY}" fill="none" stroke="${person.skin.shadow}" stroke-width="0.012" stroke-linecap="round" stroke-opacity="${opacity}"/>`;
}
