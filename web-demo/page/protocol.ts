/** What the page and its workers say to each other. */

/** A text and what messages call it. */
export interface NamedText {
  name: string;
  text: string;
}

/** The gateway that a capture is replayed through; without anything, a transparent one. */
export interface Gateway {
  /** `gateway.toml`. */
  config: NamedText | null;
  /** Rules, as `iptables-save` prints them. */
  rules: NamedText[];
}

/** A capture and the gateway for it. */
export interface Job {
  capture: Blob;
  gateway: Gateway;
}

/** What the replaying worker is asked. */
export type ReplayRequest =
  | { kind: 'replay'; job: Job }
  /** Lines of the packets `from` up to and without `to`, counted from 0. */
  | { kind: 'lines'; from: number; to: number }
  /** All lines, as `towpath replay --json` prints them. */
  | { kind: 'save' };

/** What it answers. */
export type ReplayReply =
  /** So many packets have a line by now, made of so many bytes of the capture. */
  | { kind: 'progress'; packets: number; bytes: number }
  | { kind: 'done'; packets: number; summary: string }
  /** It ends here; the packets before have their lines. */
  | { kind: 'failed'; packets: number; message: string }
  | { kind: 'lines'; from: number; lines: string[] }
  | { kind: 'saved'; records: Blob };

/** What the explaining worker is asked: the packet's number, from 1. */
export interface ExplainRequest {
  /** Missing: the same as before. */
  job: Job | null;
  number: number;
}

/** What it answers: the packet's line with its whole path. */
export type ExplainReply =
  | { kind: 'explained'; number: number; line: string }
  | { kind: 'failed'; number: number; message: string };
