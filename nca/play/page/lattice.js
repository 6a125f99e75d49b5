// How cells lie on the stage: in rows of squares, or as hexagons.

import { cellUnder, FLAT, MOVE, shownAt } from "./hexagons.js";
import { now } from "./wire.js";

export { FLAT };

// Pixels for each side of a cell: two across where rows are moved by half a cell.
export function fine(pane) {
  const [high, wide] = now.about.size;
  return now.about.hexagonal && pane.width % wide === 0 && pane.height % high === 0 ? 2 : 1;
}

// How many pixels of a canvas to the left the row of pixels is moved, which comes in at the right.
export function moved(row, pane) {
  const side = pane.height / now.about.size[0];
  return Math.floor(row / side) * side * 2 * MOVE;
}

// The cell coordinates of a point, in shares of the picture; on a torus they may lie beyond the edge,
// so that a stroke stays in one piece.
export function cellAt([across, down], [high, wide]) {
  if (!now.about.hexagonal) return [down * high, across * wide];
  const [row, under] = cellUnder([across, down], [high, wide]);
  const topology = now.head.places[0].knobs.topology ?? now.about.knobs.topology.value;
  return [row, topology === "torus" ? under : under % wide];
}

// Where a cell is seen, in shares of the picture: across, down.
export function seenAt([row, column], [high, wide]) {
  return now.about.hexagonal ? shownAt([row, column], [high, wide]) : [(((column % wide) + wide) % wide) / wide, row / high];
}
