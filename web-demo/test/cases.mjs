/** The captures that the page is tested with. */

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The folder of the captures. */
export const CAPTURES = join(ROOT, 'captures');

/** Every capture that the project keeps, without rules; and the kernel's scenarios with their rules, too. */
export async function allCases(scratch) {
  const cases = [];
  for (const name of await readdir(CAPTURES)) {
    if (/\.pcap(ng)?(\.gz)?$/.test(name)) {
      cases.push({ name, capture: join(CAPTURES, name), rules: null });
    }
  }
  for (const group of ['examples', 'scenarios']) {
    const folder = join(ROOT, 'tests/kernel', group);
    for (const name of await readdir(folder)) {
      const capture = join(folder, name, 'in.pcap');
      cases.push({ name, capture, rules: null });
      const rules = await rulesOf(join(folder, name), join(scratch, name));
      if (rules) {
        cases.push({ name: `${name} with its rules`, capture, rules });
      }
    }
  }
  return cases;
}

/** Writes a scenario's rules, which are a string or a list of lines, into a folder; null: it has none. */
async function rulesOf(scenario, folder) {
  const { iptables } = JSON.parse(await readFile(join(scenario, 'scenario.json'), 'utf8'));
  if (!iptables) {
    return null;
  }
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'rules.v4');
  await writeFile(file, Array.isArray(iptables) ? `${iptables.join('\n')}\n` : iptables);
  return file;
}

/** Writes a capture of many small datagrams of a few flows. */
export async function writeLongCapture(file, packets) {
  const frame = datagram();
  const bytes = Buffer.alloc(24 + packets * (16 + frame.length));
  bytes.writeUInt32LE(0xa1b2c3d4, 0);
  bytes.writeUInt16LE(2, 4);
  bytes.writeUInt16LE(4, 6);
  bytes.writeUInt32LE(65_535, 16);
  bytes.writeUInt32LE(1, 20);
  for (let packet = 0, at = 24; packet < packets; packet++) {
    bytes.writeUInt32LE(1_700_000_000 + Math.floor(packet / 1000), at);
    bytes.writeUInt32LE((packet % 1000) * 1000, at + 4);
    bytes.writeUInt32LE(frame.length, at + 8);
    bytes.writeUInt32LE(frame.length, at + 12);
    frame.copy(bytes, at + 16);
    // A source port among sixteen; the datagram has no checksum.
    bytes.writeUInt16BE(40_000 + (packet % 16), at + 16 + 34);
    at += 16 + frame.length;
  }
  await writeFile(file, bytes);
}

/** 10.0.0.2:40000 > 198.51.100.7:53 with 4 bytes, as an Ethernet frame. */
function datagram() {
  const ethernet = Buffer.from('020000000010020000000002' + '0800', 'hex');
  const ip = Buffer.from('4500002000000000' + '40110000' + '0a000002' + 'c6336407', 'hex');
  let sum = 0;
  for (let at = 0; at < ip.length; at += 2) {
    sum += ip.readUInt16BE(at);
  }
  sum = (sum & 0xffff) + (sum >> 16);
  ip.writeUInt16BE(~sum & 0xffff, 10);
  return Buffer.concat([ethernet, ip, Buffer.from('9c400035000c0000' + '74657374', 'hex')]);
}
