/** The captures of this project, which the page brings along. */

import readme from '../../captures/README.md?raw';

/** A capture and what it shows. */
export interface Sample {
  file: string;
  shows: string;
  url: string;
}

const URLS = import.meta.glob<string>('../../captures/*.{pcap,pcapng,pcap.gz}', {
  query: '?url',
  import: 'default',
  eager: true,
});

/** A row of the table: file, packets, bytes, how it was recorded, what it shows. */
const ROW = /^\| `([^`]+)` \|[^|]*\|[^|]*\|[^|]*\| ([^|]*) \|/gm;

/** The samples, in the order of the table in `captures/README.md`. */
export const SAMPLES: Sample[] = [...readme.matchAll(ROW)].flatMap(([, file = '', shows = '']) => {
  const url = URLS[`../../captures/${file}`];
  return url === undefined ? [] : [{ file, shows, url }];
});
