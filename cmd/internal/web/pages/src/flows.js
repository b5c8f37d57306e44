// What Map, Top and Talk share: questions to the flows that are kept, and their answers.
import { arg, h, icon, said, saying, clean } from './dom.js';
import { bytes, clock, count, num, when } from './format.js';
import { cmd, note } from './parts.js';
import { me } from './frame.js';
import { get } from './net.js';
import { hitsRange, question, times } from './range.js';

const names = new Intl.DisplayNames('en', { type: 'region', fallback: 'none' });
const special = { '--': 'unknown', private: 'private and your own', multicast: 'multicast' };
/** The name of a country's code. */
export const country = (cc) => special[cc] || (cc === 'AP' && 'Asia-Pacific') || (/^[A-Z]{2}$/.test(cc) && names.of(cc)) || cc;
export const isCountry = (cc) => !special[cc];

/** Asks for the largest groups. all: fields, value, count, expression. */
export function top(all, signal, range = question()) {
  const q = new URLSearchParams(range);
  for (const [k, v] of Object.entries(all)) if (v !== '' && v != null) q.set(k, v);
  return get('top?' + q, signal);
}

/** An expression and others, all of which must hold. */
export const both = (...all) =>
  all
    .filter(Boolean)
    .map((x, _, a) => (a.length > 1 ? `(${x})` : x))
    .join(' and ');

const conditions = {
  sip: 'src ip',
  dip: 'dst ip',
  ip: 'ip',
  sport: 'src port',
  dport: 'dst port',
  port: 'port',
  proto: 'proto',
  service: 'service',
  scc: 'src country',
  dcc: 'dst country',
  cc: 'country',
  sas: 'src as',
  das: 'dst as',
  as: 'as',
  exporter: 'exporter',
};
/** The expression for the flows of a row, '' where there is none. */
export const expressionOf = (row, fields) =>
  fields.every((f) => conditions[f] && row[f] != null)
    ? fields.map((f) => `${conditions[f]} ${row[f]}`).join(' and ')
    : '';

export const values = {
  bytes: ['Bytes', bytes],
  packets: ['Packets', num],
  flows: ['Flows', num],
  sips: ['Different sources', num],
  dips: ['Different destinations', num],
};

/** The time steps of a range that give about a hundred points, and their names in questions. */
const steps = [
  ['minute', 6e4],
  ['5min', 3e5],
  ['hour', 36e5],
  ['day', 864e5],
];
export function step() {
  const [from, to] = times();
  return steps.find(([, ms]) => (to - from) / ms <= 300) || steps[3];
}
/** Rows by time as [times, values for each key], with 0 where nothing was. */
export function series(answer, keys = [''], [name, ms] = step(), [from, to] = times()) {
  const first = Math.floor(from / ms) * ms;
  const n = Math.max(2, Math.ceil((to - first) / ms));
  const t = Array.from({ length: n }, (_, i) => first + i * ms);
  const ys = keys.map(() => Array(n).fill(0));
  const rest = answer.fields.filter((f) => f !== name);
  for (const r of answer.rows) {
    const k = keys.indexOf(rest.map((f) => r[f]).join(' '));
    const i = Math.round((Date.parse(r[name]) - first) / ms);
    if (k >= 0 && i >= 0 && i < n) ys[k][i] += r.value;
  }
  return [t, ys];
}

/** The worst that a score and category are worth at first sight: for marks only. */
export const listed = (about) =>
  about?.feed && h('span', { class: 'tag', title: `score ${about.score} of 100` }, about.cat, ' · ', said(about.feed));
export const owner = (about, say = said) =>
  about?.owner ? [about.as ? `AS${about.as} ` : '', say(about.owner)] : about?.as ? `AS${about.as}` : '';
export const address = (a, about) => [
  h('a', { href: '/talk?a=' + encodeURIComponent(a) }, a),
  about?.host ? h('span', { class: 'dim' }, ' ', said(about.host)) : '',
];

/** What an empty list says. Where no router has sent flows, that nothing was found is no answer. */
export function nothing(text) {
  const p = h('p', { class: 'lead' }, text);
  get('exporters').then(
    (a) => a.exporters.length || p.replaceChildren('No router has sent flows since flowhound started. ', h('a', { href: '/' }, 'What to do'), '.'),
    () => {},
  );
  return p;
}

/** What limits an answer: files that are left out, a history that begins later. */
export function limits(a) {
  const out = [];
  const began = Date.parse(a.first || '');
  if (began && began - Date.parse(a.from) > 36e5)
    out.push(
      note('late', h('b', {}, 'The flows that are kept begin ', when(began), '.'), ' Numbers are of the time since.'),
    );
  if (a.damaged?.length)
    out.push(
      note(
        'late',
        h('b', {}, `${count(a.damaged.length, 'file')} left out: damaged.`),
        ' ',
        h('code', {}, 'flowhound history verify'),
        ' says more: ',
        said(a.damaged.slice(0, 5).join(', ')),
      ),
    );
  return out;
}

/** Why there is no answer, what works all the same, and what to do. command asks the same without a limit. */
export function noAnswer(e, command) {
  if (e.status === 409)
    return h(
      'div',
      { class: 'note' },
      icon('off'),
      h(
        'div',
        {},
        h('b', {}, 'History is off, so there is nothing to draw.'),
        h('p', { class: 'dim' }, 'Hits, exporters, feeds and outputs work without it; Map, Top and Talk need it.'),
        h('pre', { class: 'snip', tabindex: '0' }, 'history:\n  enabled: true\n  keep: 30d\n  max_size: 40GB'),
        h('p', { class: 'dim' }, `Write this into ${clean(me.config, 120) || 'the configuration'}. How long you may keep flows is a matter of law in many places.`),
      ),
    );
  return note('late', h('b', {}, saying(e.message)), command && h('p', {}, cmd(command)));
}

/** Says why a question was not answered, with the place of a mistake. fix(text) takes a suggestion over. */
export function refused(e, fix) {
  const m = e.mistake;
  if (!m) return saying(e.message, 400);
  const letters = [...m.text]; // at counts them
  const [before, rest] = [letters.slice(0, m.at).join(''), letters.slice(m.at).join('')];
  const word = /^\S+/.exec(rest)?.[0] || '';
  return h(
    'div',
    { class: 'refused' },
    h('pre', { class: 'mono', tabindex: '0', 'aria-label': 'The place of the mistake' }, clean(m.text) + '\n' + ' '.repeat(m.at) + '^'.repeat(Math.max(1, word.length))),
    h(
      'span',
      {},
      saying(e.message[0].toUpperCase() + e.message.slice(1), 400),
      ' ',
      m.suggestion &&
        word &&
        h(
          'button',
          {
            class: 'btn sm',
            type: 'button',
            onclick: () => fix(before + m.suggestion + rest.slice(word.length)),
          },
          'Use ',
          m.suggestion,
        ),
    ),
  );
}

/** The command that counts flows that hit by country, as the map does. */
export function hitsByCountry() {
  const { since, rest } = hitsRange();
  const some = rest.length ? `map(select(${rest.join(' and ')})) | ` : '';
  return `flowhound hits ${since} --json | jq -sc ${arg(`${some}group_by(.cc) | map({cc: .[0].cc, flows: (map(.count) | add)}) | sort_by(-.flows)[]`)}`;
}

/** How many groups there are: of very many an estimate. */
export const bins = (a) => (a.bins_estimated ? 'about ' : '') + num(a.bins);
/** How an answer came about, in small print. */
export const facts = (a, what = 'bins') =>
  `${count(a.records, 'flow')} fit, in ${bins(a)} ${what}; answered in ${(a.took_ms / 1000).toFixed(2)} s at ${clock(Date.now())}. Sampling is applied.`;
