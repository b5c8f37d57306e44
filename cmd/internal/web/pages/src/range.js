// The range of time, the same on every page: all choices in sight, one press each, and in the address.
import { h, $, $$, arg, icon, params, setParams } from './dom.js';
import { now } from './format.js';
import { seg, toast } from './parts.js';

const HOUR = 36e5;
const LENGTHS = { '1h': HOUR, '24h': 24 * HOUR, '7d': 168 * HOUR, '30d': 720 * HOUR };
const choices = [
  ['1h', '1 h'],
  ['24h', '24 h'],
  ['7d', '7 d'],
  ['30d', '30 d'],
];

export const last = () => (params.has('from') ? '' : params.get('last') || '24h');
/** The range as parameters of a question. */
export function question() {
  const q = new URLSearchParams();
  for (const k of ['from', 'to']) if (params.has(k)) q.set(k, params.get(k));
  if (!q.size) q.set('last', last());
  return q;
}
/** The range as times. */
export function times() {
  const to = Date.parse(params.get('to')) || now();
  const length = LENGTHS[last()] || (parseInt(last(), 10) || 24) * (last().endsWith('d') ? 24 : 1) * HOUR;
  return [Date.parse(params.get('from')) || to - length, to];
}
const DAY = 24 * HOUR;
/** The range in whole hours where it is a day or longer: sums of hours answer it at once, however many flows there were. */
export function wholeHours() {
  const [from, to] = times();
  if (!last() || to - from < DAY - HOUR) return { question: question(), times: [from, to], flags: flags() };
  const whole = [Math.floor(from / HOUR) * HOUR, Math.ceil(to / HOUR) * HOUR];
  const q = new URLSearchParams({ from: iso(whole[0]), to: iso(whole[1]) });
  return { question: q, times: whole, flags: `--start ${iso(whole[0])} --end ${iso(whole[1])}` };
}
/** The range in the words of the command line. */
export const flags = () =>
  params.has('from')
    ? `--start ${arg(params.get('from'))}` + (params.has('to') ? ` --end ${arg(params.get('to'))}` : '')
    : `--last ${arg(last())}`;

/**
 * The range for flowhound hits, which knows --since alone: its option, and conditions for jq where the range is not up
 * to now.
 */
export function hitsRange() {
  if (last()) return { since: '--since ' + arg(last()), rest: [] };
  const [from, to] = times();
  const rest = [`.last >= ${JSON.stringify(iso(from))}`];
  if (params.has('to')) rest.push(`.first < ${JSON.stringify(iso(to))}`);
  return { since: `--since ${Math.max(1, Math.ceil((now() - from) / HOUR))}h`, rest };
}

const iso = (t) => new Date(Math.round(t / 6e4) * 6e4).toISOString().replace('.000', '');
const local = (t) => {
  const d = new Date(t);
  return new Date(t - d.getTimezoneOffset() * 6e4).toISOString().slice(0, 16).replace('T', ' ');
};

/** Reads 2026-11-28 02:30, 02:30, yesterday, -6h, now; NaN for all else. */
export function parse(text) {
  text = text.trim().toLowerCase();
  const ahead = /^-(\d{1,4})([mhd])$/.exec(text);
  if (text === 'now' || text === '') return now();
  if (ahead) return now() - ahead[1] * { m: 6e4, h: HOUR, d: 24 * HOUR }[ahead[2]];
  const today = new Date(now());
  today.setHours(0, 0, 0, 0);
  if (text === 'today') return +today;
  if (text === 'yesterday') return today.setDate(today.getDate() - 1);
  const hm = /^(\d{1,2}):(\d\d)$/.exec(text);
  if (hm) return today.setHours(hm[1], hm[2]);
  return /^\d{4}-\d\d-\d\d([ t]\d\d:\d\d)?$/.test(text)
    ? Date.parse(text.length > 10 ? text.replace(' ', 'T') : text + 'T00:00')
    : NaN;
}

export function range(on) {
  const set = (all) => {
    setParams({ from: '', to: '', last: '', ...all });
    $$('input[name=range]').forEach((i) => (i.checked = i.value === last()));
    dispatchEvent(new Event('range'));
    on();
  };
  const move = (way) => {
    const [from, to] = times();
    const length = to - from;
    if (way > 0 && to + length / 2 > now()) {
      if (!params.has('to')) return toast('This is now');
      const l = Object.keys(LENGTHS).find((k) => Math.abs(LENGTHS[k] - length) < 12e4);
      if (l) return set({ last: l === '24h' ? '' : l });
    }
    const end = Math.min(to + way * length, now());
    set({ from: iso(end - length), to: iso(end) });
  };
  const button = (label, key, id, way) =>
    h(
      'button',
      { class: 'btn bare', type: 'button', 'aria-label': label, 'data-key': key, onclick: () => move(way) },
      icon(id),
    );
  return h(
    'div',
    { class: 'range' },
    button('Earlier (shift ←)', 'earlier', 'prev', -1),
    seg('range', 'Time range', choices, last(), (v) => set({ last: v === '24h' ? '' : v })),
    button('Later (shift →)', 'later', 'next', 1),
    h('button', { class: 'btn', type: 'button', popovertarget: 'custom', onclick: fill }, 'From – to'),
    custom(set),
  );
}

function fill() {
  const [from, to] = times();
  $('#custom [name=from]').value = local(from);
  $('#custom [name=to]').value = params.has('to') ? local(to) : 'now';
}

function custom(set) {
  const submit = (e) => {
    e.preventDefault();
    const [from, to] = [parse(e.target.from.value), parse(e.target.to.value)];
    const wrong = Number.isNaN(from) ? 'From' : Number.isNaN(to) ? 'To' : from >= to ? 'The end' : '';
    $('#when').textContent = wrong === 'The end' ? 'The range ends before it begins.' : wrong && `${wrong} is not a time.`;
    if (wrong) return;
    $('#custom').hidePopover();
    set({ from: iso(from), to: iso(to) });
  };
  return h(
    'form',
    { id: 'custom', popover: 'auto', class: 'menu stack', 'aria-label': 'From and to', onsubmit: submit },
    h('label', {}, 'From ', h('input', { name: 'from', size: 17, autocomplete: 'off' })),
    h('label', {}, 'To ', h('input', { name: 'to', size: 17, autocomplete: 'off' })),
    h('p', { class: 'small dim' }, 'Also: now, -6h, yesterday, 02:30, 2026-11-20'),
    h('p', { id: 'when', class: 'small', role: 'status' }),
    h('button', { class: 'btn go', type: 'submit' }, 'Show'),
  );
}
