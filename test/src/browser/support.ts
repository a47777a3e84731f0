/** What browser tests stand on: the stack of the project, pages signed in, what the console said, pictures, axe. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type * as Axe from 'axe-core';
import { type Browser, type BrowserContextOptions, type Page, chromium } from 'playwright-core';
import { afterAll, afterEach, expect, inject } from 'vitest';
import { api } from '../support/api.js';

export const stackUrl = inject('stackUrl');
/** The API of the stack, as the administrator. */
export const client = api(stackUrl, inject('stackApiKey'));

/** Where Debian and others put Chromium; CHROMIUM names another. */
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/snap/bin/chromium'];

let browser: Browser | undefined;
const open = async (): Promise<Browser> => {
  if (browser !== undefined) return browser;
  const executablePath = [process.env['CHROMIUM'], ...PLACES].find((file) => file !== undefined && existsSync(file));
  if (executablePath === undefined) {
    throw new Error('The browser tests need Chromium: apt-get install chromium, or set CHROMIUM to the path of one.');
  }
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'];
  return (browser = await chromium.launch({ executablePath, args }));
};
afterAll(async () => {
  await browser?.close();
  browser = undefined;
});

/** A page of the app under test. `said` is what the console complained of so far; what a test expects it takes out. */
export type AppPage = Page & { said: string[] };

export const DESKTOP = { width: 1280, height: 860 };
export const PHONE = { width: 360, height: 740 };

const pages: AppPage[] = [];
afterEach(async () => {
  const complaints = pages.flatMap(({ said }) => said);
  await Promise.all(pages.splice(0).map((page) => page.context().close()));
  if (complaints.length > 0) throw new Error(`The console of the browser complained:\n${complaints.join('\n')}`);
});

/**
 * A page in a browser profile of its own, at the desktop's size and in English when nothing else is said. It goes away
 * after the test, which fails where the console complained.
 */
export async function newPage(options: BrowserContextOptions = {}): Promise<AppPage> {
  const context = await (
    await open()
  ).newContext({
    baseURL: stackUrl,
    viewport: DESKTOP,
    locale: 'en-US',
    acceptDownloads: true,
    reducedMotion: 'reduce',
    ...options,
  });
  context.setDefaultTimeout(20_000);
  const page = Object.assign(await context.newPage(), { said: [] as string[] });
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') page.said.push(message.text());
  });
  page.on('pageerror', (error) => page.said.push(`uncaught: ${error.message}`));
  pages.push(page);
  return page;
}

/** A page whose user has signed in by the API already, at an address of the app. */
export async function signedIn(to = '/', options: BrowserContextOptions = {}): Promise<AppPage> {
  const page = await newPage(options);
  const answer = await page.request.post('/v1/login', { data: { username: 'admin', password: 'admin' } });
  expect(answer.status()).toBe(200);
  await page.goto(to);
  return page;
}

/** Takes out of `said` what a test brings about itself, such as a refused sign-in or a cut network. */
export function forgive(page: AppPage, pattern: RegExp): void {
  page.said = page.said.filter((text) => !pattern.test(text));
}

/** Cuts the page off from the network, and connects it again. */
export const offline = (page: AppPage, cut: boolean): Promise<void> => page.context().setOffline(cut);

/** What a click downloads: its name and its bytes. */
export async function download(page: AppPage, act: () => Promise<void>): Promise<{ name: string; bytes: Buffer }> {
  const [started] = await Promise.all([page.waitForEvent('download'), act()]);
  return { name: started.suggestedFilename(), bytes: readFileSync(await started.path()) };
}

const axeFile = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** Serious and critical findings of axe-core on the page as it stands, in a line each. */
export async function findings(page: AppPage): Promise<string[]> {
  // the page's policy allows no foreign script; the debugger's way in needs no leave
  await page.evaluate(readFileSync(axeFile, 'utf8'));
  const violations = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: typeof Axe };
    const result = await axe.run(document, { resultTypes: ['violations'] });
    return result.violations.map(({ id, impact, nodes }) => ({
      id,
      impact,
      where: nodes.map(({ html, any }) => `${html} (${any.map(({ message }) => message).join('; ')})`),
    }));
  });
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, where }) => `${id}: ${where.join(' | ')}`);
}

/** Saves a picture of the whole page where SCREENSHOTS names a folder; for people to look at. */
export async function picture(page: AppPage, name: string): Promise<void> {
  const folder = process.env['SCREENSHOTS'];
  if (folder !== undefined) await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
}

/** Every look that a page must pass in: light and dark, on a desktop and on the smallest phone. */
export const LOOKS = [
  { look: 'light, desktop', colorScheme: 'light', viewport: DESKTOP },
  { look: 'dark, desktop', colorScheme: 'dark', viewport: DESKTOP },
  { look: 'light, phone', colorScheme: 'light', viewport: PHONE },
  { look: 'dark, phone', colorScheme: 'dark', viewport: PHONE },
] as const;

/** True where nothing of the page lies outside the window to the right. */
export const fitsSideways = (page: AppPage): Promise<boolean> =>
  page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
