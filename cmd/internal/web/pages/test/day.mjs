// How long the map of a day takes: PAGES=http://127.0.0.1:8055 CHROMIUM=/usr/bin/chromium node test/day.mjs 2026-11-18
import { URL_, browser, go, open } from './browser.mjs';

const day = new Date(process.argv[2] + 'T00:00:00Z');
const range = new URLSearchParams({ from: day.toISOString(), to: new Date(+day + 864e5).toISOString() });
const ROUNDS = 7;

/** The least and the median of some runs, in milliseconds. Each has a number of its own,
 * for a question that was asked before is not answered anew. */
let number = 0;
async function times(what, run) {
  const all = [];
  for (let i = 0; i < ROUNDS; i++) {
    const begun = performance.now();
    await run(number++);
    all.push(performance.now() - begun);
  }
  all.sort((a, b) => a - b);
  console.log(what.padEnd(52), `least ${all[0].toFixed(0)} ms, median ${all[ROUNDS >> 1].toFixed(0)} ms`);
}
async function ask(q) {
  const r = await fetch(`${URL_}/api/v1/top?${q}&${range}`);
  if (!r.ok) throw new Error(`${q}: ${r.status}`);
  return r.json();
}
const countries = await ask('fields=scc&value=bytes&count=0');
console.log(`${countries.records} flows, ${countries.bins} countries`);
await times('countries', (n) => ask(`fields=scc&value=bytes&count=${1000 + n}`));
await times('over time', (n) => ask(`fields=hour&value=bytes&count=${1000 + n}`));
const largest = countries.rows.toSorted((a, b) => b.value - a.value)[0].scc;
for (const cc of ['CH', largest])
  await times(`addresses and ports of ${cc}`, (n) => ask(`expression=src+country+${cc}&fields=sip,sport&value=bytes&count=${15 + n}`));

const page = await open();
await times('the map in the browser', () => go(page, '/map?' + range));
await times('Switzerland, from press to table', async () => {
  await page.locator('#side tr[data-k=CH] button').click();
  await page.getByRole('heading', { name: 'Switzerland' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('heading', { name: 'Countries' }).waitFor();
});
await browser.close();
process.exit(0);
