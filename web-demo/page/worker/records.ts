/**
 * The lines of a replay. They lie in blobs, which the browser keeps outside the page's memory and on disk when they
 * are many; here is only where each line ends.
 */

const NEWLINE = 10;

/** Lines that came together. */
interface Chunk {
  /** The number of its first line. */
  first: number;
  bytes: Blob;
  /** Where each line ends, behind its newline. */
  ends: Uint32Array;
}

export class Records {
  /** Lines so far. */
  length = 0;
  readonly #chunks: Chunk[] = [];
  readonly #reader = new FileReaderSync();
  readonly #decoder = new TextDecoder();
  readonly #parts: Blob[] = [];

  /** Puts the line before all others. It is not counted and comes back in {@link whole} only. */
  prepend(head: string): void {
    this.#parts.push(new Blob([head]));
  }

  /** Puts lines behind the others. Each ends with a newline. */
  append(lines: Uint8Array<ArrayBuffer>): void {
    const ends: number[] = [];
    for (let end = lines.indexOf(NEWLINE); end >= 0; end = lines.indexOf(NEWLINE, end + 1)) {
      ends.push(end + 1);
    }
    const bytes = new Blob([lines]);
    this.#chunks.push({ first: this.length, bytes, ends: Uint32Array.from(ends) });
    this.#parts.push(bytes);
    this.length += ends.length;
  }

  /** The lines `from` up to and without `to`, counted from 0, without their ends; fewer at the end of all. */
  lines(from: number, to: number): string[] {
    const lines: string[] = [];
    for (let index = this.#chunkOf(from); index < this.#chunks.length; index++) {
      const chunk = this.#chunks[index]!;
      if (chunk.first >= to) {
        break;
      }
      this.#read(chunk, Math.max(from - chunk.first, 0), Math.min(to - chunk.first, chunk.ends.length), lines);
    }
    return lines;
  }

  /** All lines. */
  whole(): Blob {
    return new Blob(this.#parts, { type: 'application/jsonl' });
  }

  #read(chunk: Chunk, from: number, to: number, lines: string[]): void {
    if (from >= to) {
      return;
    }
    const start = from === 0 ? 0 : chunk.ends[from - 1]!;
    const bytes = new Uint8Array(this.#reader.readAsArrayBuffer(chunk.bytes.slice(start, chunk.ends[to - 1])));
    for (let line = from, at = 0; line < to; line++) {
      const end = chunk.ends[line]! - start;
      lines.push(this.#decoder.decode(bytes.subarray(at, end - 1)));
      at = end;
    }
  }

  /** The last chunk that starts at a line or before it. */
  #chunkOf(line: number): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#chunks[middle]!.first <= line) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }
}
