/** The engine in a worker: the module, and captures that it reads piece by piece. */

import init, { Gateway as EngineGateway, Replay } from '../../wasm/towpath.js';
import moduleUrl from '../../wasm/towpath_bg.wasm?url';

import type { Job } from '../protocol';

const loaded = init({ module_or_path: moduleUrl });

/** A replay of the job's capture through the job's gateway, before its first packet. */
export async function open(job: Job): Promise<{ replay: Replay; source: BlobSource }> {
  await loaded;
  const gateway = new EngineGateway();
  if (job.gateway.config) {
    gateway.setConfig(job.gateway.config.name, job.gateway.config.text);
  }
  for (const rules of job.gateway.rules) {
    gateway.addRules(rules.name, rules.text);
  }
  const source = new BlobSource(job.capture);
  return { replay: new Replay(source, gateway), source };
}

/**
 * A file from front to back. The engine asks for bytes when it needs some, so a capture of any size takes the room of
 * one piece.
 */
export class BlobSource {
  /** Bytes that the engine has fetched. */
  position = 0;
  readonly #reader = new FileReaderSync();
  readonly #blob: Blob;

  constructor(blob: Blob) {
    this.#blob = blob;
  }

  /** Fills `into` from its start and says how far; 0: the end. The engine calls it. */
  read(into: Uint8Array): number {
    const piece = this.#blob.slice(this.position, this.position + into.length);
    const bytes = new Uint8Array(this.#reader.readAsArrayBuffer(piece));
    into.set(bytes);
    this.position += bytes.length;
    return bytes.length;
  }
}

/** What went wrong, in a line. */
export function messageOf(error: unknown): string {
  if (error instanceof WebAssembly.RuntimeError) {
    return `the engine has failed, which is a mistake in Towpath: ${error.message}`;
  }
  return error instanceof Error ? error.message : String(error);
}
