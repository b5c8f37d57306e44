// Overview: do I have to act now?
import { $, arg, h, s, icon, saying } from './dom.js';
import { ago, bytes, clock, count, day, now, num, span, when } from './format.js';
import { SEV, cmd, numbers, redraw, sev, state, tip } from './parts.js';
import { axis, chart, ticks } from './charts.js';
import { hitsRange, last, question, range } from './range.js';
import { critical, port, steps, title, who, word } from './words.js';
import { get, trouble } from './net.js';
import { follow, has, ready } from './frame.js';
import { start } from './start.js';

const inward = (x) => x.dir === 'inbound' || x.dir === 'transit';
let shown; // the newest answer

function verdict(o) {
  const high = o.now_total - o.critical;
  const wrong = o.findings.length;
  let head = 'All quiet.';
  if (o.critical) head = critical(o.hosts, o.now.filter((x) => x.sev === 'critical'));
  else if (high) head = `${word(high)} ${high === 1 ? 'hit is' : 'hits are'} high; none is critical.`;
  const more = [];
  if (o.critical && high) more.push(`${word(high)} more ${high === 1 ? 'hit is' : 'hits are'} high.`);
  if (!o.now_total)
    more.push(
      o.last_critical
        ? `Nothing critical since ${day(+new Date(o.last_critical))}, nothing high in 24 h.`
        : 'Nothing critical in 30 days, nothing high in 24 h.',
    );
  const lost = o.vitals.lost_hits;
  const safe = lost ? `${count(lost, 'hit')} ${lost === 1 ? 'is' : 'are'} lost` : 'no hit is lost';
  if (wrong) more.push(`Flowhound itself has ${wrong === 1 ? 'one problem' : num(wrong) + ' problems'}; ${safe}.`);
  else more.push(lost ? `Since the start ${safe}.` : 'All exporters, feeds and outputs work.');
  document.title = (o.now_total ? head.replace(/\.$/, '') : 'All quiet') + ' · flowhound';
  $('#verdict').replaceChildren(h('h1', {}, head), h('p', {}, more.join(' ')));
}

const link = (x) => '/hits#' + x.series;
const pair = (x) => [
  h('span', { class: 'nb' }, x.local),
  h('span', { class: 'nb' }, (inward(x) ? ' ← ' : ' → ') + x.remote + (inward(x) ? '' : port(x))),
];

/** Critical: a card with the next step. High: the same words in two quiet lines. */
function card(x) {
  const critical = x.sev === 'critical';
  const rhythm = x.period_s ? `, every ${span(x.period_s * 1000)}` : '';
  const since = critical ? '' : [' · ', h('span', { class: 'nb' }, 'since ', when(x.first))];
  return h(
    'article',
    { class: 'need ' + x.sev, 'aria-label': title(x) },
    sev(x.sev),
    h(
      'div',
      { class: 't' },
      h('h3', {}, h('a', { href: link(x) }, title(x))),
      h('p', { class: 'dim' }, pair(x), ` · ${count(x.count, 'flow')}, ${bytes(x.bytes)}${rhythm}`, since),
      critical && h('p', { class: 'do' }, h('b', {}, 'Do: '), steps(x)[0][0] + '.'),
    ),
    h(
      'div',
      { class: 'when' },
      h('span', {}, x.kind === 'retro' ? 'found ' + ago(+new Date(x.at)) : ago(+new Date(x.last))),
      critical && [h('br'), h('small', { class: 'dim' }, 'since ', when(x.first)), ticks(x.ticks)],
    ),
  );
}

const needs = (o) =>
  h(
    'section',
    { 'aria-labelledby': 'h1' },
    h(
      'div',
      { class: 'bar' },
      h('h2', { id: 'h1' }, 'Needs you now'),
      h('a', { href: '/hits?min=high', class: 'small' }, `All ${o.now_total} in Hits`),
    ),
    o.now.slice(0, 12).map(card),
    needTable,
  );

function lane(o, l) {
  const max = Math.max(...l.counts, 1);
  const bars = l.counts.map((v, i) => {
    const tall = Math.max(3, (25 * v) / max);
    return v > 0 && s('rect', { class: 'f-' + l.sev, x: i + 0.12, width: 0.76, y: 29 - tall, height: tall });
  });
  const c = h(
    'span',
    { class: 'ln-c' },
    s('svg', { viewBox: `0 0 ${l.counts.length} 30`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, bars),
  );
  const [from, to] = [+new Date(o.from), +new Date(o.to)];
  const piece = (to - from) / l.counts.length;
  c.addEventListener('pointermove', (e) => {
    const b = c.getBoundingClientRect();
    const k = Math.max(0, Math.min(l.counts.length - 1, Math.floor(((e.clientX - b.x) / b.width) * l.counts.length)));
    tip.show(
      e.clientX,
      e.clientY,
      h('b', {}, `${count(l.counts[k], 'flow')}, ${l.sev}`),
      h('div', { class: 'dim' }, `${clock(from + k * piece)} – ${clock(from + (k + 1) * piece)}`),
    );
  });
  c.addEventListener('pointerleave', tip.hide);
  return h(
    'a',
    {
      href: '/hits?severity=' + l.sev + (last() && last() !== '24h' ? '&last=' + last() : ''),
      'aria-label': `${l.sev}: ${num(l.total)} flows that hit, ${num(l.before)} in the range before`,
    },
    l.total ? sev(l.sev) : h('span', { class: 'sev zero' }, icon('s-' + l.sev), l.sev),
    c,
    h('span', { class: 'num' }, num(l.total)),
    h('span', { class: 'was' }, num(l.before)),
  );
}

/* The same as tables. They are made once, so that one that is open stays open when the page is drawn again. */
const seriesHeads = [
  ['series'],
  ['severity', (v) => sev(v)],
  ['what'],
  ['local'],
  ['remote'],
  ['category'],
  ['list'],
  ['flows', num, 1],
  ['bytes', bytes, 1],
  ['first', when],
  ['last', when],
];
const seriesRow = (x) => [x.series, x.sev, title(x), x.local, x.remote + (inward(x) ? '' : port(x)), x.cat, x.feed, x.count, x.bytes, x.first, x.last];
const needTable = numbers('needs-you-now', seriesHeads, () => shown.now.map(seriesRow));
const laterTable = numbers('can-wait', seriesHeads, () => shown.later.map(seriesRow));
const laneTable = numbers('hits-by-severity', [['from', when], ...SEV.map((k) => [k, num, 1])], () => laneRows());
const vitalTable = numbers('flowhound-itself', [['what'], ['value', (v) => (typeof v === 'number' ? num(v) : v), 1], ['unit']], () => vitals(shown).map(([k, , , v, unit]) => [k, v, unit || '']));
const tables = [needTable, laterTable, laneTable, vitalTable];
const tools = range(load);
function laneRows() {
  const from = +new Date(shown.from);
  const piece = (new Date(shown.to) - from) / shown.lanes[0].counts.length;
  const lane = (k) => shown.lanes.find((l) => l.sev === k).counts;
  return shown.lanes[0].counts.map((_, i) => [new Date(from + i * piece).toISOString(), ...SEV.map((k) => lane(k)[i])]);
}
const before = { '1h': 'hour before', '24h': 'day before', '7d': 'week before', '30d': '30 d before' };

function lanes(o) {
  const heads = ['', '', `flows, ${last().replace(/(\d)(?=[a-z])/, '$1\u00a0') || 'range'}`, before[last()] || 'before'].map((t, i) =>
    h('span', { class: 'hd' + (i > 2 ? ' w' : '') }, t),
  );
  const foot = h('div', { class: 'ax' });
  const box = h(
    'div',
    { class: 'lanes' },
    heads,
    o.lanes.map((l) => lane(o, l)),
    foot,
  );
  const later = h(
    'section',
    { class: 'sect wide', 'aria-labelledby': 'h4' },
    h(
      'div',
      { class: 'bar' },
      h('h2', { id: 'h4' }, 'Can wait until morning'),
      h('a', { class: 'small', href: '/hits?severity=medium' }, `All ${o.later_total} medium`),
    ),
    h(
      'ul',
      { class: 'lists' },
      o.later
        .slice(0, 4)
        .map((x) =>
          h(
            'li',
            {},
            h(
              'span',
              {},
              sev(x.sev),
              ' ',
              h('a', { class: 't', href: link(x) }, title(x)),
              who(x) === x.local ? '' : h('span', { class: 'dim' }, ` · ${x.local}`),
            ),
            h('span', { class: 'dim' }, x.kind === 'retro' ? 'found ' + ago(+new Date(x.at)) : ago(+new Date(x.last))),
          ),
        ),
    ),
    laterTable,
  );
  const section = h(
    'section',
    { 'aria-labelledby': 'h2', class: 'wide' },
    h('div', { class: 'bar' }, h('h2', { id: 'h2' }, 'Hits by severity'), tools),
    box,
    h(
      'p',
      { class: 'small dim' },
      'Flows that hit. Each lane has its own height, so that one critical hit is seen beside thousands of probes.',
    ),
    laneTable,
    o.later.length > 0 && later,
  );
  queueMicrotask(() => chart(foot, 20, (w) => axis(w, 18, +new Date(o.from), +new Date(o.to), 0)));
  return section;
}

/** The numbers that tell whether flowhound works: [name, value and its unit in words, value, unit]. */
function vitals(o) {
  const v = o.vitals;
  const age = (t) => Math.round((now() - new Date(t)) / 1000);
  const all = [
    ['Flows', num(v.flows_per_s), '/s', Math.round(v.flows_per_s), '/s'],
    ['Dropped', num(v.dropped), 'since the start', v.dropped],
    ['Indicators', num(v.indicators), v.feeds ? `in ${count(v.feeds, 'feed')}` : '', v.indicators],
    v.newest_feed ? ['Newest feed', span(now() - new Date(v.newest_feed)), 'old', age(v.newest_feed), 's'] : ['Newest feed', '–', '', ''],
    ['Exporters', num(v.exporters), 'heard', v.exporters],
    ['Running for', span(now() - new Date(v.started)), '', age(v.started), 's'],
  ];
  if (v.history_bytes) all.push(['History', bytes(v.history_bytes), 'on disk', v.history_bytes, 'B']);
  return all;
}

/** The page on which a finding's part is shown: exporter 192.0.2.1 is silent. */
function where(f) {
  const m = /^(exporter|feed|output) ([\w.:-]+?):?(?= |$)/.exec(f.what);
  return m && has(m[1] + 's') && h('a', { href: `/${m[1]}s#${encodeURIComponent(m[2])}` }, `${m[1][0].toUpperCase()}${m[1].slice(1)} ${m[2]}`);
}

function self(o) {
  const item = (f) =>
    h(
      'li',
      {},
      h('div', { class: 'fields' }, where(f), state(f.level === 'bad' ? 'bad' : 'late', f.level === 'bad' ? 'does not work' : 'look at it')),
      h('p', {}, saying(f.what[0].toUpperCase() + f.what.slice(1), 400)),
      f.advice && h('p', { class: 'dim' }, saying(f.advice[0].toUpperCase() + f.advice.slice(1), 400), f.command ? ':' : '.'),
      f.command && cmd(f.command),
      f.then && h('p', { class: 'dim' }, saying(f.then, 400)),
    );
  const v = o.vitals;
  const fine = [[v.exporters, 'exporter'], [v.feeds, 'feed'], [v.outputs, 'output']].filter(([n]) => n).map(([n, t]) => count(n, t));
  const works = fine.length > 1 ? `${fine.slice(0, -1).join(', ')} and ${fine.at(-1)} work.` : fine.length ? `${fine[0]} works.` : 'Nothing is wrong.';
  return h(
    'section',
    { 'aria-labelledby': 'h3', class: 'self-s' },
    h('div', { class: 'bar' }, h('h2', { id: 'h3' }, 'Flowhound itself')),
    o.findings.length ? h('ul', { class: 'self' }, o.findings.map(item)) : h('p', { class: 'dim' }, works),
    h(
      'dl',
      { class: 'vitals sect' },
      vitals(o).map(([k, a, b]) => h('div', {}, h('dt', {}, k), h('dd', {}, a, ' ', h('small', {}, b)))),
    ),
    vitalTable,
  );
}

function draw(o) {
  shown = o;
  const body = $('#body');
  const quiet = !o.now_total;
  body.classList.toggle('calm', quiet);
  if (!o.vitals.exporters && !o.now_total && !o.later_total && !o.lanes.some((l) => l.total)) {
    document.title = 'No flows yet · flowhound';
    $('#verdict').replaceChildren();
    $('#cmd').replaceChildren(cmd('flowhound doctor'));
    if (!body.contains(document.activeElement)) body.replaceChildren(start(o)); // whoever copies here is not disturbed
    return;
  }
  verdict(o);
  redraw(body, memo, () => body.replaceChildren(...(quiet ? [lanes(o), self(o)] : [needs(o), self(o), lanes(o)])));
  tables.forEach((t) => t.redraw());
  const { since, rest } = hitsRange();
  const all = `flowhound hits ${since}${rest.length ? ` --json | jq -c ${arg(`select(${rest.join(' and ')})`)}` : ''}`;
  $('#cmd').replaceChildren(cmd('flowhound hits --since 24h --severity high'), ' ', cmd(all), ' ', cmd('flowhound doctor'));
}
const memo = {};

const held = () =>
  $('#custom')?.matches(':popover-open') ||
  ($('#body')?.contains(document.activeElement) && document.activeElement.matches('input,button'));
async function load(calm) {
  try {
    const o = await get('overview?' + question());
    trouble();
    if (calm === true && held()) return; // nothing moves under the reader
    draw(o);
  } catch (e) {
    trouble(e);
  }
}

await load();
follow({ again: () => load(true), hits: () => load(true) });
ready();
