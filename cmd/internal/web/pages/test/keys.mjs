// Every page with the keyboard alone, and for those who do not want things to move.
import { URL_, browser, check, end, go, jump, open, ready, shot, wrong } from './browser.mjs';

const pages = ['/', '/hits', '/map', '/map?cc=CH', '/top?fields=sip,sport', '/talk', '/talk?a=198.51.100.200', '/talk?a=10.1.4.23', '/exporters', '/feeds', '/outputs', '/no-such-page'];
const inputs = 'a[href],button,input,select,summary,textarea,[tabindex]:not([tabindex="-1"])';

/** What has the focus: how it is called, whether one sees that it has it, and whether it can be seen at all. */
function focused(inputs) {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  const marked = e.matches('.seg input') ? e.closest('label') : e;
  const style = getComputedStyle(marked);
  const box = marked.getBoundingClientRect();
  const [x, y] = [(Math.max(box.left, 0) + Math.min(box.right, innerWidth)) / 2, (Math.max(box.top, 0) + Math.min(box.bottom, innerHeight)) / 2];
  const over = document.elementFromPoint(x, y);
  return {
    at: [...document.querySelectorAll(inputs)].indexOf(e),
    what: `${e.localName} ${(e.getAttribute('aria-label') || e.textContent || e.name || e.id).trim().slice(0, 40)}`,
    ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1.5,
    seen: !!over && (marked.contains(over) || over.contains(marked)),
    name: !!(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.textContent.trim() || e.labels?.length),
  };
}

/** What ought to get the focus: of radios that belong together, one. */
function reachable(inputs) {
  return [...document.querySelectorAll(inputs)].flatMap((e, i) => {
    const shown = e.matches('.seg input') ? e.closest('label') : e;
    if (!shown.checkVisibility({ checkVisibilityCSS: true }) || e.disabled || e.closest('[popover]:not(:popover-open)')) return [];
    if (e.closest('details:not([open])') && e.localName !== 'summary') return [];
    if (e.type === 'radio' && !e.checked && e.form === null && document.querySelector(`input[name="${e.name}"]:checked`)) return [];
    return [[i, e.outerHTML.slice(0, 80)]];
  });
}

for (const [width, some] of [[1280, pages], [360, ['/', '/hits', '/map?cc=CH', '/talk?a=198.51.100.200', '/feeds']]]) {
  const page = await open({ width });
  for (const to of some) {
    await go(page, to);
    await page.keyboard.press('p'); // nothing is drawn anew while one walks
    await page.getByRole('button', { name: /^(Live|The range is over)/ }).waitFor();
    const wanted = await page.evaluate(reachable, inputs);
    const got = new Set();
    for (let i = 0; i < wanted.length + 20; i++) {
      await page.keyboard.press('Tab');
      const f = await page.evaluate(focused, inputs);
      if (!f || got.has(f.at)) break; // once around
      got.add(f.at);
      if (!f.ring) wrong.push(`${to} at ${width}: nothing marks the focus on ${f.what}`);
      if (!f.seen) wrong.push(`${to} at ${width}: ${f.what} has the focus and is hidden`);
      if (!f.name) wrong.push(`${to} at ${width}: ${f.what} has no name`);
    }
    const missed = wanted.filter(([i]) => !got.has(i));
    for (const [, html] of missed.slice(0, 5)) wrong.push(`${to} at ${width}: Tab does not get to ${html}`);
    check(`${to} at ${width}: ${got.size} places by Tab`, got.size > 8 && !missed.length);
  }
  await page.context().close();
}

/* What keys do. */
const page = await open();
const key = (...all) => all.reduce((p, k) => p.then(() => page.keyboard.press(k)), Promise.resolve());
const active = (q) => page.evaluate((q) => document.activeElement.matches(q), q);
await go(page, '/hits');
await key('Tab', 'Enter');
check('the first Tab offers to skip to the list', await active('#list'));
await key('/');
check('/ goes to the jump box', await active('#jump'));
await key('Escape', 'f');
check('f goes to the filter', await active('#f'));
await key('Escape', '?');
await page.locator('#keys[open]').waitFor();
check('? shows the keys', (await page.locator('#keys').innerText()).includes('Next, previous row'));
await key('Escape');
await page.locator('#keys:not([open])').waitFor({ state: 'attached' });
await key('j', 'j');
const second = await page.evaluate(() => document.activeElement.closest('tr').dataset.k);
await key('Enter');
await page.locator('.story h2').waitFor();
check('the story stands in the address', page.url().endsWith('#' + second));
await key('m');
await page.locator('dialog[open]').waitFor();
const inside = () => page.evaluate(() => !!document.activeElement.closest('dialog[open]') || document.activeElement === document.body);
let trapped = await inside();
for (let i = 0; i < 12; i++) {
  await key('Tab');
  trapped &&= await inside();
}
check('a dialogue keeps the focus', trapped);
await key('Escape');
await page.locator('dialog[open]').waitFor({ state: 'detached' });
await key('Escape');
await page.locator('.story').waitFor({ state: 'detached' });
check('Esc goes back to the row', (await page.evaluate(() => document.activeElement.closest('tr')?.dataset.k)) === second);
await key('d');
check('d makes rows roomy', (await page.evaluate(() => document.documentElement.dataset.density)) === 'roomy');
await key('d', '3');
await page.waitForURL('**last=7d');
await key('Shift+ArrowLeft');
await page.waitForURL('**from=*');
for (const [k, path] of Object.entries({ o: '/', m: '/map', a: '/talk', t: '/top', e: '/exporters', f: '/feeds', u: '/outputs', h: '/hits' })) {
  await jump(page, k, (u) => u.pathname === path);
}
check('g and a letter go to each page', true);

/* Menu, range and order without a mouse. */
await go(page, '/top?fields=sip');
await page.getByLabel(/^Menu/).focus();
await key('Enter');
await page.locator('#me:popover-open').waitFor();
await key('Tab');
check('the menu takes the focus', await page.evaluate(() => !!document.activeElement.closest('#me')));
await key('Escape');
check('Esc closes the menu and gives the focus back', (await page.locator('#me:popover-open').count()) === 0 && (await active('[popovertarget=me]')));
await page.getByRole('button', { name: 'From – to' }).focus();
await key('Enter');
await page.getByLabel('From', { exact: true }).fill('-6h');
await page.getByLabel('To', { exact: true }).fill('now');
await key('Enter');
await page.waitForURL('**from=*to=*');
await go(page, '/top?fields=sip');
await page.getByRole('button', { name: 'Bytes', exact: true }).focus();
await key('Enter');
await page.waitForURL('**sort=-Bytes');
await key('Enter');
await page.waitForURL('**sort=Bytes');
// Not the rows: the demo's traffic goes on, and who has the focus keeps the order that he saw.
const order = (page) => page.locator('#tab th[aria-sort]').evaluateAll((all) => all.map((h) => `${h.textContent} ${h.getAttribute('aria-sort')}`).join());
const colleague = await open();
await colleague.goto(page.url());
await ready(colleague);
await colleague.locator('#tab tbody tr').first().waitFor();
check('the order stands in the address', (await order(page)) === 'Bytes ascending' && (await order(colleague)) === 'Bytes ascending');
await colleague.context().close();
await page.locator('#lines summary').focus();
await key('Enter');
await page.locator('#lines details[open] tbody tr').first().waitFor();
check('a chart opens as a table', true);

/* Single keys can be switched off: they get in the way of whoever speaks to the computer. */
await key('?');
await page.locator('#keys[open]').waitFor();
await page.getByLabel('Single keys work').focus();
await key('Space', 'Escape', 'g', 'h');
await key('?');
await page.locator('#keys[open]').waitFor();
check('single keys can be switched off', new URL(page.url()).pathname === '/top');
await page.context().close();

/* Nothing moves for whoever does not want it. */
const calm = await browser.newContext({ reducedMotion: 'reduce', viewport: { width: 1280, height: 900 } });
const still = await calm.newPage();
for (const to of pages) {
  await still.goto(URL_ + to);
  await ready(still);
  const moves = await still.evaluate(() => [...document.querySelectorAll('*')].filter((e) => {
    const s = getComputedStyle(e);
    return s.scrollBehavior === 'smooth' || [s.transitionDuration, s.animationDuration].some((t) => t.split(',').some((x) => parseFloat(x) > 0));
  }).map((e) => e.outerHTML.slice(0, 80)));
  for (const m of moves.slice(0, 3)) wrong.push(`${to}: moves though it should not: ${m}`);
}
check('nothing moves with reduced motion', true);
await calm.close();
await end();
