/** A capture that is being replayed: the two workers behind it. */

import type { ExplainReply, ExplainRequest, Job, ReplayReply, ReplayRequest } from './protocol';

/** Who is told what the workers say. */
export interface Listener {
  onReplay(reply: ReplayReply): void;
  onExplained(reply: ExplainReply): void;
}

export class Session {
  readonly #job: Job;
  readonly #listener: Listener;
  readonly #replayer = new Worker(new URL('./worker/replay.ts', import.meta.url), { type: 'module' });
  #explainer: Worker | null = null;
  /** The packet that is being explained. */
  #explaining: number | null = null;

  /** Starts a replay. */
  constructor(job: Job, listener: Listener) {
    this.#job = job;
    this.#listener = listener;
    this.#replayer.addEventListener('message', ({ data }: MessageEvent<ReplayReply>) => listener.onReplay(data));
    this.#replayer.addEventListener('error', (event) =>
      listener.onReplay({ kind: 'failed', packets: 0, message: failure(event) }),
    );
    this.#ask({ kind: 'replay', job });
  }

  /** Asks for lines `from` up to and without `to`. */
  fetch(from: number, to: number): void {
    this.#ask({ kind: 'lines', from, to });
  }

  /** Asks for all lines. */
  save(): void {
    this.#ask({ kind: 'save' });
  }

  /** Asks for a packet's path, by its number from 1. An explanation that is still being made is given up. */
  explain(number: number): void {
    if (this.#explaining !== null) {
      this.#explainer?.terminate();
      this.#explainer = null;
    }
    this.#explaining = number;
    const request: ExplainRequest = { job: this.#explainer ? null : this.#job, number };
    this.#explainer ??= this.#newExplainer();
    this.#explainer.postMessage(request);
  }

  /** Ends everything. */
  end(): void {
    this.#replayer.terminate();
    this.#explainer?.terminate();
  }

  #newExplainer(): Worker {
    const worker = new Worker(new URL('./worker/explain.ts', import.meta.url), { type: 'module' });
    const done = (reply: ExplainReply): void => {
      this.#explaining = null;
      this.#listener.onExplained(reply);
    };
    worker.addEventListener('message', ({ data }: MessageEvent<ExplainReply>) => done(data));
    worker.addEventListener('error', (event) =>
      done({ kind: 'failed', number: this.#explaining ?? 0, message: failure(event) }),
    );
    return worker;
  }

  #ask(request: ReplayRequest): void {
    this.#replayer.postMessage(request);
  }
}

function failure(event: ErrorEvent): string {
  event.preventDefault();
  return event.message || 'the engine could not be started';
}
