/** The worker that explains one packet: it replays up to it, and tells the packet's whole path. */

import type { Replay } from '../../wasm/towpath.js';
import type { ExplainReply, ExplainRequest, Job } from '../protocol';
import { messageOf, open } from './engine';

let job: Job | null = null;
/** The replay that stands before packet `next`. */
let replay: Replay | null = null;
let next = 1;

addEventListener('message', ({ data }: MessageEvent<ExplainRequest>) => {
  void explain(data);
});

async function explain(request: ExplainRequest): Promise<void> {
  const { number } = request;
  try {
    const before = await replayBefore(request);
    const line = before.explain(number);
    next = number + 1;
    reply({ kind: 'explained', number, line });
  } catch (error) {
    // An engine that has failed cannot be asked to give its memory back.
    if (!(error instanceof WebAssembly.RuntimeError)) {
      replay?.free();
    }
    replay = null;
    reply({ kind: 'failed', number, message: messageOf(error) });
  }
}

/** A replay that has not passed the packet yet: the one at hand, when it has not. */
async function replayBefore(request: ExplainRequest): Promise<Replay> {
  if (request.job) {
    job = request.job;
    replay = null;
  }
  if (replay && next <= request.number) {
    return replay;
  }
  replay?.free();
  next = 1;
  replay = (await open(job!)).replay;
  return replay;
}

function reply(message: ExplainReply): void {
  postMessage(message);
}
