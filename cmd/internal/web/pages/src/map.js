// Map: where does traffic go? The picture is for a glance; the table beside it says the same and is the way in.
import { $, $$, arg, h, s, icon, params, setParams } from './dom.js';
import { bytes, clock, day, num, pct } from './format.js';
import { SEV, barcell, cmd, give, grid, numbers, redraw, seg, sev, tip } from './parts.js';
import { area } from './charts.js';
import { question, range, wholeHours as hours } from './range.js';
import { get, trouble } from './net.js';
import { follow, onkey, ready } from './frame.js';
import { address, bins, country, facts, hitsByCountry, isCountry, limits, listed, noAnswer, nothing, owner, series, step, top, values } from './flows.js';

const world = await (await fetch('/world.json')).json();
/* Fixed steps of share, not of the day's range: a colour means the same in every picture. */
const CUT = [0.01, 0.1, 1, 3, 10];
const shade = (p) => CUT.filter((c) => p >= c).length + 1;
const sides = {
  src: ['scc', 'sip', 'sport', 'from', 'src country'],
  dst: ['dcc', 'dip', 'dport', 'to', 'dst country'],
  both: ['cc', 'ip', 'port', 'from and to', 'country'],
};

const measure = () => (['bytes', 'flows', 'hits'].includes(params.get('m')) ? params.get('m') : 'bytes');
const value = () => (measure() === 'hits' ? 'bytes' : measure());
const side = () => (sides[params.get('side')] ? params.get('side') : 'src');
const fmt = (v) => (measure() === 'hits' ? num(v) : values[value()][1](v));

let rows = []; // the countries, the largest first
let by = {}; // the same by code
let rest = []; // what is on no map
let answer;
let sel = null;
let turn = 0;
let hovered; // the country under the pointer
let over = []; // [time, value]
const memo = { countries: {}, addresses: {} };

/* ---- the picture ---- */
const shapes = {};
const hatch = s(
  'pattern',
  { id: 'hatch', width: 6, height: 6, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
  s('rect', { width: 6, height: 6 }),
  s('path', { d: 'M0 0V6' }),
);
const [land, dots, rings] = [s('g'), s('g'), s('g')];
const root = s(
  'svg',
  { viewBox: `0 0 ${world.w} ${world.h}`, 'aria-hidden': 'true' },
  s('defs', {}, hatch),
  land,
  dots,
  rings,
);
for (const [c, [, d, x, y]] of Object.entries(world.c)) {
  shapes[c] = [];
  if (d) shapes[c].push(land.appendChild(s('path', { d, 'data-c': c })));
  if (x !== undefined) shapes[c].push(dots.appendChild(s('circle', { cx: x, cy: y, r: 5, 'data-c': c })));
}
$('#map').append(root);

function paint() {
  for (const [c, all] of Object.entries(shapes)) {
    const r = by[c];
    for (const e of all) {
      e.setAttribute(
        'class',
        (e.localName === 'circle' ? 'd ' : '') + (r?.value ? 'q' + shade(r.p) : 'none') + (c === sel ? ' on' : ''),
      );
      r ? e.setAttribute('data-v', '') : e.removeAttribute('data-v');
    }
  }
  rings.replaceChildren();
  for (const r of rows) {
    const at = world.mid[r.cc];
    if (!at || !r.hits || SEV.indexOf(r.sev) > 2) continue;
    const size = { cx: at[0], cy: at[1], 'data-r': 5 + 2 * Math.log10(1 + r.hits) };
    rings.append(s('circle', { class: 'halo', ...size }), s('circle', { class: 'hit ' + r.sev, ...size }));
  }
  zoom(params.get('region') || 'world');
  if (hovered) lit(hovered);
}

const lit = (c) => {
  hovered = c;
  $$('.on', root).forEach((e) => e.dataset.c !== sel && e.classList.remove('on'));
  for (const e of shapes[c] || []) e.classList.add('on');
};
/** The country under the pointer, or the nearest dot: small ones are 4 pixels wide. */
function at(e) {
  let c = e.target.dataset?.c;
  if (c && by[c]) return c;
  let near = 13;
  for (const q of $$('.d[data-v]', dots)) {
    const b = q.getBoundingClientRect();
    const far = Math.hypot(b.x + b.width / 2 - e.clientX, b.y + b.height / 2 - e.clientY);
    if (far < near) [near, c] = [far, q.dataset.c];
  }
  return c;
}
function info(c) {
  const r = by[c];
  return [
    h('b', {}, country(c)),
    h('div', {}, r ? `${pct(r.p)} % · ${fmt(r.value)}` : 'no traffic'),
    r && h('div', { class: 'dim' }, r.hits ? `${num(r.hits)} hits, worst ${r.sev}` : 'no hits'),
  ].filter(Boolean);
}
root.addEventListener('pointermove', (e) => {
  const c = at(e);
  c ? tip.show(e.clientX, e.clientY, ...info(c)) : tip.hide();
  lit(c);
});
root.addEventListener('pointerleave', () => (tip.hide(), lit()));
root.addEventListener('click', (e) => by[at(e)] && open(at(e)));

/* Regions instead of pinch and pan: one press makes Switzerland large enough to hit. */
const REGIONS = {
  europe: ['PT', 'IE', 'FI', 'GR', 'UA'],
  americas: ['CA', 'AR', 'PE'],
  asia: ['TR', 'JP', 'ID', 'IN'],
  africa: ['MA', 'ZA', 'SO', 'TN'],
};
function zoom(k) {
  let v = [0, 0, world.w, world.h];
  if (REGIONS[k]) {
    const b = REGIONS[k].map((c) => shapes[c][0].getBBox());
    const [x0, y0] = [Math.min(...b.map((q) => q.x)), Math.min(...b.map((q) => q.y))];
    const [x1, y1] = [Math.max(...b.map((q) => q.x + q.width)), Math.max(...b.map((q) => q.y + q.height))];
    const w = Math.max(x1 - x0 + 24, ((y1 - y0 + 24) * world.w) / world.h);
    const tall = (w * world.h) / world.w;
    v = [(x0 + x1 - w) / 2, (y0 + y1 - tall) / 2, w, tall];
  }
  root.setAttribute('viewBox', v.map((q) => q.toFixed(0)).join(' '));
  const z = (v[2] / world.w) ** 0.8;
  $$('[data-r]', rings).forEach((e) => e.setAttribute('r', e.dataset.r * z));
  $$('.d', dots).forEach((e) => e.setAttribute('r', 5 * z));
}

/* ---- the table ---- */
const hitsCell = (r) =>
  r.hits
    ? h(
        'span',
        { class: SEV.indexOf(r.sev) < 3 ? 'sev ' + r.sev : 'dim' },
        num(r.hits),
        SEV.indexOf(r.sev) < 3 && [' ', icon('s-' + r.sev)],
      )
    : h('span', { class: 'dim' }, '–');
const title = () => (measure() === 'hits' ? 'Hits' : measure() === 'flows' ? 'Flows' : 'Volume');

function list() {
  const name = (r) => {
    const b = h('button', { class: 'lnk', type: 'button', onclick: () => open(r.cc) }, country(r.cc));
    b.addEventListener('focus', () => lit(r.cc));
    return b;
  };
  const columns = [
    { t: 'Country', f: name, v: (r) => country(r.cc) },
    { t: title(), n: 1, f: (r) => fmt(r.value), v: (r) => r.value, sort: 'descending' },
    { t: '%', n: 1, f: (r) => pct(r.p), v: (r) => r.p },
    { t: 'Σ %', n: 1, c: 'ph', f: (r) => pct(r.cum), v: (r) => r.cum },
    { t: 'Hit flows', n: 1, f: hitsCell, v: (r) => r.hits },
  ];
  const t = grid('Countries', columns, rows, { key: (r) => r.cc, memo: memo.countries, sort: 'sort' });
  t.addEventListener('pointerover', (e) => lit(e.target.closest('tr')?.dataset.k));
  const off = rest.map((r) => `${country(r.cc)} ${fmt(r.value)}`).join(', ');
  $('#side').replaceChildren(
    h(
      'div',
      { class: 'bar' },
      h('h2', { id: 'sh', tabindex: '-1' }, 'Countries'),
      give('countries', () =>
        rows.map((r) => ({
          cc: r.cc,
          country: country(r.cc),
          [measure()]: r.value,
          percent: r.p,
          cumulative: r.cum,
          hits: r.hits,
          worst: r.sev || '',
        })),
      ),
    ),
    ...limits(answer),
    h(
      'div',
      { class: 'scroll', tabindex: '0', role: 'region', 'aria-labelledby': 'sh' },
      rows.length ? t : h('div', { class: 'blank' }, nothing('No traffic with a country in this range.')),
    ),
    h('p', { class: 'small dim' }, off ? `Not on the map: ${off}. ` : '', facts(answer, 'countries')),
  );
  $('#cmd').replaceChildren(cmd(command()));
}

/** Replaces the countries by the addresses and ports of one. quiet: the reader did not ask for it. */
async function open(c, quiet) {
  sel = c;
  setParams({ cc: c });
  if (!quiet) {
    tip.hide();
    lit(c);
  }
  const mine = ++turn;
  const [, ip, port, , condition] = sides[side()];
  const slow = !quiet && setTimeout(() => $('#side').classList.add('stale'), 300);
  try {
    const a = await top(
      { expression: `${condition} ${c}`, fields: `${ip},${port}`, value: value(), count: 15 },
      undefined,
      hours().question,
    );
    if (mine !== turn) return;
    trouble();
    quiet ? redraw($('#side'), memo.addresses, () => drill(c, a, ip, port)) : drill(c, a, ip, port);
    if (!quiet) $('#sh').focus({ preventScroll: innerWidth > 760 });
  } catch (e) {
    trouble(e);
    if (e.status && mine === turn && !(quiet && e.status === 503)) $('#side').replaceChildren(back(), noAnswer(e, command(c)));
  } finally {
    clearTimeout(slow);
    $('#side').classList.remove('stale');
  }
}

const back = () => h('button', { class: 'btn sm', type: 'button', onclick: () => shut() }, icon('prev'), 'World');
function shut() {
  sel = null;
  turn++;
  setParams({ cc: '' });
  lit();
  list();
  $('#sh').focus({ preventScroll: true });
}

function drill(c, a, ip, port) {
  const about = (r) => a.about[r[ip]];
  const q = new URLSearchParams(question());
  const flows = (r) => {
    q.set('q', `${ip === 'ip' ? 'ip' : ip === 'sip' ? 'src ip' : 'dst ip'} ${r[ip]} and ${sides[side()][4]} ${c}`);
    q.set('fields', 'sip,dip,dport');
    return h('a', { class: 'small', href: '/top?' + q }, 'flows');
  };
  const max = Math.max(...a.rows.map((r) => r.percent), 1e-9);
  const columns = [
    {
      t: 'Address : port',
      f: (r) =>
        h(
          'span',
          {},
          address(r[ip], about(r)),
          ':' + r[port],
          listed(about(r)) && h('div', { class: 'small' }, listed(about(r))),
        ),
    },
    { t: 'Owner', c: 'h2 cut', f: (r) => owner(about(r)) },
    { t: values[value()][0], n: 1, f: (r) => values[value()][1](r.value) },
    { t: '%', n: 1, f: (r) => barcell(pct(r.percent), r.percent / max) },
    { t: 'Σ %', n: 1, c: 'ph', f: (r) => pct(r.cumulative) },
    { t: 'Flows', f: flows },
  ];
  const r = by[c];
  $('#side').replaceChildren(
    h(
      'div',
      { class: 'bar' },
      h(
        'nav',
        { class: 'crumb', 'aria-label': 'Where you are' },
        back(),
        h('h2', { id: 'sh', tabindex: '-1' }, country(c)),
      ),
      give(country(c).toLowerCase(), () =>
        a.rows.map((x) => ({ ...x, owner: about(x)?.owner || '', list: about(x)?.feed || '' })),
      ),
    ),
    h(
      'p',
      { class: 'dim' },
      `${values[value()][1](a.total)}${r && measure() !== 'hits' ? `, ${pct(r.p)} % of all` : ''}. `,
      r?.hits ? h('a', { href: `/hits?${question()}&q=${c}` }, `${num(r.hits)} flows that hit`) : 'No hits',
      `. The largest of ${bins(a)} addresses and ports:`,
    ),
    h(
      'div',
      { class: 'scroll', tabindex: '0', role: 'region', 'aria-labelledby': 'sh' },
      grid('Addresses and ports', columns, a.rows, { key: (x) => `${x[ip]} ${x[port]}`, memo: memo.addresses }),
    ),
    h('p', { class: 'small dim' }, facts(a)),
  );
  $('#cmd').replaceChildren(cmd(command(c)));
}

/** The command that gives the same as the table: of a country, or of all. */
function command(c) {
  const [field, ip, port] = sides[side()];
  if (measure() === 'hits' && !c) return hitsByCountry();
  const option = { src: '--scc', dst: '--dcc', both: '--any-cc' }[side()];
  const what = c ? `${option} ${arg(c)} --fields ${ip},${port}` : `--fields ${field}`;
  return `flowhound top ${what} --value ${value()} --count ${c ? 15 : 0} ${hours().flags}`;
}
/* ---- questions ---- */
/** calm: nobody asked, the time has come. */
async function load(calm) {
  const mine = ++turn;
  const slow = calm !== true && setTimeout(() => $('#map').classList.add('stale'), 300);
  try {
    const [a, hits] = await Promise.all([
      top({ fields: sides[side()][0], value: value(), count: 0 }, undefined, hours().question),
      get('hits?limit=5000&' + question()),
    ]);
    if (mine !== turn) return;
    trouble();
    answer = a;
    take(a, hits);
    paint();
    $('h1').textContent = {
      src: 'Where traffic comes from',
      dst: 'Where traffic goes to',
      both: 'Where traffic comes from and goes to',
    }[side()];
    $('#vh').textContent = `${values[value()][0]} over time`;
    $('#share').textContent = `Share of ${measure() === 'hits' ? 'hit flows' : measure()}`;
    if (!sel || !by[sel]) {
      redraw($('#side'), memo.countries, list);
      await volume();
    } else {
      if (!$('#side').children.length) {
        list(); // until the country's own table is there
        $('#side').classList.add('stale');
      }
      await Promise.all([volume(), open(sel, true)]);
    }
  } catch (e) {
    trouble(e);
    if (e.status && !(calm === true && e.status === 503)) $('#side').replaceChildren(noAnswer(e, command(sel)));
  } finally {
    clearTimeout(slow);
    $('#map').classList.remove('stale');
  }
}

function take(a, hits) {
  const field = sides[side()][0];
  const key = (cc) => (isCountry(cc) ? cc.toUpperCase() : cc);
  const found = {};
  for (const x of hits.hits) {
    const r = (found[key(x.cc || '--')] ??= { n: 0, sev: 'info' });
    r.n += x.count;
    if (SEV.indexOf(x.sev) < SEV.indexOf(r.sev)) r.sev = x.sev;
  }
  const all = a.rows.map((r) => ({ cc: key(r[field]), value: r.value }));
  for (const cc of Object.keys(found)) if (!all.some((r) => r.cc === cc)) all.push({ cc, value: 0 });
  for (const r of all) {
    r.hits = found[r.cc]?.n || 0;
    r.sev = r.hits ? found[r.cc].sev : '';
    if (measure() === 'hits') r.value = r.hits;
  }
  const sum = all.reduce((n, r) => n + r.value, 0) || 1;
  all.sort((x, y) => y.value - x.value || (x.cc < y.cc ? -1 : 1));
  let cum = 0;
  for (const r of all) {
    r.p = (100 * r.value) / sum;
    if (isCountry(r.cc)) r.cum = cum += r.p;
  }
  rows = all.filter((r) => isCountry(r.cc));
  rest = all.filter((r) => !isCountry(r.cc) && r.value);
  by = Object.fromEntries(rows.map((r) => [r.cc, r]));
}

async function volume() {
  const at = hours();
  const by = at.times[1] - at.times[0] >= 864e5 ? ['hour', 36e5] : step();
  const a = await top({ fields: by[0], value: value(), count: 0 }, undefined, at.question);
  const [t, ys] = series(a, [''], by, at.times);
  over = t.map((q, i) => [q, ys[0][i]]);
  area($('#vol'), t, ys, { height: 120, fmt: values[value()][1] });
  overTable.redraw();
}
const overTable = numbers('over-time', [['time', (t) => `${day(t)} ${clock(t)}`], ['value', (v) => values[value()][1](v), 1]], () => over);
$('#vol').after(overTable);

onkey.Escape = () => (sel ? shut() : false);
$('#legend').replaceChildren(
  h('span', { id: 'share' }),
  h(
    'ul',
    {},
    ['0', '.01', '.1', '1', '3', '10 %'].map((t, i) =>
      h(
        'li',
        { class: 'sw' },
        s(
          'svg',
          { viewBox: '0 0 10 2', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
          s('rect', { width: 10, height: 2, class: `q${i + 1}` }),
        ),
        t,
      ),
    ),
  ),
  h('span', {}, 'hatched: none'),
  h('span', { class: 'fields' }, 'Rings, by flows that hit:', sev('critical'), sev('high'), sev('medium')),
);
const choose = (key, byDefault) => (v) => {
  setParams({ [key]: v === byDefault ? '' : v });
  key === 'region' ? zoom(v) : load();
};
$('#tools').append(
  seg(
    'm',
    'Measure',
    [
      ['bytes', 'Bytes'],
      ['flows', 'Flows'],
      ['hits', 'Hits'],
    ],
    measure(),
    choose('m', 'bytes'),
  ),
  seg(
    's',
    'Side',
    [
      ['src', 'From'],
      ['dst', 'To'],
      ['both', 'Both'],
    ],
    side(),
    choose('side', 'src'),
  ),
  seg(
    'reg',
    'Region',
    [
      ['world', 'World'],
      ['europe', 'Europe'],
      ['americas', 'Americas'],
      ['asia', 'Asia'],
      ['africa', 'Africa'],
    ],
    params.get('region') || 'world',
    choose('region', 'world'),
  ),
  range(load),
);
$('#attribution').append('Borders: Natural Earth, de facto · ');
sel = params.get('cc');
await load();
follow({ again: () => load(true), every: 30_000 });
ready();
