// Every page at four widths in both themes: accessible, within its window, without a report of the policy, and small.
import { PATIENCE, check, clean, end, go, open, shot, wrong } from './browser.mjs';

const pages = [
  '/',
  '/hits',
  '/map',
  '/map?cc=CH&region=europe',
  '/top',
  '/top?q=src+contry+CH',
  '/talk',
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

/* The demo's beacon: how regularly it talks is told in words, as bars and as a table. */
const talk = await open();
for (const begun = Date.now(); Date.now() - begun < PATIENCE; await talk.waitForTimeout(1000)) {
  await go(talk, '/talk?a=10.1.4.23');
  if ((await talk.locator('#rhythm').textContent()).includes('every')) break;
}
const rhythm = await talk.locator('#rhythm').innerText();
check('talk tells the rhythm', /every \d+ s/.test(rhythm) && (await talk.locator('#peers').innerText()).includes('every'));
check('as bars', (await talk.locator('#gaps rect').count()) > 3);
await talk.locator('#regular summary').click();
await talk.locator('#regular tbody tr').nth(10).waitFor(); // drawn once the table is open
check('and as a table', (await talk.locator('#regular tbody tr').count()) > 10);
await clean(talk, 'talk-open');
await talk.context().close();

/* On paper: black on white whatever the theme, nothing to press, tables whole. */
const paper = await open({ theme: 'dark' });
await paper.addInitScript(() => localStorage.setItem('theme', 'dark'));
for (const to of [...pages, 'story']) {
  await go(paper, to === 'story' ? '/hits' : to);
  if (to === 'story') {
    await paper.locator('.who').first().click();
    await paper.locator('.story h2').waitFor();
  }
  await paper.emulateMedia({ media: 'print' });
  await paper.setViewportSize({ width: 690, height: 980 }); // A4 without its margins
  const said = await paper.evaluate(() => {
    const luminance = (color) => {
      const [r, g, b] = color.match(/[\d.]+/g).map((v) => v / 255);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const seen = (e) => e.checkVisibility() && e.getClientRects().length > 0;
    const out = [];
    if (luminance(getComputedStyle(document.body).backgroundColor) < 0.99) out.push('the ground is not white');
    for (const e of document.querySelectorAll('main h1, main h2, main td, main p'))
      if (seen(e) && luminance(getComputedStyle(e).color) > 0.45) out.push(`pale: ${e.textContent.slice(0, 40)}`);
    for (const e of document.querySelectorAll('nav.nav, :not(th) > button:not(.lnk), input, select')) if (seen(e)) out.push(`to press: ${e.outerHTML.slice(0, 80)}`);
    for (const e of document.querySelectorAll('.scroll'))
      if (seen(e) && getComputedStyle(e).overflowY !== 'visible') out.push(`cut off: ${e.id || e.className}`);
    if (document.documentElement.scrollWidth > innerWidth) out.push(`${document.documentElement.scrollWidth} pixels wide`);
    if (!getComputedStyle(document.querySelector('.top'), '::after').content.includes(location.pathname)) out.push('its address is not there');
    return out;
  });
  for (const x of new Set(said)) wrong.push(`${to} on paper: ${x}`);
  const pdf = await paper.pdf({ format: 'A4' });
  check(`${to} on paper`, pdf.length > 5000 && !said.length);
  await shot(paper, `${to.replace(/[^a-z0-9]+/gi, '-')}-paper`);
  await paper.emulateMedia({ media: null });
  await paper.setViewportSize({ width: 1280, height: 900 });
}
await paper.context().close();

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
