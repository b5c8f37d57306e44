// Hits: what happened, why so severe, what next?
import { $, $$, arg, clean, h, hash, icon, said, params, setParams } from './dom.js';
import { bytes, count, num, when } from './format.js';
import { SEV, cmd, copy, give, note, numbers, sev, toast } from './parts.js';
import { ticks } from './charts.js';
import { hitsRange, question, range } from './range.js';
import { port, title, who } from './words.js';
import { get, trouble } from './net.js';
import { follow, live, onkey, ready } from './frame.js';
import { nothing, refused } from './flows.js';
import { story } from './story.js';
import { act } from './act.js';

const FIELDS = [
  ['severity', 'Severity'],
  ['direction', 'Direction'],
  ['category', 'Category'],
  ['feed', 'List'],
  ['exporter', 'Exporter'],
  ['state', 'Answer'],
  ['kind', 'Kind'],
];
const names = ['min', ...FIELDS.flatMap(([k]) => [k, 'not-' + k])];
const filters = () => [...params].filter(([k]) => names.includes(k));
const wide = matchMedia('(min-width:1800px)');
const inward = (x) => x.dir === 'inbound' || x.dir === 'transit';

let shown = []; // the series of the list
let total = 0;
let open = null; // the id of the story
let cur = -1; // the row of the keys
let asking;

const columns = [
  ['Severity'],
  ['Whose'],
  [''],
  ['Whom'],
  ['What'],
  ['List', 'h1'],
  ['Rule', 'h2'],
  ['When', 'h2'],
  ['Flows', 'n'],
  ['Volume', 'n h1'],
  ['Last', 'n'],
];
const heads = columns.map(([t, c]) => h('th', { scope: 'col', class: c }, t || h('span', { class: 'vh' }, 'Way')));
const body = h('tbody');
$('#list').append(
  h(
    'table',
    { class: 'grid rows' },
    h('caption', { class: 'vh' }, 'Series of hits, worst and newest first'),
    h('thead', {}, h('tr', {}, heads)),
    body,
  ),
);

function row(x) {
  const press = (e) => {
    e.stopPropagation();
    toggle(x.series);
  };
  const way = icon(inward(x) ? 'in' : x.state === 'established' ? 'out' : 'try', 'arrow');
  const more = (n) => (n > 1 ? h('span', { class: 'dim' }, ` +${num(n - 1)}`) : '');
  return h(
    'tr',
    { 'data-k': x.series, onclick: press },
    h('td', { class: 'm-2' }, sev(x.sev)),
    h(
      'td',
      { class: 'm-1' },
      h(
        'button',
        { class: 'lnk who', type: 'button', 'aria-expanded': 'false', 'aria-label': title(x), onclick: press },
        x.local,
      ),
      more(inward(x) ? x.targets : x.sources),
      who(x) !== x.local && h('span', { class: 'dim' }, ' ', said(who(x))),
    ),
    h('td', { class: 'm-x' }, h('span', { title: `${x.dir}, ${x.state}` }, way)),
    h(
      'td',
      { class: 'm-4' },
      h('span', { class: 'm-a' }, inward(x) ? '← ' : '→ '),
      x.remote,
      more(inward(x) ? x.sources : x.targets),
      !inward(x) && h('span', { class: 'dim' }, port(x)),
    ),
    h(
      'td',
      { class: 'm-5' },
      x.cat,
      x.state === 'attempt' && h('span', { class: 'dim' }, ', no answer'),
      x.kind === 'retro' || x.kind === 'dnsbl' ? [' ', h('span', { class: 'tag' }, x.kind)] : '',
      inward(x) && h('span', { class: 'dim' }, ' → ' + (port(x) || 'ports')),
    ),
    h('td', { class: 'm-x h1' }, said(x.feed)),
    h('td', { class: 'm-x h2 dim' }, String(x.rule || '–')),
    h('td', { class: 'm-x h2 ' + (SEV.indexOf(x.sev) < 3 ? x.sev : 'info') }, ticks(x.ticks)),
    h('td', { class: 'n m-x' }, num(x.count)),
    h('td', { class: 'n m-x h1' }, bytes(x.bytes)),
    h('td', { class: 'n m-3' }, when(x.last)),
  );
}

/** Whether a filter is an expression of the language of flows, and not words to be looked for. */
const language =
  /(?:^|[\s(])(?:(?:src|dst|nat|sip|dip|scc|dcc|proto|exporter|router|direction|country|cc)\s+\S|(?:ip|host|net)\s+[@\da-f:]|(?:s|d)?port\s+[\d(]|(?:s|d)?as\s+\d|(?:bytes|packets|duration|domain|sampling|icmp-type)\s*[<>=!\d])/i;
const isExpression = (text) => language.test(text);

const query = () => {
  const q = question();
  for (const [k, v] of filters()) q.append(k, v);
  const text = params.get('q') || '';
  if (text) q.set(isExpression(text) ? 'expression' : 'q', text);
  return q;
};

/** Asks for the list anew, and draws it. */
async function load() {
  asking?.abort();
  asking = new AbortController();
  const slow = setTimeout(() => $('#list').classList.add('stale'), 300);
  try {
    const a = await get('hits?' + query(), asking.signal);
    trouble();
    [shown, total] = [a.hits, a.total];
    draw(a.counts);
    return a;
  } catch (e) {
    if (e.name === 'AbortError') return null;
    trouble(e);
    if (e.status) wrong(e);
    chips();
    return null;
  } finally {
    clearTimeout(slow);
    $('#list').classList.remove('stale');
  }
}

/** A mistake in the filter: the old answer stays. */
function wrong(e) {
  const take = (text) => {
    $('#f').value = text;
    filter('q', text);
  };
  $('#wrong').replaceChildren(note('late', refused(e, take)));
  if (e.mistake) $('#f').setAttribute('aria-invalid', 'true');
}

function draw(counts) {
  $('#wrong').replaceChildren();
  $('#f').removeAttribute('aria-invalid');
  $('#new').replaceChildren();
  news.clear();
  const focus = document.activeElement?.closest?.('[data-k]')?.dataset.k;
  body.replaceChildren(...shown.map(row));
  $('#count').textContent =
    count(total, 'series', 'series') + (total > shown.length ? `, ${num(shown.length)} shown` : '');
  $('#none').hidden = shown.length > 0;
  $('#none').replaceChildren(...(shown.length ? [] : none()));
  $('#list').hidden = !shown.length;
  facets(counts);
  chips();
  if (focus) $(`[data-k="${focus}"] .who`)?.focus({ preventScroll: true });
  if (open) {
    const id = open;
    const x = shown.find((s) => s.series === id);
    x ? attach(x, $('.story')) : close();
  }
}

function none() {
  const some = filters().length || params.get('q');
  const what = some ? ' that fits. Widen the range, or take a filter out.' : '. Widen the range to see more.';
  return [h('h2', {}, some ? 'No hits for this filter and range.' : 'No hits in this range.'), nothing('That is an answer, too: in this range nothing of yours talked to a listed address' + what)];
}

/* ---- filter: facets with counts, + takes in, − leaves out; all of it stands in the address ---- */
function facets(counts) {
  const one = (k, t, v, n) =>
    h(
      'li',
      {},
      h('span', {}, k === 'severity' ? sev(v) : said(v)),
      h('span', { class: 'dim' }, num(n)),
      h('button', { class: 'pm', type: 'button', 'aria-label': `only ${t} ${clean(v, 60)}`, onclick: () => filter(k, v) }, '+'),
      h(
        'button',
        {
          class: 'pm',
          type: 'button',
          'aria-label': `without ${t} ${clean(v, 60)}`,
          onclick: () => filter('not-' + k, [params.get('not-' + k), v].filter(Boolean).join(',')),
        },
        '−',
      ),
    );
  const order = (k) => (a, b) =>
    k === 'severity' ? SEV.indexOf(a[0]) - SEV.indexOf(b[0]) : b[1] - a[1] || (a[0] < b[0] ? -1 : 1);
  $('#facets').replaceChildren(
    ...FIELDS.map(([k, t]) => [
      k,
      t,
      Object.entries(counts[k] || {})
        .sort(order(k))
        .slice(0, 7),
    ])
      .filter(([, , v]) => v.length)
      .map(([k, t, v]) =>
        h(
          'div',
          {},
          h('h2', {}, t),
          h(
            'ul',
            {},
            v.map(([x, n]) => one(k, t, x, n)),
          ),
        ),
      ),
    facetTable,
  );
  counted = counts;
  facetTable.redraw();
}
let counted = {};
const facetTable = numbers(
  'facets',
  [['field'], ['value'], ['series', num, 1]],
  () => FIELDS.flatMap(([k, t]) => Object.entries(counted[k] || {}).map(([v, n]) => [t, v, n])),
  'As a table',
);

async function filter(k, v) {
  setParams({ [k]: v });
  if (await load()) toast(count(total, 'series', 'series'));
}

function chips() {
  const chip = ([k, v]) =>
    h(
      'span',
      { class: 'chip' },
      h('span', {}, k === 'min' ? `severity ≥ ${clean(v, 40)}` : `${k.replace('not-', 'not ')} ${clean(v.replaceAll(',', ', '), 80)}`),
      h('button', { type: 'button', 'aria-label': `Remove filter ${k} ${clean(v, 40)}`, onclick: () => filter(k, '') }, '×'),
    );
  $('#chips').replaceChildren(...filters().map(chip));
  $('#cmd').replaceChildren(cmd(command()));
}

const KEYS = { severity: 'sev', direction: 'dir', category: 'cat' };
/** The command that gives the same answer; what hits has no option for, jq leaves out of its JSON. */
function command() {
  const { since, rest } = hitsRange();
  const out = ['flowhound hits', since];
  for (const [k, v] of filters()) {
    if (k === 'min') out.push('--severity ' + arg(v));
    else if ((k === 'feed' || k === 'category') && !v.includes(',')) out.push(`--${k} ${arg(v)}`);
    else {
      const is = v
        .split(',')
        .map((x) => `.${KEYS[k.replace('not-', '')] || k.replace('not-', '')} == ${JSON.stringify(x)}`)
        .join(' or ');
      rest.push(k.startsWith('not-') ? `(${is} | not)` : `(${is})`);
    }
  }
  const q = params.get('q') || '';
  if (isExpression(q)) out.push(arg(q));
  else if (/^[0-9a-f.:]+(\/\d+)?$/i.test(q) && /[.:].*[.:]/.test(q)) out.push('--address ' + q);
  else if (q) rest.push(`(tostring | ascii_downcase | contains(${JSON.stringify(q.toLowerCase())}))`);
  if (rest.length) out.push(`--json | jq -c ${arg(`select(${rest.join(' and ')})`)}`);
  return out.join(' ');
}

/* ---- one story at a time: below its row, or beside the list where there is room ---- */
function close() {
  const tr = open && $(`[data-k="${CSS.escape(open)}"]`);
  $('.in-row')?.remove();
  $('#aside').replaceChildren();
  $('#aside').hidden = true;
  $('#hits').classList.remove('s');
  tr?.removeAttribute('data-open');
  $('.who', tr || body)?.setAttribute('aria-expanded', 'false');
  open = null;
  if (location.hash) history.replaceState(null, '', location.pathname + location.search);
}

async function toggle(id) {
  const was = open;
  close();
  if (was === id) return $(`[data-k="${CSS.escape(id)}"] .who`)?.focus();
  open = id;
  history.replaceState(null, '', location.pathname + location.search + '#' + id);
  let x;
  try {
    x = await get(`hits/${encodeURIComponent(id)}?` + question());
  } catch (e) {
    open = null;
    if (e.status) wrong(e);
    trouble(e);
    return null;
  }
  if (open !== id) return null; // another was opened meanwhile
  attach(x, story(x, { close: () => toggle(id), act: (kind) => act(x, kind, load) }));
  return x;
}

function attach(x, el) {
  const tr = $(`[data-k="${CSS.escape(x.series)}"]`);
  cur = shown.findIndex((s) => s.series === x.series);
  mark();
  tr?.setAttribute('data-open', '');
  tr && $('.who', tr).setAttribute('aria-expanded', 'true');
  $('.in-row')?.remove();
  if (wide.matches || !tr) {
    $('#aside').hidden = false;
    $('#hits').classList.add('s');
    $('#aside').replaceChildren(el);
  } else tr.after(h('tr', { class: 'in-row' }, h('td', { class: 'in', colspan: columns.length }, el)));
}

function mark() {
  $$('tr.cur', body).forEach((t) => t.classList.remove('cur'));
  const t = body.querySelector(`[data-k="${CSS.escape(shown[cur]?.series || '')}"]`);
  t?.classList.add('cur');
  return t;
}
function move(d) {
  cur = Math.max(0, Math.min(shown.length - 1, cur + d));
  const t = mark();
  t && $('.who', t).focus({ preventScroll: true });
  t?.scrollIntoView({ block: 'nearest' });
}

/* ---- live: nothing moves under the reader. New series wait behind one button. ---- */
const news = new Map();
function arrive(list) {
  if (!live.on || params.has('to')) return;
  for (const x of list) {
    const i = shown.findIndex((s) => s.series === x.series);
    if (i < 0) news.set(x.series, x);
    else {
      shown[i] = { ...x, ticks: shown[i].ticks };
      const tr = body.querySelector(`[data-k="${CSS.escape(x.series)}"]`);
      if (tr && tr.dataset.k !== open && !tr.contains(document.activeElement)) tr.replaceWith(row(shown[i]));
    }
  }
  if (!news.size) return;
  const worst = SEV[Math.min(...[...news.values()].map((x) => SEV.indexOf(x.sev)))];
  const show = h(
    'button',
    { class: 'btn', type: 'button', onclick: load },
    `${count(news.size, 'new series', 'new series')}, worst ${worst} – show`,
    ' ',
    h('kbd', {}, '.'),
  );
  $('#new').replaceChildren(h('div', { class: 'new' }, show));
}

$('#tools').append(range(load));
$('#give').append(give('hits', () => shown.map(({ ticks: _, ...x }) => x)));
$('#f').value = params.get('q') || '';
$('.q').addEventListener('submit', (e) => {
  e.preventDefault();
  filter('q', $('#f').value.trim());
});
$('#fbtn').addEventListener('click', (e) =>
  e.currentTarget.setAttribute('aria-expanded', $('#facets').classList.toggle('show')),
);
const withOpen = (f) => () => open && $('.story') && f();
Object.assign(onkey, {
  j: () => move(1),
  k: () => move(-1),
  Escape: () => (open ? toggle(open) : false),
  m: withOpen(() => $('.story [data-act=mute]').click()),
  w: withOpen(() => $('.story [data-act=allow]').click()),
  y: withOpen(() => copy($('.story .raw code').textContent, 'Line copied')),
  '.': () => $('.new .btn')?.click(),
});
wide.addEventListener('change', () => {
  const x = open && shown.find((s) => s.series === open);
  const el = $('.story');
  if (!x || !el) return;
  $('#aside').hidden = true;
  $('#hits').classList.remove('s');
  attach(x, el);
});

const first = await load();
if (location.hash.length > 1) {
  await toggle(hash());
  ($(`[data-k="${CSS.escape(open || '')}"]`) || $('.story'))?.scrollIntoView({
    block: wide.matches ? 'nearest' : 'start',
  });
}
follow({ hits: (n) => arrive(n.hits), begin: first?.change });
ready();
