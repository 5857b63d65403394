/**
 * The schema `towpath.record/1`, as far as the page draws it. The documentation of the crate `towpath-replay` says
 * what each field means.
 */

/** One packet. */
export interface PacketRecord {
  n: number;
  ts: number;
  dev: string | null;
  pkt: string | null;
  was?: string;
  unknown?: boolean;
  state: string | null;
  dir: string | null;
  verdict: string;
  reason: string | null;
  rule: Rule | null;
  path: Step[];
  out: Output[];
  events: PacketEvent[];
}

/** A rule and where it stands. */
export interface Rule {
  file: string;
  line: number;
  table: string;
  chain: string;
  text: string;
}

/** A frame that left the gateway. */
export interface Output {
  dev: string | null;
  pkt: string;
  len: number;
}

/** Something that was told: a change of a connection or an expectation, a log line, a helper's event. */
export interface PacketEvent {
  event: string;
  [field: string]: unknown;
}

/** One step on a packet's path. */
export type Step =
  | { step: 'hook'; hook: string; pkt: string }
  | { step: 'conntrack'; state: string | null; dir: string | null; why: string }
  | { step: 'missed'; rule: Rule | null; part: string | null; why: string }
  | { step: 'matched'; rule: Rule | null }
  | { step: 'policy'; table: string; chain: string; policy: string }
  | { step: 'zone'; id: number; dir?: string }
  | { step: 'admission'; inside: string; enters: boolean }
  | { step: 'translated'; end: string; from: string; to: string }
  | { step: 'local' }
  | { step: 'routed'; dev: string | null }
  | { step: 'helper'; text: string }
  | { step: 'options'; header: string; why: string }
  | { step: 'waits' }
  | { step: 'joined' }
  | { step: 'released'; pkt: string }
  | { step: 'dropped'; reason: string; meaning: string };

/** Reads a line. Times are in nanoseconds since 1970: more than a JavaScript number holds, so {@link nanosOf}. */
export function parse(line: string): PacketRecord {
  return JSON.parse(line) as PacketRecord;
}

/** A line's time stamp, exactly. */
export function nanosOf(line: string): bigint {
  return BigInt(/"ts":(\d+)/.exec(line)?.[1] ?? 0);
}

/** The seconds from `start` to `time` with six places. */
export function seconds(start: bigint, time: bigint): string {
  const micros = (time - start) / 1000n;
  const size = micros < 0n ? -micros : micros;
  return `${micros < 0n ? '-' : ''}${size / 1_000_000n}.${String(size % 1_000_000n).padStart(6, '0')}`;
}
