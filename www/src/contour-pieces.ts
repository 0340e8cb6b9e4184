/** Parts of contours that are drawn, or left out, as one; coarser where nobody would see the difference. */

const PIECE_VERTICES = 4096;

/** Some lines of a level, in image pixels. */
export interface ContourPiece {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
  /** x, y, x, y … */
  vertices: Float32Array;
  /** Of each line, the number of its first vertex. */
  starts: number[];
  drawn: { tolerance: number; path: Path2D; vertices: number } | null;
}

export function piecesOf(vertices: Float32Array, starts: Int32Array): ContourPiece[] {
  const pieces: ContourPiece[] = [];
  const count = vertices.length / 2;
  let begin = 0;
  let lines: number[] = [];
  const close = (end: number) => {
    if (end > begin) pieces.push(piece(vertices.subarray(2 * begin, 2 * end), lines.map((line) => line - begin)));
  };
  for (let line = 0; line < starts.length; line++) {
    const end = line + 1 < starts.length ? starts[line + 1]! : count;
    let from = starts[line]!;
    if (from - begin >= PIECE_VERTICES) {
      close(from);
      [begin, lines] = [from, []];
    }
    lines.push(from);
    // Of a long line, the next part begins with the last vertex of the one before.
    while (end - begin > 2 * PIECE_VERTICES) {
      close(begin + PIECE_VERTICES);
      from = begin + PIECE_VERTICES - 1;
      [begin, lines] = [from, [from]];
    }
  }
  close(count);
  return pieces;
}

function piece(vertices: Float32Array, starts: number[]): ContourPiece {
  const made: ContourPiece = { x0: Infinity, y0: Infinity, x1: -Infinity, y1: -Infinity, vertices, starts, drawn: null };
  for (let i = 0; i < vertices.length; i += 2) {
    const [x, y] = [vertices[i]!, vertices[i + 1]!];
    if (x < made.x0) made.x0 = x;
    if (x > made.x1) made.x1 = x;
    if (y < made.y0) made.y0 = y;
    if (y > made.y1) made.y1 = y;
  }
  return made;
}

/**
 * Its lines with vertices that are `tolerance` (a power of two) pixels apart; 0: all of them. Of lines that are smaller than that there is a dot, one for all that
 * are at the same place.
 */
export function pathOf(piece: ContourPiece, tolerance: number): { path: Path2D; vertices: number } {
  if (piece.drawn?.tolerance === tolerance) return piece.drawn;
  const { vertices, starts } = piece;
  const path = new Path2D();
  const dots = new Set<number>();
  let count = 0;
  for (let line = 0; line < starts.length; line++) {
    const [from, end] = [2 * starts[line]!, line + 1 < starts.length ? 2 * starts[line + 1]! : vertices.length];
    if (end - from < 4) continue;
    let [x, y] = [vertices[from]!, vertices[from + 1]!];
    let begun = false;
    const go = (toX: number, toY: number) => {
      if (!begun) path.moveTo(x, y);
      path.lineTo(toX, toY);
      count += begun ? 1 : 2;
      [x, y, begun] = [toX, toY, true];
    };
    for (let i = from + 2; i < end; i += 2) {
      const [toX, toY] = [vertices[i]!, vertices[i + 1]!];
      if (tolerance === 0 || Math.abs(toX - x) >= tolerance || Math.abs(toY - y) >= tolerance) go(toX, toY);
    }
    const [lastX, lastY] = [vertices[end - 2]!, vertices[end - 1]!];
    if (begun) {
      if (lastX !== x || lastY !== y) go(lastX, lastY);
      continue;
    }
    const place = Math.floor(x / tolerance) + 65_536 * Math.floor(y / tolerance);
    if (dots.has(place)) continue;
    dots.add(place);
    go(x + tolerance, y);
  }
  piece.drawn = { tolerance, path, vertices: count };
  return piece.drawn;
}
