// Top: who sends the most, where, when. The same question as flowhound top.
import { $, arg, h, params, setParams } from './dom.js';
import { clock, day, num, pct } from './format.js';
import { barcell, cmd, give, grid, numbers, redraw } from './parts.js';
import { area } from './charts.js';
import { flags, range } from './range.js';
import { trouble } from './net.js';
import { follow, ready } from './frame.js';
import {
  address,
  bins,
  both,
  country,
  expressionOf,
  facts,
  limits,
  listed,
  noAnswer,
  nothing,
  owner,
  refused,
  series,
  step,
  top,
  values,
} from './flows.js';

const form = $('#qf');
const defaults = { q: '', fields: 'sip,sport', value: 'bytes', count: '10' };
const asked = () => Object.fromEntries(Object.keys(defaults).map((k) => [k, params.get(k) ?? defaults[k]]));
const titles = {
  sip: 'Source',
  dip: 'Destination',
  ip: 'Address',
  sport: 'Source port',
  dport: 'Destination port',
  port: 'Port',
  proto: 'Protocol',
  service: 'Service',
  scc: 'From',
  dcc: 'To',
  cc: 'Country',
  sas: 'Source AS',
  das: 'Destination AS',
  as: 'AS',
  exporter: 'Exporter',
};
const addresses = ['sip', 'dip', 'ip', 'nat_src', 'nat_dst'];
let answer;
let asking;
let over = []; // [time, value of each line]
let overTable;
const memo = {};

const rows = () =>
  answer.rows.map((r, i) => ({
    i,
    ...r,
    owner: answer.fields
      .filter((f) => addresses.includes(f))
      .map((f) => answer.about[r[f]])
      .find(Boolean),
  }));

function cell(f) {
  if (addresses.includes(f)) return (r) => address(r[f], answer.about[r[f]]);
  if (['scc', 'dcc', 'cc'].includes(f)) return (r) => country(r[f]);
  if (['minute', '5min', 'hour', 'day'].includes(f))
    return (r) => new Date(r[f]).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
  return (r) => String(r[f]);
}

function table(o) {
  const [title, fmt] = values[o.value];
  const max = Math.max(...answer.rows.map((r) => r.value), 1);
  const shares = answer.total > 0;
  const columns = [
    { t: '#', n: 1, f: (r) => h('span', { class: 'key k' + (r.i < 5 ? r.i + 1 : 0) }, String(r.i + 1)) },
    ...answer.fields.map((f) => ({ t: titles[f] || f, f: cell(f), n: /port$/.test(f) })),
    ...(rows().some((r) => r.owner?.owner || r.owner?.as) ? [{ t: 'Owner', c: 'h1', f: (r) => owner(r.owner) }] : []),
    { t: title, n: 1, v: (r) => r.value, f: (r) => barcell(fmt(r.value), r.value / max) },
    ...(shares
      ? [
          { t: '%', n: 1, f: (r) => pct(r.percent) },
          { t: 'Σ %', n: 1, f: (r) => pct(r.cumulative) },
        ]
      : []),
    { t: 'List', f: (r) => listed(r.owner) || h('span', { class: 'dim' }, '–') },
    { t: 'Flows', f: (r) => link(r, o) },
  ];
  const foot = () => {
    const cells = columns.map((c) => h('td', { class: (c.c || '') + (c.n ? ' n' : '') }));
    cells[1].textContent = `All ${bins(answer)}`;
    const at = columns.findIndex((c) => c.t === title);
    cells[at].textContent = fmt(answer.total);
    cells[at + 1].textContent = '100.0';
    return h('tr', { class: 'tot' }, cells);
  };
  return grid('The largest', columns, rows(), { foot: shares ? foot : undefined, key: keyOf, memo, sort: 'sort' });
}

const keyOf = (r) => answer.fields.map((f) => r[f]).join(' ');

/** The same question one level deeper: this row's flows by both ends. */
function link(r, o) {
  const x = expressionOf(r, answer.fields);
  if (!x) return h('span', { class: 'dim' }, '–');
  const q = new URLSearchParams(location.search);
  q.set('q', both(o.q, x));
  q.set('fields', 'sip,dip,dport');
  q.delete('sort');
  return h('a', { class: 'small nb', href: '/top?' + q }, 'both ends');
}

async function lines(o, signal) {
  const first = answer.rows.slice(0, 5);
  const each = first.map((r) => expressionOf(r, answer.fields));
  $('#lines').hidden = !each.length || each.includes('');
  if ($('#lines').hidden) return;
  const [name] = step();
  const a = await top(
    {
      expression: both(o.q, each.map((x) => `(${x})`).join(' or ')),
      fields: [name, ...answer.fields].join(','),
      value: o.value,
      count: 0,
    },
    signal,
  );
  const [t, ys] = series(a, first.map(keyOf));
  over = t.map((q, i) => [q, ...ys.map((v) => v[i])]);
  const heads = first.map((r) => [keyOf(r), values[o.value][1], 1, keyOf(r)]);
  const made = JSON.stringify([heads.map(([k]) => k), o.value]);
  if (overTable?.dataset.made !== made) {
    const old = overTable;
    overTable = numbers('over-time', [['time', (q) => `${day(q)} ${clock(q)}`], ...heads], () => over);
    [overTable.dataset.made, overTable.open] = [made, !!old?.open];
    old ? old.replaceWith(overTable) : $('#vol').after(overTable);
  }
  overTable.redraw();
  area($('#vol'), t, ys, { lines: true, height: 190, fmt: values[o.value][1] });
}

const command = (o) =>
  `flowhound top ${o.q ? arg(o.q) + ' ' : ''}--fields ${arg(o.fields.replace(/\s/g, ''))} --value ${arg(o.value)} --count ${arg(o.count)} ${flags()}`;

/** calm: nobody asked, the time has come. */
async function load(calm) {
  const o = asked();
  asking?.abort();
  asking = new AbortController();
  const slow =
    calm !== true &&
    setTimeout(() => {
      $('#tab').classList.add('stale');
      if (!answer) $('#facts').textContent = 'Asking …';
    }, 300);
  $('#cmd').replaceChildren(cmd(command(o)));
  try {
    answer = await top({ expression: o.q, fields: o.fields, value: o.value, count: o.count }, asking.signal);
    trouble();
    $('#err').hidden = true;
    $('#answer').hidden = false;
    $('#facts').textContent = facts(answer);
    $('#limits').replaceChildren(...limits(answer));
    $('#b2').textContent =
      `${values[o.value][0]} by ${answer.fields.map((f) => (titles[f] || f).toLowerCase()).join(', ')}`;
    redraw($('#tab'), memo, () =>
      $('#tab').replaceChildren(
        answer.rows.length
          ? table(o)
          : h('div', { class: 'blank' }, nothing('No flows for this question and range. That is an answer, too.')),
      ),
    );
    await lines(o, asking.signal);
  } catch (e) {
    if (e.name === 'AbortError') return;
    trouble(e);
    if (!e.status || (calm === true && e.status === 503)) return;
    $('#err').hidden = !e.mistake && e.status !== 400;
    if (!answer) $('#facts').textContent = '';
    if ($('#err').hidden) return $('#limits').replaceChildren(noAnswer(e, command(o)));
    $('#err').replaceChildren(
      h(
        'div',
        {},
        refused(e, (text) => ask({ ...o, q: text })),
      ),
    );
    form.q.setAttribute('aria-invalid', 'true');
  } finally {
    clearTimeout(slow);
    $('#tab').classList.remove('stale');
  }
}

function ask(o) {
  memo.by = memo.way = undefined;
  setParams({ sort: '' });
  setParams(Object.fromEntries(Object.keys(defaults).map((k) => [k, o[k] === defaults[k] ? '' : o[k]])));
  for (const k of Object.keys(defaults)) form[k].value = o[k];
  form.q.removeAttribute('aria-invalid');
  return load();
}

/** A row under the pointer or the focus picks out its line. */
function pick(e) {
  const i = e.target.closest?.('tbody tr')?.rowIndex;
  const c = $('#vol svg');
  if (!c) return;
  c.classList.toggle('pick', i <= 5);
  c.querySelectorAll('.ln').forEach((l) => l.classList.toggle('hi', l.classList.contains('l' + i)));
}

for (const k of Object.keys(defaults)) form[k].value = asked()[k];
form.addEventListener('submit', (e) => {
  e.preventDefault();
  ask(Object.fromEntries(Object.keys(defaults).map((k) => [k, form[k].value.trim()])));
});
for (const e of ['pointerover', 'focusin', 'pointerleave']) $('#tab').addEventListener(e, pick);
$('#tools').append(range(load));
$('#give').append(give('top', () => answer?.rows ?? []));
await load();
follow({ again: () => load(true), every: 30_000 });
ready();
