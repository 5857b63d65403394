/** What a person sees and does in the page. */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import axe from 'axe-core';

import { errorOf, open, replay, start } from './browser.mjs';
import { CAPTURES, writeLongCapture } from './cases.mjs';
import { complaintOf, towpath } from './program.mjs';

const RULES = `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -p tcp -m tcp --dport 79 -j ACCEPT
-A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -j SNAT --to-source 203.0.113.9
COMMIT
`;

let browser;
let scratch;
let page;

before(async () => {
  browser = await start();
  scratch = await mkdtemp(join(tmpdir(), 'towpath-page-'));
  await writeFile(join(scratch, 'rules.v4'), RULES);
});

after(async () => {
  await browser?.stop();
  await rm(scratch, { recursive: true, force: true });
});

beforeEach(async () => {
  page = await open(browser);
});

afterEach(async () => {
  await page.close();
  assert.deepEqual(browser.complaints.splice(0), []);
});

test('a sample shows its packets, and a click the path of one through the hooks', async () => {
  await page.locator('#samples').selectOption('http-short.pcap');
  const record = explained(CAPTURES, 4, 'http-short.pcap');
  await row(4).click();
  assert.equal(await cell(4, 'packet'), record.pkt);
  assert.equal(await cell(4, 'state'), record.state);
  assert.equal(await cell(4, 'verdict'), record.verdict);
  await pathOf(4);
  assert.deepEqual(await sections(), record.path.filter((step) => step.step === 'hook').map((step) => step.hook));
  assert.deepEqual(await sections(), ['PREROUTING', 'FORWARD', 'POSTROUTING']);
});

test('a path tells rules with file and line, translations, and why conntrack decided', async () => {
  await replay(page, join(CAPTURES, 'http-short.pcap'), join(scratch, 'rules.v4'));
  const number = await firstRow('NEW');
  await row(number).click();
  await pathOf(number);
  const record = explained(scratch, number, '-r', 'rules.v4', join(CAPTURES, 'http-short.pcap'));
  const step = (kind) => record.path.find((step) => step.step === kind);
  const path = await page.locator('#path').textContent();
  for (const shown of [step('conntrack').why, 'rules.v4:5', step('missed').why, 'rules.v4:6', 'rules.v4:13']) {
    assert.ok(path.includes(shown), `${shown} is not in ${path}`);
  }
  assert.ok(path.includes(step('translated').to), path);
  assert.match(path, /203\.0\.113\.9/);
});

test('a dropped packet shows the reason and the policy that dropped it', async () => {
  await writeFile(join(scratch, 'closed.v4'), RULES.replaceAll('--dport 80', '--dport 81'));
  await replay(page, join(CAPTURES, 'http-short.pcap'), join(scratch, 'closed.v4'));
  const number = await firstRow('NEW');
  assert.equal(await cell(number, 'verdict'), 'DROPPED_FORWARD FilterPolicy');
  await row(number).click();
  await pathOf(number);
  assert.match(await page.locator('[data-step="policy"]').last().textContent(), /FORWARD in filter: DROP/);
  assert.match(await page.locator('[data-step="dropped"]').textContent(), /FilterPolicy/);
});

test('changed rules change the verdicts', async () => {
  await replay(page, join(CAPTURES, 'http-short.pcap'), join(scratch, 'rules.v4'));
  const number = await firstRow('NEW');
  assert.equal(await cell(number, 'verdict'), 'FORWARDED');
  await page.locator('#gateway summary').click();
  await page.locator('textarea[name="rules.v4"]').fill(RULES.replace('dport 80', 'dport 81'));
  await page.locator('#replay').click();
  await page.waitForSelector('.row[data-verdict="DROPPED_FORWARD"]');
  assert.equal(await cell(number, 'verdict'), 'DROPPED_FORWARD FilterPolicy');
});

test('a damaged capture shows what was before the damage, and one line about it', async () => {
  await replay(page, join(CAPTURES, 'http-cut.pcap'));
  const program = towpath(CAPTURES, 'replay', '--json', 'http-cut.pcap');
  assert.equal(await errorOf(page), complaintOf(program));
  const packets = program.output.toString().split('\n').length - 2;
  assert.ok(packets > 0);
  await row(packets).click();
  await pathOf(packets);
});

test('what is no capture, and rules that are wrong, are one clear line', async () => {
  await writeFile(join(scratch, 'notes.pcap'), 'these are not packets');
  await replay(page, join(scratch, 'notes.pcap'));
  assert.equal(await errorOf(page), complaintOf(towpath(scratch, 'replay', '--json', 'notes.pcap')));
  await writeFile(join(scratch, 'wrong.v4'), RULES.replace('-m tcp --dport 80', '-m nonsense'));
  await replay(page, join(CAPTURES, 'dns.pcap'), join(scratch, 'wrong.v4'));
  const wrong = towpath(scratch, 'replay', '--json', '-r', 'wrong.v4', join(CAPTURES, 'dns.pcap'));
  assert.equal(await errorOf(page), complaintOf(wrong));
  assert.match(await errorOf(page), /^wrong\.v4:6:/);
});

test('the keyboard alone goes through a list that is longer than browsers lay out', async () => {
  const packets = 400_000;
  await writeLongCapture(join(scratch, 'long.pcap'), packets);
  await replay(page, join(scratch, 'long.pcap'));
  assert.match(await page.locator('#status').textContent(), /400,000 packets/);
  const list = page.locator('#list');
  await list.focus();
  await selectBy('End', packets);
  await selectBy('ArrowUp', packets - 1);
  await pathOf(packets - 1);
  await selectBy('Home', 1);
  await selectBy('ArrowDown', 2);
  const paged = await pageDownFrom(2);
  assert.ok(paged > 10 && paged < 100, `a page is ${paged} packets`);
  // As a mouse would: to the middle of the bar, then a notch of the wheel moves some rows and not thousands.
  await list.evaluate((list) => (list.scrollTop = (list.scrollHeight - list.clientHeight) / 2));
  await row(packets / 2).waitFor();
  const below = Number(await page.locator('.window .row').last().getAttribute('data-packet')) + 5;
  await list.hover();
  await page.mouse.wheel(0, 240);
  await row(below).waitFor();
  assert.ok((await page.locator('.window .row').count()) < 100);
});

test('the page is accessible in light and in dark', async () => {
  await replay(page, join(CAPTURES, 'ftp-port-nat.pcapng'), join(scratch, 'rules.v4'));
  await row(3).click();
  await pathOf(3);
  await page.locator('#gateway summary').click();
  const colours = [];
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    colours.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => window.axe.run());
    assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]), [], colorScheme);
  }
  assert.notEqual(colours[0], colours[1]);
});

/** A packet's row, by its number. */
function row(number) {
  return page.locator(`#packet-${number}`);
}

/** What a cell of a packet's row shows, once the row is filled. */
async function cell(number, column) {
  await page.waitForFunction((id) => document.querySelector(`#${id} .number`)?.textContent, `packet-${number}`);
  return row(number).locator(`.${column}`).textContent();
}

/** Waits for a packet's path. */
async function pathOf(number) {
  await page.locator('#path h2', { hasText: new RegExp(`^Packet ${number}$`) }).waitFor();
}

/** The hooks of the path that is shown. */
async function sections() {
  const titles = await page.locator('#path .section h3').allTextContents();
  return titles.filter((title) => title !== 'Routing');
}

/** The number of the first packet in view that has a state. */
async function firstRow(state) {
  const number = page.locator(`.row[data-state="${state}"] .number`).first();
  return Number(await number.textContent());
}

/** Presses a key and waits until it has selected a packet. */
async function selectBy(key, number) {
  await page.keyboard.press(key);
  await page.waitForFunction(
    (id) => document.querySelector('#list')?.getAttribute('aria-activedescendant') === id,
    `packet-${number}`,
  );
  assert.equal(await cell(number, 'number'), String(number));
}

/** Goes a page down from a packet, and gives the number of the packet that is selected then. */
async function pageDownFrom(number) {
  await page.keyboard.press('PageDown');
  const selected = await page.waitForFunction((before) => {
    const id = document.querySelector('#list')?.getAttribute('aria-activedescendant');
    return id !== before && id;
  }, `packet-${number}`);
  return Number((await selected.jsonValue()).replace('packet-', ''));
}

/** A packet's record with its path, as the program tells it. */
function explained(folder, number, ...args) {
  return JSON.parse(towpath(folder, 'explain', '--json', '-n', String(number), ...args).output.toString().split('\n').at(-2));
}
