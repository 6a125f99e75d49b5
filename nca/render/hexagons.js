// Where hexagons lie: each row half a cell to the left of the one above, and rows nearer together.
// `hexagonal` in lattice.py says why.

export const FLAT = Math.sqrt(3) / 2; // how far apart rows are, in cells
export const MOVE = 0.5; // how far to the left a row begins, in cells, of the one above

// The cell coordinates of a point, in shares of the picture; beyond the edge where a row has moved.
export function cellUnder([across, down], [high, wide]) {
  const row = down * high;
  return [row, across * wide + Math.floor(row) * MOVE];
}

// Where a cell is seen, in shares of the picture: across, down.
export function shownAt([row, column], [high, wide]) {
  const under = column - Math.floor(row) * MOVE;
  return [(((under % wide) + wide) % wide) / wide, row / high];
}
