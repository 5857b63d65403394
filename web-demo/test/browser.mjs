/** A browser for the tests, and the page in it. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';
import { preview } from 'vite';

const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** How long anything in the page may take, in milliseconds; generous, for machines that do much else. */
const PATIENCE = 120_000;

/**
 * Serves the built page on the loopback and opens a browser, the program that `TOWPATH_BROWSER` names, with a fresh
 * profile. Whatever the page asks of other servers is refused and remembered, as is every error that it meets.
 */
export async function start() {
  const server = await preview({
    configFile: fileURLToPath(new URL('../vite.config.ts', import.meta.url)),
    logLevel: 'error',
    preview: { host: '127.0.0.1', port: 0 },
  });
  const url = server.resolvedUrls.local[0];
  const profile = await mkdtemp(join(tmpdir(), 'towpath-page-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.TOWPATH_BROWSER,
    args: ARGUMENTS,
    chromiumSandbox: false,
    viewport: { width: 1400, height: 900 },
  });
  context.setDefaultTimeout(PATIENCE);
  const complaints = [];
  await context.route(
    (asked) => !asked.href.startsWith(url),
    (route) => {
      complaints.push(`the page asked for ${route.request().url()}`);
      return route.abort();
    },
  );
  const stop = async () => {
    await context.close();
    await server.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { context, url, complaints, stop };
}

/** Opens the page. Its errors go to the browser's complaints. */
export async function open({ context, url, complaints }) {
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(`error in the page: ${error.stack ?? error}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') {
      complaints.push(`the page's console says: ${message.text()} (${message.location().url})`);
    }
  });
  await page.goto(url);
  return page;
}

/** Gives the page files, as a person who picks them, and waits until the replay has ended. */
export async function replay(page, ...files) {
  const list = page.locator('#list');
  await list.evaluate((element) => element.removeAttribute('aria-busy'));
  await page.locator('#files').setInputFiles(files);
  await page.waitForSelector('#list[aria-busy="false"]', { timeout: PATIENCE });
}

/** What the page says is wrong; null: nothing. */
export async function errorOf(page) {
  const error = page.locator('#error');
  return (await error.isVisible()) ? error.textContent() : null;
}

/** The records that the page saves. */
export async function savedRecords(page) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#save').click()]);
  return download.path();
}
