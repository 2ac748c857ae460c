import { expect, it } from "vitest";
import { assign } from "../src/faces/assignment.ts";
import { random } from "./face-timeline-fixtures.ts";

interface Pairing {
  readonly pairs: number;
  readonly cost: number;
}

/** The most pairs, and among those the least sum, by trying everything. */
function best(costs: readonly (readonly number[])[], taken: readonly number[] = []): Pairing {
  const [row, ...rest] = costs;
  if (row === undefined) return { pairs: 0, cost: 0 };
  const options = [best(rest, taken)];
  for (const [column, cost] of row.entries()) {
    if (taken.includes(column) || cost === Number.POSITIVE_INFINITY) continue;
    const others = best(rest, [...taken, column]);
    options.push({ pairs: others.pairs + 1, cost: others.cost + cost });
  }
  return options.toSorted((a, b) => b.pairs - a.pairs || a.cost - b.cost)[0] as Pairing;
}

it.each([
  [0, 0],
  [0, 3],
  [3, 0],
  [1, 4],
  [4, 1],
  [4, 4],
  [5, 3],
])("pairs %d rows with %d columns at least cost", (rows, columns) => {
  for (let seed = 0; seed < 60; seed++) {
    const next = random(seed * 31 + rows * 7 + columns);
    const costs = Array.from({ length: rows }, () =>
      Array.from({ length: columns }, () => (next() < 0.3 ? Number.POSITIVE_INFINITY : next())),
    );
    const columnsOf = assign(costs);
    expect(columnsOf).toHaveLength(rows);
    const paired = columnsOf.flatMap((column, row) => (column < 0 ? [] : [{ column, row }]));
    expect(new Set(paired.map(({ column }) => column)).size).toBe(paired.length);
    const cost = paired.reduce((sum, { column, row }) => sum + (costs[row]?.[column] ?? 0), 0);
    const expected = best(costs);
    expect(paired.length).toBe(expected.pairs);
    expect(cost).toBeCloseTo(expected.cost, 9);
  }
});
