/** The page's records are the program's, byte for byte. */

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';

import { errorOf, open, replay, savedRecords, start } from './browser.mjs';
import { allCases, CAPTURES } from './cases.mjs';
import { complaintOf, towpath } from './program.mjs';

let browser;
let scratch;

before(async () => {
  browser = await start();
  scratch = await mkdtemp(join(tmpdir(), 'towpath-cases-'));
});

after(async () => {
  await browser?.stop();
  await rm(scratch, { recursive: true, force: true });
});

test('the records of every capture and scenario are those that the program prints', async () => {
  const cases = await allCases(scratch);
  assert.ok(cases.length > 80, `${cases.length} captures are not all`);
  const page = await open(browser);
  // Rules stay when the next capture is opened without any.
  for (const { name, capture, rules } of [...cases.filter(isPlain), ...cases.filter((one) => !isPlain(one))]) {
    await replay(page, ...[capture, rules].filter(Boolean));
    const folder = rules ? dirname(rules) : dirname(capture);
    const options = rules ? ['-r', basename(rules)] : [];
    const program = towpath(folder, 'replay', '--json', ...options, capture);
    assert.equal(await errorOf(page), complaintOf(program), `${name}: what is said to be wrong`);
    const saved = program.output.length > 0 ? await readFile(await savedRecords(page)) : Buffer.alloc(0);
    assertSame(name, asInThePage(program.output), saved);
  }
  assert.deepEqual(browser.complaints, []);
});

function isPlain({ rules }) {
  return rules === null;
}

/**
 * The program's records with the one thing changed that is another in the page. The first line names the components of
 * the helpers; the page has the crates that the components are made of, and no component to name.
 */
function asInThePage(records) {
  const end = Math.max(records.indexOf('\n'), 0);
  const head = records.subarray(0, end).toString().replaceAll(/"component":"[0-9a-f]{64}"/g, '"component":null');
  return Buffer.concat([Buffer.from(head), records.subarray(end)]);
}

/** Byte for byte; a difference is shown by its line. */
function assertSame(name, expected, found) {
  if (Buffer.compare(expected, found) !== 0) {
    const [wanted, shown] = [expected, found].map((bytes) => bytes.toString().split('\n'));
    const line = wanted.findIndex((text, at) => text !== shown[at]);
    assert.equal(shown[line], wanted[line], `${name}: line ${line + 1} of ${wanted.length}`);
    assert.fail(`${name}: the page has lines behind the last one`);
  }
}
