/**
 * The list of packets: only the rows in view exist, whatever the capture's size. A grid for assistive technology: it
 * scrolls and has the keyboard's focus itself, and names the selected row as the active one. The columns' titles stay
 * at its upper edge.
 */

import { element } from './element';
import { Lines } from './lines';
import { nanosOf } from './record';
import { COLUMNS, emptyRow, fill } from './row';
import { layoutHeight, reveal, rowAt, topOf, type Viewport, wholeRows } from './scroll';

export class PacketList {
  readonly #grid: HTMLElement;
  readonly #head: HTMLElement;
  readonly #sizer = element('div', { class: 'sizer', role: 'presentation' });
  readonly #window = element('div', { class: 'window', role: 'rowgroup' });
  readonly #lines: Lines;
  readonly #onSelect: (packet: number) => void;
  #length = 0;
  #selected = -1;
  #start: bigint | null = null;
  /** The row at the upper edge: the scroll position alone is not precise enough in long lists. */
  #first = 0;
  #rowHeight = 0;
  #drawing = false;

  /** Draws in `grid`. `fetch` asks for lines, `onSelect` is told the number, from 0, of a packet that gets selected. */
  constructor(grid: HTMLElement, fetch: (from: number, to: number) => void, onSelect: (packet: number) => void) {
    this.#grid = grid;
    this.#lines = new Lines(fetch);
    this.#onSelect = onSelect;
    const heads = COLUMNS.map(([name, title]) => element('span', { class: name, role: 'columnheader' }, title));
    this.#head = element('div', { class: 'row head', role: 'row', 'aria-rowindex': '1' }, ...heads);
    this.#sizer.append(this.#window);
    grid.append(this.#head, this.#sizer);
    grid.addEventListener('keydown', (event) => this.#onKey(event));
    grid.addEventListener('scroll', () => this.#onScroll(), { passive: true });
    grid.addEventListener('wheel', (event) => this.#onWheel(event), { passive: false });
    this.#window.addEventListener('click', (event) => this.#onClick(event));
    new ResizeObserver(() => this.#resized()).observe(grid);
  }

  /** Empties the list. */
  clear(): void {
    this.#length = 0;
    this.#selected = -1;
    this.#start = null;
    this.#first = 0;
    this.#lines.clear();
    this.#grid.scrollTop = 0;
    this.#lengthChanged();
  }

  /** The list has so many packets by now. */
  grow(length: number): void {
    this.#length = length;
    this.#lengthChanged();
  }

  /** Takes lines that were fetched. */
  arrived(from: number, lines: string[]): void {
    this.#lines.arrived(from, lines);
    if (from === 0 && lines[0] !== undefined) {
      this.#start = nanosOf(lines[0]);
    }
    this.#draw();
  }

  /** Selects a packet, counted from 0, and brings it into view. */
  select(packet: number): void {
    const chosen = Math.min(Math.max(packet, 0), this.#length - 1);
    if (chosen < 0) {
      return;
    }
    this.#scrollTo(reveal(this.#view(), this.#first, chosen));
    if (chosen !== this.#selected) {
      this.#selected = chosen;
      this.#onSelect(chosen);
    }
    this.#draw();
  }

  #lengthChanged(): void {
    this.#grid.setAttribute('aria-rowcount', String(this.#length + 1));
    this.#sizer.style.height = `${layoutHeight(this.#view())}px`;
    this.#draw();
  }

  #resized(): void {
    this.#rowHeight = 0;
    this.#lengthChanged();
  }

  #view(): Viewport {
    this.#rowHeight ||= this.#head.getBoundingClientRect().height;
    // The titles cover the first row's worth of what is visible.
    const height = Math.max(0, this.#grid.clientHeight - this.#rowHeight);
    return { rows: this.#length, rowHeight: this.#rowHeight, height };
  }

  #scrollTo(first: number): void {
    const view = this.#view();
    const last = Math.max(0, this.#length - view.height / view.rowHeight);
    this.#first = Math.min(Math.max(first, 0), last);
    this.#grid.scrollTop = topOf(view, this.#first);
  }

  #onScroll(): void {
    const view = this.#view();
    // A position that we have set ourselves comes back rounded.
    if (Math.abs(this.#grid.scrollTop - topOf(view, this.#first)) > 1) {
      this.#first = rowAt(view, this.#grid.scrollTop);
    }
    this.#draw();
  }

  #onWheel(event: WheelEvent): void {
    const view = this.#view();
    // Elsewhere the browser scrolls as it likes; here a notch would be too many rows.
    if (layoutHeight(view) < view.rows * view.rowHeight && event.deltaMode === WheelEvent.DOM_DELTA_PIXEL) {
      event.preventDefault();
      this.#scrollTo(this.#first + event.deltaY / view.rowHeight);
      this.#draw();
    }
  }

  #onClick(event: MouseEvent): void {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>('.row') : null;
    if (row) {
      this.select(Number(row.dataset['packet']));
    }
  }

  #onKey(event: KeyboardEvent): void {
    const page = wholeRows(this.#view());
    const targets: Record<string, number> = {
      ArrowDown: this.#selected + 1,
      ArrowUp: this.#selected - 1,
      PageDown: this.#selected + page,
      PageUp: this.#selected - page,
      Home: 0,
      End: this.#length - 1,
    };
    const target = targets[event.key];
    if (target !== undefined && !event.altKey && !event.metaKey) {
      event.preventDefault();
      this.select(target);
    }
  }

  /** Draws before the next frame, once. */
  #draw(): void {
    if (!this.#drawing) {
      this.#drawing = true;
      requestAnimationFrame(() => {
        this.#drawing = false;
        this.#drawNow();
      });
    }
  }

  #drawNow(): void {
    const view = this.#view();
    const first = Math.floor(this.#first);
    const count = Math.max(0, Math.min(Math.ceil(view.height / view.rowHeight) + 1, this.#length - first));
    const above = this.#grid.scrollTop - (this.#first - first) * view.rowHeight;
    this.#window.style.transform = `translateY(${above}px)`;
    while (this.#window.children.length < count) {
      this.#window.append(emptyRow());
    }
    while (this.#window.children.length > count) {
      this.#window.lastElementChild!.remove();
    }
    for (let index = 0; index < count; index++) {
      this.#drawRow(this.#window.children[index] as HTMLElement, first + index);
    }
    this.#nameActive();
  }

  #drawRow(row: HTMLElement, packet: number): void {
    row.id = `packet-${packet + 1}`;
    row.dataset['packet'] = String(packet);
    row.setAttribute('aria-rowindex', String(packet + 2));
    row.setAttribute('aria-selected', String(packet === this.#selected));
    fill(row, this.#lines.at(packet, this.#length), this.#start ?? 0n);
  }

  #nameActive(): void {
    const id = `packet-${this.#selected + 1}`;
    if (document.getElementById(id)) {
      this.#grid.setAttribute('aria-activedescendant', id);
    } else {
      this.#grid.removeAttribute('aria-activedescendant');
    }
  }
}
