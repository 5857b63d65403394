/**
 * Where rows are in a list that scrolls. Browsers do not lay out more than some ten million pixels, so a list taller
 * than that is laid out shorter, and its scroll position stands for rows in proportion.
 */

/** Pixels that every browser lays out. Firefox has the smallest bound, 17.8 million. */
const HEIGHT_MAX = 8_000_000;

export interface Viewport {
  /** Rows of the list. */
  rows: number;
  /** Pixels of a row. */
  rowHeight: number;
  /** Pixels that are visible. */
  height: number;
}

/** The height to lay out, in pixels. */
export function layoutHeight(view: Viewport): number {
  return Math.min(view.rows * view.rowHeight, HEIGHT_MAX);
}

/** The row at the upper edge, with its hidden part as a fraction, when the list is scrolled by `top` pixels. */
export function rowAt(view: Viewport, top: number): number {
  return (top / view.rowHeight) * stretch(view);
}

/** The scroll position at which a row is at the upper edge. */
export function topOf(view: Viewport, row: number): number {
  return (row * view.rowHeight) / stretch(view);
}

/** Rows that fit in whole. */
export function wholeRows(view: Viewport): number {
  return Math.max(1, Math.floor(view.height / view.rowHeight));
}

/** The row at the upper edge that brings a row into view with the least scrolling. */
export function reveal(view: Viewport, first: number, row: number): number {
  if (row < first) {
    return row;
  }
  const last = row + 1 - view.height / view.rowHeight;
  return Math.max(first, last);
}

/** Rows' pixels for each pixel of scrolling: 1, or more in a list that is laid out shorter than it is. */
function stretch(view: Viewport): number {
  const way = view.rows * view.rowHeight - view.height;
  const layoutWay = layoutHeight(view) - view.height;
  return way > 0 && layoutWay > 0 ? way / layoutWay : 1;
}
