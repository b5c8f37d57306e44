// What tests of the pages share: a browser that notes what goes wrong, and axe.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const require = createRequire(import.meta.url);
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
export const URL_ = process.env.PAGES;
const shots = process.env.SHOTS;
export const wrong = [];

/** Slow machines take long; nothing here waits for a time, only for what has to happen. */
export const PATIENCE = 120_000;

export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});

/** A window of its own, without cookies. */
export async function open({ width = 1280, height = 900, theme = 'light' } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    timezoneId: 'Europe/Oslo',
    locale: 'en-GB',
    acceptDownloads: true,
  });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  await page.addInitScript(() => {
    globalThis.toasts = []; // all that the page said for a moment
    new MutationObserver((all) => all.forEach((m) => m.target.closest?.('.toast')?.textContent && globalThis.toasts.push(m.target.textContent))).observe(document, { childList: true, subtree: true });
    addEventListener('securitypolicyviolation', (e) =>
      console.error('POLICY ' + e.violatedDirective + ' ' + e.blockedURI),
    );
  });
  page.on('pageerror', (e) => wrong.push(`${page.url()}: ${e.message}`));
  page.on('dialog', (d) => {
    wrong.push(`${page.url()}: a script of a name ran: ${d.message()}`);
    return d.dismiss();
  });
  page.on('console', (m) => {
    const refused = /status of 40[0139]|status of 429/.test(m.text()) || (/status of 404/.test(m.text()) && /\/no-such|\/api\/v1\/hits\//.test(m.location().url)); // asked for by the test
    if (['error', 'warning'].includes(m.type()) && !refused) wrong.push(`${page.url()}: ${m.text()}`);
  });
  return page;
}

/** Waits until the page has said something, which nobody has to see while it is there. */
export const said = (page, text) => page.waitForFunction((text) => globalThis.toasts.some((t) => t.startsWith(text)), text);

/** Presses g and a letter, which count together only within a second: a busy machine may need to try again. */
export async function jump(page, letter, path) {
  for (let patience = 3000; ; patience *= 2) {
    await page.keyboard.press('g');
    await page.keyboard.press(letter);
    try {
      await page.waitForURL(path, { timeout: patience });
      return await ready(page);
    } catch (e) {
      if (patience > PATIENCE) throw e;
    }
  }
}

export const ready = (page) => page.waitForSelector('html[data-ready]');
export async function go(page, to) {
  await page.goto(URL_ + to);
  await ready(page);
}

export async function shot(page, name) {
  if (shots) await page.screenshot({ path: path.join(shots, name + '.png') });
}

/** Accessible, nothing wider than the window. */
export async function clean(page, name) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const r = await globalThis.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'],
    });
    return r.violations.map((v) => `${v.id}: ${v.nodes[0].html.slice(0, 120)} ${v.nodes[0].any[0]?.message || v.help}`);
  });
  for (const v of found) wrong.push(`${name}: axe ${v}`);
  await fits(page, name);
}

/** Nothing is wider than the window. */
export async function fits(page, name) {
  const over = await page.evaluate(() => {
    const n = document.documentElement.scrollWidth - innerWidth;
    if (n <= 0) return '';
    const wide = [...document.body.querySelectorAll('*')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll *,.cmd code,svg *'));
    return `${n} pixels wider than the window: ${wide.slice(0, 3).map((e) => e.outerHTML.slice(0, 100)).join(' IN ')}`;
  });
  if (over) wrong.push(`${name}: ${over}`);
}

export function check(what, is) {
  if (is) console.log('ok', what);
  else wrong.push(what);
}

/** Asks the test that started this to do something, and waits until it is done. */
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
export async function tell(what) {
  console.log('DO ' + what);
  return (await answers.next()).value;
}

export async function end() {
  await browser.close();
  for (const w of new Set(wrong)) console.log('WRONG', w);
  process.exit(wrong.length ? 1 : 0);
}
