// Goes through the pages as a person would, with mouse and keys.
import { URL_, check, clean, end, go, jump, open, ready, said, shot, tell } from './browser.mjs';

const expected = JSON.parse(process.env.TOP).slice(1); // what flowhound top --json says of Switzerland
const page = await open();
const text = (q) => page.locator(q).innerText();

async function logIn(p, password) {
  await p.getByLabel('Name').fill('anna');
  await p.getByLabel('Password', { exact: true }).fill(password);
  await p.getByRole('button', { name: 'Log in' }).click();
}

/* Log in, wrongly and rightly. */
await page.goto(URL_ + '/map');
await page.waitForURL('**/login?next=%2Fmap');
await ready(page);
await logIn(page, 'wrong');
await page.getByText('4 tries left').waitFor();
await logIn(page, process.env.PASSWORD);
await page.waitForURL('**/map');
await ready(page);

/* The map: hover, then the table by keyboard, then a click. */
const row = page.locator('#side tr[data-k=CH]');
const cells = await row.locator('td').allInnerTexts();
await page.getByText('Europe', { exact: true }).click();
await page.waitForURL('**/map?region=europe');
const country = page.locator('#map path[data-c=CH]');
const middle = async () => {
  const b = await country.boundingBox();
  return [b.x + b.width / 2, b.y + b.height / 2];
};
await page.mouse.move(...(await middle()));
await page.locator('#tip').waitFor();
const tip = await text('#tip');
check('hover says the country and its share', tip.includes('Switzerland') && tip.includes(`${cells[2]} %`));
await shot(page, 'map-hover');
await page.mouse.move(5, 5);
await page.locator('.skip').focus();
await page.keyboard.press('Enter'); // past the switches, to the table
for (let i = 0; i < 60 && !(await row.getByRole('button').evaluate((e) => e === document.activeElement)); i++) await page.keyboard.press('Tab');
await page.locator('#map path[data-c=CH].on').waitFor();
await page.keyboard.press('Enter');
await page.getByRole('heading', { name: 'Switzerland' }).waitFor();
check('the drill-down takes the focus', await page.evaluate(() => document.activeElement.id === 'sh'));
const drilled = await page
  .locator('#side tbody tr')
  .evaluateAll((all) => all.map((r) => [...r.cells].map((c) => c.innerText.trim())));
for (const [i, e] of expected.entries()) {
  const at = drilled[i] || [];
  check(
    `row ${i + 1} is that of flowhound top`,
    at[0].split('\n')[0] === `${e.sip}:${e.sport}` && at.some((x) => Math.abs(x - e.percent) <= 0.06),
  );
}
check(
  'the command is named',
  (await text('#cmd code')).includes('flowhound top --scc CH --fields sip,sport --value bytes'),
);
await shot(page, 'map-drill');
await page.keyboard.press('Escape');
await page.getByRole('heading', { name: 'Countries' }).waitFor();
await page.mouse.click(...(await middle()));
await page.getByRole('heading', { name: 'Switzerland' }).waitFor();
await page.getByRole('button', { name: 'World', exact: true }).click();

/* Side, measure, range: all of it in the address, which shows a colleague the same. */
await page.getByText('Both', { exact: true }).click();
await page.getByText('Flows', { exact: true }).first().click();
await page.getByText('7 d', { exact: true }).click();
await page.waitForURL((u) => ['side=both', 'm=flows', 'last=7d', 'region=europe'].every((p) => u.search.includes(p)));
await page.getByRole('heading', { name: 'Where traffic comes from and goes to' }).waitFor();
const link = page.url();
const colleague = await open({ theme: 'dark' });
await colleague.goto(link);
await colleague.waitForURL('**/login?next=**');
await ready(colleague);
await logIn(colleague, process.env.PASSWORD);
await colleague.waitForURL(link);
await ready(colleague);
check(
  'a link shows the same',
  (await colleague.locator('h1').innerText()) === (await text('h1')) && (await colleague.getByLabel('7 d').isChecked()),
);
await colleague.context().close();

/* Theme, kept. */
await page.getByLabel(/^Menu/).click();
await page.getByText('Dark', { exact: true }).click();
await page.keyboard.press('Escape');
await page.reload();
await ready(page);
check(
  'the theme is kept',
  (await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)) === 'dark',
);

/* Hits: keys, the story, a filter, a name that means harm. */
await jump(page, 'h', '**/hits?last=7d');
check('the range goes along to the next page', await page.getByLabel('7 d').isChecked());
await page.keyboard.press('j');
await page.keyboard.press('Enter');
await page.locator('.story h2').waitFor();
const story = await text('.story');
check(
  'the story names rule, list and reason',
  /Rule \d{6}, level \d+/.test(story) && story.includes('names 203.0.113.200 as malware') && story.includes('of 100'),
);
check('a hostile name is text', story.includes('<script>alert(1)</script>') && !story.includes('\u202e'));
await shot(page, 'story');
/* Another width: the story moves beside the list and back below its row, and the same stands there. */
const told = await text('.story .why');
for (const [width, place] of [[1920, '#aside'], [360, '.in-row']]) {
  await page.setViewportSize({ width, height: 900 });
  await page.locator(`${place} .story h2`).waitFor();
  check(`the story at ${width} pixels`, (await text('.story .why')) === told && (await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)));
}
await page.setViewportSize({ width: 1280, height: 900 });
await page.keyboard.press('Escape');
check('Esc gives the focus back', await page.evaluate(() => document.activeElement.classList.contains('who')));
await page.getByLabel('Filter', { exact: true }).fill('203.0.113.200');
await page.keyboard.press('Enter');
await page.waitForURL('**q=203.0.113.200');
await page.getByLabel('Filter', { exact: true }).fill('192.0.2.99');
await page.keyboard.press('Enter');
await page.getByRole('heading', { name: 'No hits for this filter and range.' }).waitFor();
check('a filter stands in the address', page.url().includes('q=192.0.2.99') && (await text('#count')).startsWith('0'));
await page.getByLabel('Filter', { exact: true }).fill('dst contry NL and bytes > 1');
await page.keyboard.press('Enter');
await page.getByRole('button', { name: 'Use country' }).click();
await page.locator('#wrong:empty').waitFor({ state: 'attached' });
await page.locator('#list', { hasText: '203.0.113.200' }).waitFor();
check(`the filter takes the language of flows: ${await text('#cmd code')}`, /^flowhound hits --since 7d 'dst country NL and bytes > 1'$/.test(await text('#cmd code')));
await go(page, '/hits');

/* A hit arrives while one looks: it waits behind a button. */
const shown = await text('#count');
await tell('hit');
await page.locator('.new .btn').waitFor();
check('nothing moved', (await text('#count')) === shown);
await page.keyboard.press('.');
await page.locator('td', { hasText: '203.0.113.211' }).first().waitFor();

/* Mute: what will be written is shown, then written, with who. */
await page.locator('tr', { hasText: '203.0.113.211' }).getByRole('button').click();
await page.locator('.story').waitFor();
await page.keyboard.press('m');
await page.getByLabel('Why (the next one on duty reads it)').fill('our own test');
await page.waitForFunction(() => document.querySelector('dialog pre').textContent.includes('our own test'));
check('the entry names who', (await text('dialog pre')).includes('anna'));
await page.getByRole('button', { name: 'Mute', exact: true }).click();
await said(page, 'Muted until');
check('the entry is in the configuration', (await tell('configuration')).includes('our own test'));

/* Take a table away. */
await go(page, '/top?fields=sip,sport&count=5');
const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()]);
const { readFileSync } = await import('node:fs');
const csv = readFileSync(await file.path(), 'utf8');
check('CSV holds the rows', csv.split('\n').length === 7 && csv.includes(`"${expected[0].sip}"`));
await page.getByLabel('Which flows').fill('src contry CH');
await page.getByRole('button', { name: 'Ask' }).click();
await page.getByRole('button', { name: 'Use country' }).click();
await page.locator('#err[hidden]').waitFor({ state: 'attached' });
check('a mistake is fixed with one press', page.url().includes('src+country+CH'));

/* Talk of one address: which ones there are to begin with, and one of them. */
await go(page, '/talk');
await page.locator('#verdict').getByRole('link', { name: '203.0.113.200' }).click();
await page.waitForURL('**/talk?a=203.0.113.200');
await ready(page);
check(
  'talk knows its lists and hits',
  (await text('#lists')).includes('pulses') && (await text('#hits')).includes('malware'),
);
const exports_ = await text('#exports');
check(
  'talk knows which exports hold it, and why not',
  /nftables [\s\S]*holds it/.test(exports_) && exports_.includes('takes botnet only'),
);
check('talk names its command', (await text('#cmd')).includes('flowhound hunt 203.0.113.200 --last 24h'));

/* The commands that pages name say what the pages say. */
const answer = async (command) => {
  const [, status, out] = /^(\d+) ?(.*)$/.exec(await tell('run ' + command));
  return { status: +status, out };
};
for (const to of ['/', '/hits', '/hits?min=high&category=malware', '/map', '/map?cc=CH', '/map?cc=CH&m=flows', '/map?side=dst&m=flows', '/top?fields=sip,sport&count=5', '/top?q=src+country+CH&fields=dip,sport&value=flows', '/talk', '/talk?a=203.0.113.200', '/exporters', '/feeds', '/outputs']) {
  await go(page, to);
  const commands = await page.locator('#cmd code').allInnerTexts();
  // allow takes no -c
  for (const c of commands.filter((x) => !/ \| |^flowhound allow/.test(x))) {
    const asJSON = c.startsWith('flowhound top') && !to.startsWith('/talk');
    const { status, out } = await answer(c + (asJSON ? ' --json' : ''));
    check(`${to}: ${c}`, status < 2); // doctor ends with 1 where something is wrong
    if (!asJSON) continue;
    const rows = JSON.parse(`[${out.trim().replace(/\} \{/g, '},{')}]`).slice(1);
    const shown = await page.locator('#side tbody tr, #tab tbody tr:not(.tot)').evaluateAll((all) => all.map((r) => [r.dataset.k, [...r.cells].map((x) => x.innerText.trim())]));
    const key = (r) => Object.entries(r).filter(([k]) => !['value', 'percent', 'cumulative'].includes(k)).map(([, v]) => v).sort().join(' ');
    const of = Object.fromEntries(rows.map((r) => [key(r), r.percent]));
    const fits = shown.filter(([k, cells]) => cells.some((x) => Math.abs(x - of[k.split(' ').sort().join(' ')]) <= 0.06));
    check(`${to} shows the numbers of its command (${shown.length})`, shown.length > 0 && fits.length === shown.length);
  }
}

/* A link cannot put a command of its own into the one that is copied. */
for (const to of ['/top?fields=sip;reboot', '/top?count=1|reboot', '/talk?a=192.0.2.1;reboot', '/map?cc=CH;reboot', '/hits?min=low;reboot', '/hits?last=$(reboot)', '/top?from=x&to=`reboot`']) {
  await go(page, to);
  const commands = await page.locator('#cmd code, #limits code').allInnerTexts();
  check(`${to} is quoted`, commands.length > 0 && commands.every((c) => !c.replace(/'[^']*'/g, '').includes('reboot')));
}

/* A page refreshes itself, and the reader loses nothing. */
await page.clock.install();
await go(page, '/map');
const asks = [];
page.on('request', (r) => r.url().includes('/api/v1/top') && asks.push(r.url()));
const volume = row.locator('td').nth(1);
const before = await volume.innerText();
const last = page.locator('#side tbody tr').last().getByRole('button');
await last.focus();
const order = () => page.locator('#side tbody tr').evaluateAll((all) => all.map((r) => r.dataset.k).join());
const was = await order();
await tell('flows');
await page.clock.fastForward(31_000);
await page.waitForFunction((v) => document.querySelector('#side tr[data-k=CH] td:nth-child(2)')?.innerText !== v, before);
check('the focus stays', await last.evaluate((e) => e === document.activeElement));
check('rows stay in their places', (await order()) === was);
await page.keyboard.press('p');
const paused = asks.length;
await page.clock.fastForward(120_000);
await go(page, '/map?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z');
const past = asks.length;
await page.clock.fastForward(120_000);
await page.getByRole('button', { name: 'The range is over' }).waitFor();
check('a switch stops it, and a range that is over does not begin', asks.length === past && past - paused <= 3);

/* Out, in the other windows too: where nothing is pressed the page finds out by itself. */
const other = await page.context().newPage();
await other.goto(URL_ + '/hits');
await ready(other);
await page.getByLabel(/^Menu/).click();
await page.getByRole('button', { name: 'Log out anna' }).click();
await page.waitForURL('**/login');
await ready(page);
await clean(page, 'login');
await other.waitForURL('**/login?next=%2Fhits');
await end();
