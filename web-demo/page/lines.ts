/** Lines of the list, fetched in pages from whoever keeps them, and the latest kept at hand. */

const PAGE_LINES = 128;
/** Some screens full, for scrolling back and forth. */
const PAGES_MAX = 64;

export class Lines {
  /** By number; the order is that of use, the latest last. */
  readonly #pages = new Map<number, string[]>();
  readonly #asked = new Set<number>();
  readonly #fetch: (from: number, to: number) => void;

  /** `fetch` asks for lines, which come back through {@link arrived}. */
  constructor(fetch: (from: number, to: number) => void) {
    this.#fetch = fetch;
  }

  /** Forgets everything. */
  clear(): void {
    this.#pages.clear();
    this.#asked.clear();
  }

  /** A line, counted from 0, of a list of `length`; undefined: it has been asked for. */
  at(line: number, length: number): string | undefined {
    const number = Math.floor(line / PAGE_LINES);
    const page = this.#pages.get(number);
    const found = page?.[line - number * PAGE_LINES];
    if (page && found !== undefined) {
      this.#pages.delete(number);
      this.#pages.set(number, page);
      return found;
    }
    // A page at the end of a growing list may have been fetched before it was full.
    if (!this.#asked.has(number)) {
      this.#asked.add(number);
      this.#fetch(number * PAGE_LINES, Math.min((number + 1) * PAGE_LINES, length));
    }
    return undefined;
  }

  /** Takes lines that were fetched. */
  arrived(from: number, lines: string[]): void {
    const number = from / PAGE_LINES;
    this.#asked.delete(number);
    this.#pages.delete(number);
    this.#pages.set(number, lines);
    for (const oldest of this.#pages.keys()) {
      if (this.#pages.size <= PAGES_MAX) {
        break;
      }
      this.#pages.delete(oldest);
    }
  }
}
