/** The worker that replays a capture and keeps its records. One worker replays one capture. */

import type { Job, ReplayReply, ReplayRequest } from '../protocol';
import { messageOf, open } from './engine';
import { Records } from './records';

/** Packets between two looks at what the page asks: some 10 ms. */
const CHUNK_PACKETS = 4096;

const records = new Records();

addEventListener('message', ({ data }: MessageEvent<ReplayRequest>) => {
  switch (data.kind) {
    case 'replay':
      void replay(data.job);
      break;
    case 'lines':
      reply({ kind: 'lines', from: data.from, lines: records.lines(data.from, data.to) });
      break;
    case 'save':
      reply({ kind: 'saved', records: records.whole() });
      break;
  }
});

async function replay(job: Job): Promise<void> {
  try {
    const { replay, source } = await open(job);
    records.prepend(replay.head());
    for (;;) {
      const lines = replay.next(CHUNK_PACKETS) as Uint8Array<ArrayBuffer>;
      if (lines.length === 0) {
        break;
      }
      records.append(lines);
      reply({ kind: 'progress', packets: records.length, bytes: source.position });
      await turn();
    }
    reply({ kind: 'done', packets: records.length, summary: replay.summary() });
  } catch (error) {
    reply({ kind: 'failed', packets: records.length, message: messageOf(error) });
  }
}

function reply(message: ReplayReply): void {
  postMessage(message);
}

const channel = new MessageChannel();

/** Lets waiting messages through. Timers would wait longer than that. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    channel.port1.onmessage = () => resolve();
    channel.port2.postMessage(null);
  });
}
