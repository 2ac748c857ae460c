/** Who is who from one frame to the next: pairs of rows and columns of least cost. */

/**
 * Pairs as many rows with columns as finite costs allow, and among those pairings takes one of the
 * least sum: the Hungarian method with potentials.
 * @param costs rows of equal length; `Infinity` where a row and a column do not belong together.
 * @returns the column of each row, -1 for none.
 */
export function assign(costs: readonly (readonly number[])[]): number[] {
  const columns = costs[0]?.length ?? 0;
  // With a column for each row that stands for none, every row finds one.
  const largest = Math.max(0, ...costs.flat().filter(Number.isFinite));
  const none = (largest + 1) * (costs.length + 1);
  const padded = costs.map((row) => [
    ...row.map((cost) => Math.min(cost, none * 2)),
    ...costs.map(() => none),
  ]);
  return match(padded).map((column, row) =>
    column < columns && Number.isFinite(costs[row]?.[column]) ? column : -1,
  );
}

/** The column of each row; at least as many columns as rows, all costs finite. */
function match(costs: readonly (readonly number[])[]): number[] {
  const columns = costs[0]?.length ?? 0;
  const rowPotential = Array.from({ length: costs.length }, () => 0);
  const columnPotential = Array.from({ length: columns }, () => 0);
  const rowOf = Array.from({ length: columns }, () => -1);
  for (let start = 0; start < costs.length; start++) {
    const slack = Array.from({ length: columns }, () => Number.POSITIVE_INFINITY);
    const before = Array.from({ length: columns }, () => -1);
    const visited = new Set<number>();
    let row = start;
    let last = -1;
    while (row >= 0) {
      const next = nearest({
        row,
        last,
        costs,
        rowPotential,
        columnPotential,
        slack,
        before,
        visited,
      });
      for (const column of [-1, ...visited]) {
        const visitedRow = column < 0 ? start : (rowOf[column] as number);
        rowPotential[visitedRow] = (rowPotential[visitedRow] as number) + next.slack;
        if (column >= 0) columnPotential[column] = (columnPotential[column] as number) - next.slack;
      }
      for (let column = 0; column < columns; column++) {
        if (!visited.has(column)) slack[column] = (slack[column] as number) - next.slack;
      }
      last = next.column;
      visited.add(last);
      row = rowOf[last] as number;
    }
    for (let column = last; column >= 0; column = before[column] as number) {
      const previous = before[column] as number;
      rowOf[column] = previous < 0 ? start : (rowOf[previous] as number);
    }
  }
  const columnOf = costs.map(() => -1);
  for (const [column, row] of rowOf.entries()) if (row >= 0) columnOf[row] = column;
  return columnOf;
}

interface Step {
  readonly row: number;
  /** The column that `row` was reached by; -1 for the first. */
  readonly last: number;
  readonly costs: readonly (readonly number[])[];
  readonly rowPotential: readonly number[];
  readonly columnPotential: readonly number[];
  readonly slack: number[];
  readonly before: number[];
  readonly visited: ReadonlySet<number>;
}

/** The unvisited column that costs least to reach. */
function nearest(step: Step): { readonly column: number; readonly slack: number } {
  const { row, last, slack, before, visited } = step;
  let best = -1;
  for (let column = 0; column < slack.length; column++) {
    if (visited.has(column)) continue;
    const cost =
      (step.costs[row]?.[column] as number) -
      (step.rowPotential[row] as number) -
      (step.columnPotential[column] as number);
    if (cost < (slack[column] as number)) {
      slack[column] = cost;
      before[column] = last;
    }
    if (best < 0 || (slack[column] as number) < (slack[best] as number)) best = column;
  }
  return { column: best, slack: slack[best] as number };
}
