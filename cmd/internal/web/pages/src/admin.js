// Exporters, feeds and outputs share one shape: trouble first, with the reason in a sentence and the command that fixes it.
import { $, arg, clean, h, hash, said, saying } from './dom.js';
import { ago, bytes, count, num, pct, span, now, when } from './format.js';
import { cmd, give, grid, numbers, redraw, state } from './parts.js';
import { spark } from './charts.js';
import { get, trouble } from './net.js';
import { follow, me, ready } from './frame.js';

const dim = (t) => h('span', { class: 'dim' }, clean(t, 60));
const zero = (n, f = num) => (n ? h('b', {}, f(n)) : dim('0'));
const mark = { t: 'State', f: (r) => state(r.st, r.word) };
const named = (t) => ({ t, v: (r) => r.name, f: (r) => h('b', {}, said(r.name)) });
const since = (t) => (t ? now() - new Date(t) : NaN);
const sum = (all, k) => all.reduce((n, x) => n + x[k], 0);
const verb = (n, one, many) => (n === 1 ? one : many);

/** How many have a problem. */
const wrong = (bad, rows, what) =>
  rows.length === 1 ? `The ${what} has a problem` : `${num(bad)} of ${count(rows.length, what)} ${verb(bad, 'has a problem', 'have problems')}`;
const all = (rows, what, one, many) => (rows.length === 1 ? `The ${what} ${one}.` : `All ${num(rows.length)} ${what}s ${many}.`);

const pages = {
  exporters: {
    commands: ['flowhound status', 'flowhound doctor'],
    day: 'flows-a-second',
    none: () => [h('p', { class: 'lead' }, h('a', { href: '/' }, 'How a router is pointed at this host'))],
    rows: (a) => a.exporters.map(exporter),
    says(rows, bad, a) {
      if (!rows.length) return ['No exporter was heard.', 'flowhound listens on ' + a.listening.join(', ') + '.'];
      const head = bad
        ? wrong(bad, rows, 'exporter') + '.'
        : all(rows, 'exporter', 'works', 'work');
      return [
        head,
        `${num(a.flows_per_s)} flows/s in all · dropped by the kernel since the start: ${num(a.kernel_drops)} · sets without their template: ${num(a.unread)}`,
      ];
    },
    sums: (a) => [['exporters', rows.length], ['flows a second', Math.round(a.flows_per_s)], ['datagrams dropped by the kernel', a.kernel_drops], ['sets without their template', a.unread]],
    columns: [
      named('Exporter'),
      mark,
      { t: 'Speaks', c: 'h1', f: (r) => dim(r.speaks) },
      { t: 'Flows/s, 24 h', c: 'h2', f: (r) => spark(r.day || []) },
      { t: 'Flows/s', n: 1, v: (r) => r.flows_per_s, f: (r) => num(r.flows_per_s) },
      {
        t: 'Missing, 1 h',
        n: 1,
        c: 'h1',
        v: (r) => r.loss_percent,
        f: (r) => (r.loss_percent ? h('b', {}, pct(r.loss_percent) + ' %') : dim('0')),
      },
      { t: 'Unread sets', n: 1, c: 'h2', v: (r) => r.unread, f: (r) => zero(r.unread) },
      { t: 'Clock', n: 1, c: 'h2', v: (r) => r.clock_slow_s || 0, f: (r) => (Math.abs(r.clock_slow_s || 0) >= 1 ? `${span(r.clock_slow_s * 1000)} ${r.clock_slow_s > 0 ? 'slow' : 'fast'}` : dim('on time')) },
      { t: 'Sampling', n: 1, c: 'h2', v: (r) => r.sampling || 0, f: (r) => (r.sampling > 1 ? '1 in ' + num(r.sampling) : dim(r.sampling ? 'none' : '–')) },
      { t: 'Templates', n: 1, c: 'h2', v: (r) => r.templates, f: (r) => (r.templates ? num(r.templates) : dim('–')) },
      { t: 'Flows', n: 1, c: 'h1', v: (r) => r.records, f: (r) => num(r.records) },
      { t: 'Last', n: 1, c: 'ph', v: (r) => r.last, f: (r) => ago(+new Date(r.last)) },
    ],
  },
  feeds: {
    commands: ['flowhound feed list', 'flowhound mute list', 'flowhound allow list'],
    rows: (a) => a.feeds.map(feed),
    says(rows, bad, a) {
      const mutes = a.mutes.filter((m) => !m.over).length;
      const head = bad
        ? wrong(bad, rows, 'feed') + '.'
        : all(rows, 'feed', 'works', 'work');
      return [head, `${count(a.indicators, 'indicator')} in use · ${count(mutes, 'mute')} in force`];
    },
    sums: (a) => [['feeds', rows.length], ['indicators in use', a.indicators], ['mutes in force', a.mutes.filter((m) => !m.over).length]],
    columns: [
      named('Feed'),
      mark,
      { t: 'Type', c: 'h1', f: (r) => dim(r.type) },
      { t: 'Indicators', n: 1, v: (r) => r.indicators, f: (r) => num(r.indicators) },
      { t: 'Change', n: 1, c: 'h1', f: (r) => change(r.change) },
      {
        t: 'Newest',
        n: 1,
        v: (r) => r.fresh || '',
        f: (r) => (r.fresh ? span(since(r.fresh)) + ' ago' : dim('never')),
      },
      { t: 'Every', n: 1, c: 'h1', f: (r) => (r.every ? span(r.every / 1e6) : dim('watched')) },
      { t: 'Next', n: 1, c: 'h2', f: (r) => (r.next ? 'in ' + span(Math.max(0, -since(r.next))) : dim('–')) },
      { t: 'Hits, 7 d', n: 1, c: 'ph', v: (r) => r.hits_7d, f: (r) => (r.hits_7d ? h('a', { href: '/hits?last=7d&feed=' + encodeURIComponent(r.name) }, num(r.hits_7d)) : dim('0')) },
      { t: 'Left out', n: 1, c: 'h2', v: (r) => r.dropped, f: (r) => (r.dropped ? num(r.dropped) : dim('0')) },
    ],
    more: (a) => mutes(a.mutes),
  },
  outputs: {
    commands: ['flowhound output list', 'flowhound status'],
    day: 'hits-a-second',
    none: () => [
      h('p', { class: 'lead' }, `To send hits elsewhere, too, write an output into ${clean(me.config, 120) || 'the configuration'}; it is read again by itself:`),
      h('pre', { class: 'snip', tabindex: '0', 'aria-label': 'An output' }, 'outputs:\n  - {name: siem, type: syslog, min_severity: medium, settings: {address: "tls://siem.example:6514"}}'),
      h('p', { class: 'small dim' }, 'Then see whether it works: ', cmd('flowhound output test siem')),
    ],
    rows: (a) => a.outputs.map(output),
    says(rows, bad) {
      if (!rows.length) return ['No outputs are configured.', 'Hits go to the alert log alone, which OSSEC and Wazuh read.'];
      const lost = sum(rows, 'dropped');
      const head = bad
        ? `${wrong(bad, rows, 'output')}; ${lost ? count(lost, 'hit') + ' lost' : 'nothing is lost'}.`
        : all(rows, 'output', 'delivers', 'deliver');
      return [
        head,
        `${count(sum(rows, 'depth'), 'hit')} ${verb(sum(rows, 'depth'), 'waits', 'wait')}${sum(rows, 'bytes') ? `, ${bytes(sum(rows, 'bytes'))} of the journal` : ''} · retries go on by themselves`,
      ];
    },
    sums: () => (rows.length ? [['outputs', rows.length], ['hits that wait', sum(rows, 'depth')], ['bytes of the journal that wait', sum(rows, 'bytes')], ['hits lost', sum(rows, 'dropped')], ['dead letters', sum(rows, 'dead')]] : []),
    columns: [
      named('Output'),
      mark,
      { t: 'Type', c: 'h1', f: (r) => dim(r.type) },
      { t: 'Delivered, 24 h', c: 'h2', f: (r) => spark(r.day || []) },
      { t: 'Last hour', n: 1, c: 'ph', v: (r) => r.delivered_hour, f: (r) => num(r.delivered_hour) },
      { t: 'In all', n: 1, c: 'h1', v: (r) => r.delivered, f: (r) => num(r.delivered) },
      { t: 'Waiting', n: 1, v: (r) => r.depth, f: (r) => zero(r.depth) },
      { t: 'Oldest', n: 1, c: 'h1', f: (r) => (r.oldest ? span(since(r.oldest)) : dim('–')) },
      { t: 'Lost', n: 1, c: 'h1', v: (r) => r.dropped, f: (r) => zero(r.dropped) },
      { t: 'Dead letters', n: 1, c: 'h1', v: (r) => r.dead, f: (r) => zero(r.dead) },
    ],
  },
};

function exporter(e) {
  const speaks = e.versions.map((v) => ({ 5: 'v5', 9: 'v9', 10: 'IPFIX' })[v] || v).join(', ');
  const r = { ...e, name: e.address, speaks, st: 'ok', word: 'fine' };
  if (e.silent)
    return {
      ...r,
      st: 'bad',
      word: 'silent for ' + span(since(e.last)),
      why: `No datagram since ${new Date(e.last).toLocaleString('en-GB')}.`,
      fix: 'ping -c 3 ' + e.address,
      then: 'Then look at the firewall between, and whether it still exports to this host.',
    };
  if (e.loss_percent >= 0.1)
    return {
      ...r,
      st: 'late',
      word: `${pct(e.loss_percent)} % missing`,
      why: 'By its own numbering flows are missing within the last hour. If the kernel here dropped none, they were lost on the way.',
      fix: 'flowhound doctor',
    };
  if (e.newcomer) return { ...r, st: 'off', word: 'new' };
  return r;
}

function change(c) {
  const [plus, minus] = [c?.added || 0, c?.removed || 0];
  if (!plus && !minus) return dim('0');
  return [plus ? '+' + num(plus) : '', plus && minus ? ' ' : '', minus ? '−' + num(minus) : ''];
}

function feed(f) {
  const dropped = Object.values(f.left_out || {}).reduce((n, v) => n + v.count, 0);
  const r = { ...f, dropped, st: 'ok', word: 'fine' };
  if (f.status === 'pending') return { ...r, st: 'off', word: 'not fetched yet' };
  if (f.status !== 'ok')
    return {
      ...r,
      st: f.status === 'error' ? 'bad' : 'late',
      word: f.status === 'error' ? 'error' : 'stale',
      why: f.msg,
      fix: f.url ? 'flowhound feed update ' + arg(f.name) : 'flowhound feed list',
    };
  return r;
}

function output(o) {
  const r = { ...o, st: 'ok', word: 'fine' };
  if (o.status === 'ok') return r;
  const late = o.oldest ? 'behind ' + span(since(o.oldest)) : clean(o.status, 20);
  const safe = o.dropped
    ? `${count(o.dropped, 'hit')} lost.`
    : `${count(o.depth, 'hit')} ${verb(o.depth, 'waits', 'wait')} on disk, none is lost.`;
  return {
    ...r,
    st: o.status === 'trying' ? 'late' : 'bad',
    word: late,
    why: o.problem,
    then: safe,
    fix: 'flowhound output test ' + arg(o.name),
  };
}

/** Mutes below the feeds: what is kept quiet, why, until when, and how it is taken back. */
function mutes(all) {
  const box = $('#more') || $('main').appendChild(h('section', { class: 'sect', id: 'more', 'aria-labelledby': 'mh' }));
  if (!all.length) return box.replaceChildren();
  const what = (m) => [m.src && `from ${m.src}`, m.ioc && `with ${m.ioc}`, m.cat].filter(Boolean).join(', ');
  const columns = [
    { t: 'What', v: what, f: (m) => h('b', {}, said(what(m))) },
    { t: 'State', f: (m) => (m.over ? state('late', 'over: it is reported again') : state('off', 'kept quiet')) },
    { t: 'Until', v: (m) => m.until, f: (m) => when(m.until) },
    { t: 'Why', c: 'w', f: (m) => saying(m.why, 300) },
    { t: 'By', c: 'h1', f: (m) => (m.by ? [said(m.by), m.at ? [', ', when(m.at)] : ''] : dim('–')) },
    { t: 'Records', n: 1, v: (m) => m.count, f: (m) => num(m.count) },
  ];
  return redraw(box, muted, () =>
    box.replaceChildren(
      h('div', { class: 'bar' }, h('h2', { id: 'mh' }, 'Mutes'), give('mutes', () => all)),
      h('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'Mutes, scrolls' }, grid('Mutes', columns, all, { key: (m) => `${what(m)} ${m.until}`, memo: muted })),
      h('p', { class: 'small dim' }, 'Records are those that were kept quiet since the start or the last reload. To take one back: ', h('code', {}, 'flowhound mute remove'), '.'),
    ),
  );
}
const muted = {};

/** The lines of the last day as a table: who in columns, a quarter of an hour in each row. */
let dayTable;
function dayNumbers(what) {
  const shown = rows.filter((r) => r.day?.some((v) => v != null));
  const made = JSON.stringify(shown.map((r) => r.name));
  if (!shown.length && !dayTable) return;
  if (dayTable?.dataset.made !== made) {
    const old = dayTable;
    const heads = shown.map((r) => [r.name, (v) => (v === '' ? dim('–') : v < 10 ? String(Math.round(v * 1000) / 1000) : num(v)), 1, r.name]);
    dayTable = numbers(what, [['from', when], ...heads], quarters, 'The last 24 hours as a table');
    [dayTable.dataset.made, dayTable.open] = [made, !!old?.open];
    old ? old.replaceWith(dayTable) : $('#tab').after(dayTable);
  }
  dayTable.redraw();
}
const QUARTER = 9e5;
function quarters() {
  const shown = rows.filter((r) => r.day?.some((v) => v != null));
  const newest = Math.floor(now() / QUARTER);
  const n = Math.max(...shown.map((r) => r.day.length), 0);
  const out = [];
  for (let i = 0; i < n; i++) {
    const values = shown.map((r) => r.day[r.day.length - n + i] ?? '');
    if (values.some((v) => v !== '')) out.push([new Date((newest - n + 1 + i) * QUARTER).toISOString(), ...values]);
  }
  return out;
}

/** What the sentence at the top says. */
let sums = [];
const page = document.body.dataset.page;
const sumTable = numbers(page + '-in-all', [['what'], ['value', num, 1]], () => sums, 'In all, as a table');
const P = pages[page];
const rank = { bad: 0, late: 1, off: 2, ok: 3 };
let rows = [];
const memo = {};

const under = (r) =>
  r.why &&
  h(
    'div',
    { class: 'fix' },
    h('span', {}, saying(r.why, 500)),
    r.then && h('span', { class: 'dim' }, r.then),
    r.fix && h('span', {}, cmd(r.fix)),
  );

/** Whom a link to this page means: /feeds#otx. */
let wanted = hash();
const bring = () => wanted && $(`tr[data-k="${CSS.escape(wanted)}"]`)?.scrollIntoView({ block: 'center' });
addEventListener('hashchange', async () => {
  wanted = hash();
  await load();
  bring();
});

async function load() {
  try {
    const a = await get(page);
    trouble();
    rows = P.rows(a).sort((x, y) => rank[x.st] - rank[y.st] || (x.name < y.name ? -1 : 1));
    const bad = rows.filter((r) => r.st === 'bad' || r.st === 'late').length;
    const [head, sub] = P.says(rows, bad, a);
    $('#v').textContent = head;
    $('#sub').textContent = sub;
    const options = { under, rowClass: (r) => (r.why ? 'trouble' : '') + (r.name === wanted ? ' on' : ''), key: (r) => r.name, memo, sort: 'sort' };
    $('#give').hidden = !rows.length;
    redraw($('#tab'), memo, () => $('#tab').replaceChildren(...(rows.length ? [grid(page, P.columns, rows, options)] : P.none?.() || [])));
    if (P.day) dayNumbers(P.day);
    sums = P.sums(a);
    if (!sumTable.isConnected) (dayTable || $('#tab')).after(sumTable);
    sumTable.redraw();
    P.more?.(a);
  } catch (e) {
    trouble(e);
  }
}

$('#give').append(give(page, () => rows.map(({ st: _, ...r }) => r)));
$('#cmd').append(...P.commands.flatMap((c) => [cmd(c), ' ']));
await load();
bring();
follow({ again: load });
ready();
