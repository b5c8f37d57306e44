// Each number also stands in a table that can be copied and downloaded, and each page names its command line.
import { readFileSync } from 'node:fs';
import { check, end, go, open, said, wrong } from './browser.mjs';

const pages = ['/', '/hits', '/hits story', '/map', '/map?cc=CH', '/top?fields=sip,sport', '/talk', '/talk?a=198.51.100.200', '/talk?a=10.1.4.23', '/exporters', '/feeds', '/outputs'];

/** What shows numbers, and has no table to take away near it. */
function alone() {
  const near = (e) => {
    for (let p = e.parentElement; p && p.localName !== 'body'; p = p.parentElement) {
      if ([...p.querySelectorAll('button')].some((b) => b.textContent === 'JSON')) return true;
      if (p.matches('section,.side,main')) return false;
    }
    return false;
  };
  const all = document.querySelectorAll('main table.grid, main .chart, main .lists, main .lanes, main .vitals, main .need, main .facets ul');
  return [...all].filter((e) => e.checkVisibility() && e.children.length && !near(e)).map((e) => e.outerHTML.slice(0, 90));
}

/**
 * Clicks on what downloads a file, and returns what the file holds. Chromium drops a page's eleventh download within a
 * second without a word: each begins a tenth of a second after the one before at the earliest.
 */
async function download(button) {
  await page.waitForTimeout(110);
  const [file] = await Promise.all([page.waitForEvent('download'), button.click()]);
  return readFileSync(await file.path(), 'utf8');
}

const page = await open();
await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
for (const to of pages) {
  await go(page, to.replace(' story', ''));
  await page.keyboard.press('p'); // what is compared must not change meanwhile
  if (to.endsWith('story')) {
    await page.locator('.who').first().click();
    await page.locator('.story h2').waitFor();
  }
  check(`${to} names its command line`, (await page.locator('#cmd code').count()) > 0 || to === '/outputs');
  for (const x of await page.evaluate(alone)) wrong.push(`${to}: no table to take away: ${x}`);
  await page.evaluate(() => document.querySelectorAll('main details:not([hidden])').forEach((d) => (d.open = true)));
  await page.waitForFunction(() => [...document.querySelectorAll('main details[open]:not([hidden])')].every((d) => d.querySelector(':scope tbody tr')));
  let taken = 0;
  for (const group of await page.locator('main .fields:has(> button:text-is("JSON")):visible').all()) {
    const take = (name) => download(group.getByRole('button', { name }));
    const rows = JSON.parse(await take('JSON'));
    const csv = (await take('CSV')).trimEnd().split('\n');
    await page.evaluate(() => (globalThis.toasts = []));
    await group.getByRole('button', { name: 'Copy' }).click();
    await said(page, 'Table copied');
    const copied = (await page.evaluate(() => navigator.clipboard.readText())).trimEnd().split('\n');
    const shown = await group.evaluate((g) => g.closest('details')?.querySelectorAll(':scope tbody tr').length);
    const same = rows.length > 0 && csv.length === rows.length + 1 && copied.length === csv.length && (shown === undefined || shown === rows.length);
    if (!same) wrong.push(`${to}: ${rows.length} rows of JSON, ${csv.length} lines of CSV, ${copied.length} copied, ${shown} shown: ${csv[0]}`);
    taken++;
  }
  check(`${to}: ${taken} tables can be taken away`, taken > 0 || to === '/outputs');
}

// A page that is drawn again between press and release loses no click.
await go(page, '/exporters');
const head = page.locator('#tab th button').first();
await head.hover();
await page.evaluate(() => addEventListener('pointerdown', (e) => (globalThis.pressed = e.timeStamp), true));
await page.mouse.down();
await head.evaluate((b) => (b.dataset.old = '1'));
await page.waitForFunction(() => performance.getEntriesByType('resource').some((r) => r.name.endsWith('/api/v1/exporters') && r.responseEnd > globalThis.pressed));
await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
check('nothing is drawn again under a pressed button', (await head.getAttribute('data-old')) === '1');
await page.mouse.up();
await page.locator('#tab th[aria-sort]').waitFor();
await page.waitForFunction(() => !document.querySelector('#tab th [data-old]'));
await page.context().close();
await end();
