/** One packet as a row of the list. */

import { element } from './element';
import { nanosOf, parse, seconds } from './record';

/** The columns; each is a class of the style sheet too. */
export const COLUMNS = [
  ['number', 'No.'],
  ['time', 'Time (s)'],
  ['device', 'In'],
  ['packet', 'Packet'],
  ['state', 'State'],
  ['verdict', 'Verdict'],
] as const;

/** A row without a packet in it. */
export function emptyRow(): HTMLElement {
  const cells = COLUMNS.map(([name]) => element('span', { class: name, role: 'gridcell' }));
  return element('div', { class: 'row', role: 'row' }, ...cells);
}

/** Shows a packet's line in a row; undefined: it is not here yet. Times count from `start`. */
export function fill(row: HTMLElement, line: string | undefined, start: bigint): void {
  const texts = line === undefined ? ['', '', '', '…', '', ''] : textsOf(row, line, start);
  texts.forEach((text, column) => {
    const cell = row.children[column]!;
    if (cell.textContent !== text) {
      cell.textContent = text;
      // What does not fit is told under the mouse; all of it stands in the packet's path.
      cell.setAttribute('title', text);
    }
  });
}

function textsOf(row: HTMLElement, line: string, start: bigint): string[] {
  const record = parse(line);
  row.dataset['state'] = record.state ?? '';
  row.dataset['verdict'] = record.verdict;
  return [
    String(record.n),
    seconds(start, nanosOf(line)),
    record.dev ?? '–',
    record.pkt ?? '–',
    record.state ?? '–',
    record.reason === null ? record.verdict : `${record.verdict} ${record.reason}`,
  ];
}
