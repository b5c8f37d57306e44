// What feeds, flows, routers and colleagues may write, in every place where a page shows it: too long, without a space,
// from right to left, piled up, unseen, HTML. The answers are the agent's; each text in them is replaced.
import { check, end, fits, go, open, shot, wrong } from './browser.mjs';

const label = 'a-very-long-label-of-sixty-three-characters-as-names-may-have-x';
const texts = [
  [label, label, label, label].join('.').slice(0, 253),
  'Every word of this description is meant to be read. '.repeat(200),
  'x'.repeat(10_240),
  '<script>alert(1)</script><img src=x onerror=alert(2)>"\'&amp;</td></table><h1>',
  '\u202eevil\u2066 \u202d גניבת סיסמאות \u0000\u0007 نص طويل جدا',
  'Z' + '\u0300\u0301\u0302\u0303\u0304\u0305'.repeat(60) + ' piled',
  '\u200b\u00ad\u2060\ufeff\u3164\u061c\u180e'.repeat(40) + 'unseen' + '\u{e0041}\u{e0042}',
  'javascript:alert(3)',
  '=cmd|\'/C calc\'!A0',
  '漢字'.repeat(300),
];
/* The keys that hold text of others; what stands in the others is checked by the agent. */
const free = new Set(
  'name feed host local_host src_host dst_host owner src_owner dst_owner ref tags msg by what advice then problem path zone url text allowed damaged command config version type format'.split(' '),
);
/** The text for a key of the nth thing: always the same one, however many hits the demo has by now. */
let pick;
const mixed = (turn) => (key, n) => texts[(turn + n + [...key].reduce((sum, c) => sum + c.charCodeAt(0), 0)) % texts.length];

function spoil(x, key = '', n = 0) {
  if (Array.isArray(x)) return x.map((v, i) => spoil(v, key, n + i));
  if (x && typeof x === 'object') {
    const out = Object.fromEntries(Object.entries(x).map(([k, v], i) => [k, spoil(v, k, key === 'about' ? i : n)]));
    if ('local' in x && 'remote' in x) out.local_host = pick('local_host', n);
    if ('indicators' in x && 'src' in x) for (const k of ['src_host', 'dst_host', 'src_owner', 'dst_owner']) out[k] = pick(k, n);
    return out;
  }
  return typeof x === 'string' && (free.has(key) || (key === 'why' && x)) ? pick(key, n) : x;
}

/** Rows that the demo does not have. */
function add(path, x) {
  const now = new Date().toISOString();
  if (path.endsWith('/outputs'))
    for (const status of ['ok', 'trying', 'down'])
      x.outputs.push({ name: 'out-' + status, type: 'webhook', status, problem: 'says no', accepted: 9, delivered: 5, retried: 1, dropped: 1, dead: 2, depth: 3, bytes: 99, oldest: now, delivered_hour: 1, day: [1, null, 2] });
  if (path.endsWith('/feeds')) {
    x.mutes.push({ src: '10.1.0.7', ioc: '203.0.113.200', until: now, why: 'a reason', by: 'somebody', at: now, over: false, count: 3 });
    for (const status of ['error', 'stale']) x.feeds.push({ name: 'feed-' + status, type: 'list', url: 'https://x.example', status, msg: 'it says', indicators: 1, hits_7d: 2 });
  }
  if (path.endsWith('/overview'))
    x.findings.push({ level: 'bad', what: 'output siem is down: x', fix: 'x', advice: 'look', command: 'flowhound output test siem', then: 'wait' });
  if (x.about && x.lists) {
    x.exports.push({ format: 'rpz', path: '/p', held: true, problem: 'no' }, { format: 'plain', path: '/p', held: false, why: 'takes botnet only' });
    x.mutes = ['one', 'two'];
    x.lists.push({ ioc: '198.51.100.200', feed: 'f', cat: 'c2', score: 50, ref: 'https://x.example/' + 'y'.repeat(900), name: 'n', last_seen: now });
  }
  for (const a of Object.values(x.about?.cc === undefined && x.about ? x.about : {})) Object.assign(a, { host: 'h', owner: 'o', feed: 'f', cat: 'c2', score: 9 });
  return x;
}

async function answer(route) {
  const path = new URL(route.request().url()).pathname;
  if (path.endsWith('/events')) return route.continue();
  const response = await route.fetch();
  if (!response.headers()['content-type']?.includes('json')) return route.fulfill({ response });
  const x = add(path, await response.json());
  if (path.endsWith('/me')) x.name = 'somebody';
  return route.fulfill({ response, json: spoil(x) });
}

/** What is wrong with a page whatever stands on it. */
function look() {
  const out = [];
  const main = document.querySelector('main');
  const said = document.body.textContent + [...document.querySelectorAll('[title],[aria-label]')].map((e) => (e.title || '') + (e.ariaLabel || '')).join(' ');
  const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2067\u206a-\u206f\u3164\ufeff\u{e0000}-\u{e0fff}]/u.exec(said);
  if (hidden) out.push(`U+${hidden[0].codePointAt(0).toString(16)} is not shown: ${said.slice(Math.max(0, hidden.index - 40), hidden.index)}`);
  if (/\p{M}{4}/u.test(said)) out.push('marks are piled up');
  for (const e of main.querySelectorAll('script,img,iframe,object,style,h1 h1')) out.push(`HTML of a name: ${e.outerHTML.slice(0, 80)}`);
  for (const a of main.querySelectorAll('a[href]')) if (!/^https?:$/.test(a.protocol)) out.push(`a link to ${a.protocol}`);
  const size = parseFloat(getComputedStyle(document.documentElement).fontSize);
  for (const e of main.querySelectorAll('p,li,td,th,h1,h2,h3,bdi,a,button,code,pre,dd,dt,summary')) {
    if (!e.checkVisibility() || e.matches('.vh,.vh *') || !e.textContent.trim()) continue;
    const box = e.getBoundingClientRect();
    const scrolls = e.closest('.scroll,.cmd code,.seg,.acts,#tools');
    const cut = e.closest('bdi,.cut');
    if (!scrolls && !cut && box.width && box.right > innerWidth + 1) out.push(`beyond the edge: ${e.outerHTML.slice(0, 90)}`);
    if (box.width && box.width < 3 * size && box.height > 8 * size) out.push(`one letter a line: ${e.outerHTML.slice(0, 90)}`);
    if (box.height > 60 * size && e.matches('td:not(.in),h1,h2,h3,bdi,a,button,dd')) out.push(`${Math.round(box.height / size)} lines high: ${e.outerHTML.slice(0, 90)}`);
  }
  return out;
}

/* One page alone: node test/hostile.mjs /talk */
const pages = process.argv.slice(2).length ? process.argv.slice(2) : ['/', '/hits', '/hits#first', '/map?cc=CH', '/map?cc=NL', '/top?fields=exporter,ip&count=30', '/talk', '/talk?a=198.51.100.200', '/talk?a=10.1.4.23', '/exporters', '/feeds', '/outputs', '/no-such-page'];
async function visit(page, to, name) {
  await go(page, to.replace('#first', ''));
  if (to.endsWith('#first')) {
    await page.locator('.who').first().click();
    await page.locator('.story h2').waitFor();
  }
  await page.evaluate(() => document.querySelectorAll('details').forEach((d) => (d.open = true)));
  await fits(page, name);
  for (const x of new Set(await page.evaluate(look))) wrong.push(`${name}: ${x}`);
  await shot(page, name);
}
for (const width of [360, 1280]) {
  const before = wrong.length;
  const page = await open({ width });
  await page.route('**/api/v1/**', answer);
  for (const [i, to] of pages.entries()) {
    pick = mixed(i);
    await visit(page, to, `hostile-${to.replace(/[^a-z0-9]+/gi, '-')}-${width}`);
  }
  check(`names that mean harm, at ${width} pixels`, wrong.length === before);
  if (width === 360)
    for (const [i, text] of texts.entries()) {
      pick = () => text;
      for (const to of ['/', '/hits#first', '/talk?a=198.51.100.200']) await visit(page, to, `hostile-all-${i}-${to.replace(/[^a-z0-9]+/gi, '-')}`);
    }
  check('one such name everywhere', wrong.length === before);
  await page.context().close();
}

/* What a link brings along. */
const before = wrong.length;
const page = await open({ width: 360 });
for (const [i, text] of texts.slice(0, 7).entries()) {
  const short = encodeURIComponent(text.slice(0, 1500));
  const links = [`/hits?q=${short}`, `/hits?feed=${short}&not-exporter=${short}`, `/hits#${short.slice(0, 900)}`, `/top?q=${short}`, `/top?fields=${short}`, `/talk?a=${short}`, `/map?cc=${short}&region=${short}`, `/feeds#${short.slice(0, 900)}`, `/top?sort=${short}&last=${short}`];
  for (const to of links.filter((_, k) => (k + 2 * i) % 5 === 0)) {
    await go(page, to);
    const name = `${to.slice(0, 14)} with ${JSON.stringify(text.slice(0, 12))}`;
    for (const x of new Set(await page.evaluate(look))) wrong.push(`${name}: ${x}`);
    await fits(page, name);
  }
}
for (const to of ['/hits#%', '/feeds#%E0%A4%A']) await go(page, to);
check('links that mean harm', wrong.length === before);
await end();
