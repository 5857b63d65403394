/** Tells the files that were dropped or picked apart. */

import type { Gateway, NamedText } from './protocol';

/** Longer texts than this are no rules; the engine has bounds of its own below it. */
const TEXT_BYTES_MAX = 16 << 20;

/** What a file starts with when it is a capture, or something that only a capture would be packed in. */
const CAPTURE_MAGICS = ['a1b2c3d4', 'd4c3b2a1', 'a1b23c4d', '4d3cb2a1', 'a1b2cd34', '34cdb2a1', '0a0d0d0a', '1f8b'];

/** What was found among files. */
export interface Found {
  capture: File | null;
  config: NamedText | null;
  rules: NamedText[];
}

/**
 * Sorts files: captures by their first bytes or their name, `.toml` is a gateway, other text is rules. Of several
 * captures the first counts.
 */
export async function sort(files: Iterable<File>): Promise<Found> {
  const found: Found = { capture: null, config: null, rules: [] };
  for (const file of files) {
    const text = await textOf(file);
    if (text === null) {
      found.capture ??= file;
    } else if (file.name.endsWith('.toml')) {
      found.config = { name: file.name, text };
    } else {
      found.rules.push({ name: file.name, text });
    }
  }
  return found;
}

/** The gateway, changed by what was found. Rules without a configuration leave the old configuration. */
export function merge(gateway: Gateway, found: Found): Gateway {
  return {
    config: found.config ?? gateway.config,
    rules: found.rules.length > 0 ? found.rules : gateway.rules,
  };
}

/** A file's text; null: it is a capture, or no text, which the engine will say better. */
async function textOf(file: File): Promise<string | null> {
  const start = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  const magic = Array.from(start, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (/\.(pcap|pcapng|cap)(\.gz)?$/i.test(file.name) || CAPTURE_MAGICS.some((known) => magic.startsWith(known))) {
    return null;
  }
  if (file.size > TEXT_BYTES_MAX) {
    return null;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await file.arrayBuffer());
  } catch {
    return null;
  }
}
