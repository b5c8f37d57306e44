// Small parts that pages share: marks, commands, choices, tables that can be taken away.
import { $, $$, h, s, icon, clean, said, params, setParams } from './dom.js';

export const SEV = ['critical', 'high', 'medium', 'low', 'info'];
export const sev = (v, word = v) => h('span', { class: 'sev ' + v }, icon('s-' + v), word);
export const state = (st, word) => h('span', { class: 'st ' + st }, icon(st), word);
export const note = (st, ...k) =>
  h('div', { class: 'note ' + (st === 'off' ? '' : 'late') }, icon(st), h('div', {}, k));

let hush;
/** Says something for a moment, to the screen reader too. */
export function toast(text) {
  const e = $('.toast') || document.body.appendChild(h('div', { class: 'toast', role: 'status' }));
  e.textContent = clean(text, 300);
  clearTimeout(hush);
  hush = setTimeout(() => (e.textContent = ''), 2600);
}

export async function copy(text, what = 'Copied') {
  try {
    await navigator.clipboard.writeText(text);
    toast(what);
  } catch {
    toast('The browser does not let this page copy; select the text instead.'); // without TLS, but for localhost
  }
}

/** A command that can be copied; it never runs from here. */
export const cmd = (text, c = '') =>
  h(
    'span',
    { class: 'cmd ' + c },
    h('code', { tabindex: '0' }, clean(text)),
    h(
      'button',
      { class: 'btn', type: 'button', 'aria-label': 'Copy: ' + clean(text).slice(0, 60), onclick: () => copy(text) },
      icon('copy'),
    ),
  );

export const seg = (name, label, options, value, on) =>
  h(
    'fieldset',
    { class: 'seg' },
    h('legend', { class: 'vh' }, label),
    options.map(([v, t]) =>
      h('label', {}, h('input', { type: 'radio', name, value: v, checked: v === value, onchange: () => on(v) }), t),
    ),
  );

/** Buttons that give a table away: to the clipboard, as CSV, as JSON. rows: objects with the same keys. */
export function give(name, rows) {
  const b = (title, onclick) =>
    h('button', { class: 'btn sm', type: 'button', 'aria-label': `${title}: ${name.replaceAll('-', ' ')}`, onclick }, title);
  return h(
    'div',
    { class: 'fields' },
    b('Copy', () => copy(table(rows(), '\t'), 'Table copied')),
    b('CSV', () => save(name + '.csv', 'text/csv', table(rows(), ','))),
    b('JSON', () => save(name + '.json', 'application/json', JSON.stringify(rows(), null, 1))),
  );
}

/** What a spreadsheet would take for a formula gets a sign before it. */
const cell = (v) => (typeof v !== 'number' && /^[=+\-@]/.test(v) ? "'" + v : String(v));
const flat = (v) => (v == null ? '' : typeof v === 'object' ? JSON.stringify(v) : v);
export function table(rows, separator) {
  const keys = [...new Set(rows.flatMap(Object.keys))];
  const line = (r) =>
    r
      .map((v) => cell(typeof v === 'number' ? v : clean(flat(v), Infinity))) // what is pasted into a terminal holds no escape
      .map((v) => (separator === ',' ? '"' + v.replace(/"/g, '""') + '"' : v))
      .join(separator);
  return [line(keys), ...rows.map((r) => line(keys.map((k) => r[k])))].join('\n') + '\n';
}
function save(name, type, text) {
  const a = h('a', { download: 'flowhound-' + name, href: URL.createObjectURL(new Blob([text], { type })) });
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 6e4);
  toast('flowhound-' + name);
}

/**
 * A table. Columns: {t: title, f: row => node, v: row => what to sort by, n: it is a number, c: class, sort: 'descending'}.
 * Options: key, rowClass, under (a second row), foot, memo (an object that remembers the order when it is drawn again),
 * sort (the parameter of the address that holds the order, where it is not the default).
 */
export function grid(label, columns, rows, o = {}) {
  const memo = o.memo || {};
  const wish = o.sort && !memo.by && params.get(o.sort);
  if (wish && columns.some((c) => c.v && c.t === wish.replace(/^-/, ''))) {
    memo.by = wish.replace(/^-/, '');
    memo.way = wish[0] === '-' ? 'descending' : 'ascending';
  }
  let by = columns.findIndex((c) => (memo.by ? c.t === memo.by : c.sort));
  let way = by < 0 ? undefined : memo.way || columns[by].sort;
  const body = h('tbody');
  const cls = (c) => (c.c || '') + (c.n ? ' n' : '');
  const heads = columns.map((c, i) =>
    h(
      'th',
      { scope: 'col', class: cls(c), 'aria-sort': i === by && way },
      c.v ? h('button', { type: 'button', onclick: () => sort(i) }, c.t) : c.t,
    ),
  );
  const sort = (i) => {
    const first = columns[i].n ? 'descending' : 'ascending';
    way = by !== i ? first : way === 'descending' ? 'ascending' : 'descending';
    by = i;
    [memo.by, memo.way] = [columns[i].t, way];
    if (o.sort) setParams({ [o.sort]: columns[i].sort === way ? '' : (way === 'descending' ? '-' : '') + columns[i].t });
    heads.forEach((t, k) => (k === i ? t.setAttribute('aria-sort', way) : t.removeAttribute('aria-sort')));
    fill();
  };
  const compare = (a, b) => {
    const [x, y] = [columns[by].v(a), columns[by].v(b)];
    return (x < y ? -1 : x > y ? 1 : 0) * (way === 'descending' ? -1 : 1);
  };
  const row = (x, i) => {
    const tr = h(
      'tr',
      { class: o.rowClass?.(x), 'data-k': o.key?.(x) },
      columns.map((c) => h('td', { class: cls(c) }, c.f(x, i))),
    );
    const under = o.under?.(x);
    return under
      ? [tr, h('tr', { class: 'trouble2' }, h('td', { class: 'fixc', colspan: columns.length }, under))]
      : [tr];
  };
  const fill = () => {
    let list = way ? rows.toSorted(compare) : rows;
    if (memo.keep) {
      const place = new Map(memo.order.map((k, i) => [k, i]));
      const at = (r) => place.get(o.key(r)) ?? Infinity;
      list = list.toSorted((a, b) => (at(a) === at(b) ? 0 : at(a) - at(b)));
    }
    if (o.key) memo.order = list.map(o.key);
    body.replaceChildren(...list.flatMap(row));
    if (o.foot) body.append(o.foot());
  };
  fill();
  return h(
    'table',
    { class: 'grid ' + (o.c || '') },
    h('caption', { class: 'vh' }, label),
    h('thead', {}, h('tr', {}, heads)),
    body,
  );
}

/**
 * Draws again what is in a box. Nothing moves under the reader: the focus, what is scrolled, and while the pointer or
 * the focus is in the box the order of its rows stay.
 */
export function redraw(box, memo, draw) {
  const scrolled = () => [box, ...$$('.scroll', box)];
  const before = scrolled().map((e) => [e.scrollLeft, e.scrollTop]);
  const page = [scrollX, scrollY];
  const had = document.activeElement;
  const focused = whereabouts(box);
  memo.keep = !!memo.order && (box.matches(':hover') || !!focused);
  draw();
  memo.keep = false;
  scrolled().forEach((e, i) => before[i] && e.scrollTo(...before[i]));
  scrollTo(...page);
  if (!had.isConnected) focused?.()?.focus({ preventScroll: true });
}

/** How to find what has the focus in a box once that is drawn again; null where it is elsewhere. */
function whereabouts(box) {
  const e = document.activeElement;
  if (e === box || !box.contains(e)) return null;
  const key = e.closest('[data-k]')?.dataset.k;
  const all = () => {
    const root = key == null ? box : box.querySelector(`[data-k="${CSS.escape(key)}"]`);
    return root ? $$('a,button,input,summary,[tabindex]', root) : [];
  };
  const i = all().indexOf(e);
  return () => all()[i];
}

/**
 * A chart, a list or a sentence as a table, folded: to read, copy and take away. heads: [key, how to write a value, it
 * is a number, a title that is not made of the key]. rows: arrays in the order of heads.
 */
export function numbers(name, heads, rows, summary = 'The same as a table') {
  const table = () => rows().map((r) => Object.fromEntries(heads.map(([k], i) => [k, r[i]])));
  const label = name.replaceAll('-', ' ');
  const body = h('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': `${label}, scrolls` });
  const d = h(
    'details',
    { class: 'numbers', hidden: true },
    h('summary', { class: 'small' }, summary, h('span', { class: 'vh' }, ': ' + label)),
    give(name, table),
    body,
  );
  const plain = (v) => (typeof v === 'number' ? String(v) : said(v));
  const column = ([k, f, n, title], i) => ({
    t: title != null ? clean(title, 60) : k[0].toUpperCase() + k.slice(1).replace(/_s$/, '').replaceAll('_', ' '),
    n,
    f: (r) => (f ? f(r[i]) : plain(r[i])),
  });
  d.redraw = () => {
    const all = rows();
    d.hidden = !all.length;
    if (d.open) body.replaceChildren(grid(label, heads.map(column), all));
  };
  d.addEventListener('toggle', d.redraw);
  return d;
}

export const tip = {
  show(x, y, ...k) {
    const t = $('#tip') || document.body.appendChild(h('div', { id: 'tip', hidden: true }));
    t.replaceChildren(...k.flat());
    t.hidden = false;
    const b = t.getBoundingClientRect();
    const left = Math.max(4, Math.min(x + 16, innerWidth - b.width - 8));
    const top = Math.max(4, y + 16 + b.height > innerHeight ? y - b.height - 12 : y + 16);
    t.style.transform = `translate(${left}px,${top}px)`;
  },
  hide() {
    const t = $('#tip');
    if (t) t.hidden = true;
  },
};

export const barcell = (text, part, cls = '') =>
  h(
    'span',
    { class: 'barcell ' + cls },
    s(
      'svg',
      { preserveAspectRatio: 'none', viewBox: '0 0 100 1', 'aria-hidden': 'true' },
      s('rect', { width: Math.max(0.4, part * 100), height: 1 }),
    ),
    h('span', {}, text),
  );
