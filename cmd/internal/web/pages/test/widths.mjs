// Every page at four widths in both themes: accessible, within its window, without a report of the policy, and small.
import { check, clean, end, go, open, shot } from './browser.mjs';

const pages = [
  '/',
  '/hits',
  '/map',
  '/map?cc=CH&region=europe',
  '/top',
  '/top?q=src+contry+CH',
  '/talk?a=198.51.100.200',
  '/exporters',
  '/feeds',
  '/outputs',
];
const pictures = process.env.FLOWHOUND_PICTURES; // a folder: README's are made anew

const widths = { 360: 760, 1280: 900, 1920: 1080, 3840: 2160 };

/* The first page, with nothing kept. */
const fresh = await open();
const begun = Date.now();
await go(fresh, '/map');
const took = Date.now() - begun;
await fresh.waitForLoadState('load');
const size = await fresh.evaluate(() =>
  [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].reduce((n, e) => n + e.encodedBodySize, 0),
);
console.log(`the heaviest page: ${(size / 1000).toFixed(1)} kB, ready after ${took} ms`);
check('the heaviest page is within 80 kB', size > 10_000 && size <= 80_000);
await fresh.context().close();

for (const [width, height] of Object.entries(widths)) {
  for (const theme of ['light', 'dark']) {
    const page = await open({ width: +width, height, theme });
    for (const to of pages) {
      const name = `${to.replace(/[^a-z0-9]+/gi, '-')}-${width}-${theme}`;
      await go(page, to);
      await clean(page, name);
      await shot(page, name);
    }
    await go(page, '/hits');
    const first = page.locator('.who').first();
    await first.click();
    await page.locator('.story h2').waitFor();
    await clean(page, `story-${width}-${theme}`);
    await shot(page, `story-${width}-${theme}`);
    await page.context().close();
  }
}

if (pictures) {
  for (const [name, to] of [
    ['map', '/map?last=1h'],
    ['hits', '/hits'],
  ]) {
    const page = await open({ width: 1280, height: 720 });
    await go(page, to);
    await page.screenshot({ path: `${pictures}/${name}.png` });
    await page.context().close();
  }
}
await end();
