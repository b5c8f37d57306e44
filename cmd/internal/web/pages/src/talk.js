// Talk: one address. When, with whom, how much, how regularly, who lists it.
import { $, arg, h, said, saying, clean, icon, params, setParams } from './dom.js';
import { bytes, clock, count, day, num, span, when } from './format.js';
import { cmd, give, grid, note, numbers, redraw, sev, state } from './parts.js';
import { bars, mirror } from './charts.js';
import { flags, question, range } from './range.js';
import { get, trouble } from './net.js';
import { follow, has, ready } from './frame.js';
import { address, country, limits, listed, noAnswer, owner, series, step, top } from './flows.js';
import { title, who, word } from './words.js';

/* What people paste has a port, or brackets; links from elsewhere may call the parameter by its name. */
const A = (params.get('a') || params.get('address') || '')
  .trim()
  .replace(/^\[(.*)\](?::\d+)?$/, '$1')
  .replace(/^(\d+(?:\.\d+){3}):\d+$/, '$1');
let pairs = []; // the answer's, with what is known of the peer
let volume = []; // [time, sent, received]
let gaps; // of the pair that is chosen
const memo = {};

/** A link of a feed is one only when it is to the web. */
const link = (ref) =>
  URL.canParse(ref || '') &&
  /^https?:$/.test(new URL(ref).protocol) && [
    ' · ',
    h(
      'a',
      { href: ref, rel: 'noreferrer noopener external', target: '_blank' },
      clean(new URL(ref).host),
      ' ',
      icon('ext'),
    ),
  ];

function facts(x) {
  const first = x.hits.map((s) => +new Date(s.first)).sort((a, b) => a - b)[0];
  const facts = [
    x.own ? 'One of your addresses' : 'Somebody else’s address',
    x.about.host && saying(x.about.host, 255),
    x.about.cc && (x.about.cc === '--' ? 'country unknown' : country(x.about.cc)),
    owner(x.about, (t) => saying(t, 120)),
    x.lists.length ? `on ${count(x.lists.length, 'list')}` : 'on no list',
    first && ['first hit ', when(first)],
  ].filter((f) => f && f.length !== 0);
  $('#id').replaceChildren(
    h('h1', {}, x.address),
    h(
      'p',
      {},
      facts.flatMap((f, i) => (i ? [' · ', f] : [f])),
    ),
  );
  document.title = x.address + ' · flowhound';
}

/** The addresses at the other end of its hits, the worst first, each with the hit that names it. */
const others = (x) => [...new Map(x.hits.toReversed().map((s) => [x.own ? s.remote : s.local, s]))].reverse();

function verdict(x) {
  const worst = x.hits[0];
  const more = x.hits.length - 1;
  if (!worst)
    return $('#verdict').replaceChildren(
      note(
        'off',
        h('b', {}, 'No hits in 30 days.'),
        ' ',
        x.lists.length ? 'It is listed, and nothing of yours talked to it.' : '',
      ),
    );
  const ends = others(x);
  const [end] = ends[0];
  const rhythm = worst.period_s ? `Every ${span(worst.period_s * 1000)} since ` : 'Since ';
  const link = (a, i) => [i ? ', ' : '', h('a', { href: '/talk?a=' + encodeURIComponent(a) }, a)];
  const rest = ends.slice(1, 4).map(([a], i) => link(a, i));
  const beyond = ends.length - 4;
  const what = x.own ? ['other listed address', 'other listed addresses'] : ['other host of yours', 'other hosts of yours'];
  $('#verdict').replaceChildren(
    h(
      'div',
      { class: 'note ' + (worst.sev === 'critical' ? 'bad' : 'late') },
      icon('s-' + worst.sev),
      h(
        'div',
        {},
        h('b', {}, title(worst) + '.'),
        h(
          'p',
          { class: 'dim' },
          [rhythm, when(worst.first), ', last ', when(worst.last), '. '],
          rest.length ? [`${word(ends.length - 1)} ${ends.length === 2 ? what[0] : what[1]}: `, rest, beyond > 0 ? ` and ${num(beyond)} more` : '', '. '] : '',
          more > ends.length - 1 ? `${count(more, 'more series', 'more series')} in 30 days.` : '',
        ),
        h(
          'div',
          { class: 'acts' },
          h('a', { class: 'btn go', href: '/hits?last=30d#' + worst.series }, 'The hit’s story'),
          h('a', { class: 'btn', href: '/talk?a=' + encodeURIComponent(end) }, x.own ? `Who else talked to ${end}?` : `What else did ${who(worst)} do?`),
          h('a', { class: 'btn', href: '/hits?last=30d&q=' + encodeURIComponent(x.address) }, 'All its hits'),
        ),
      ),
    ),
  );
}

/* Each list also stands in a table that can be taken away. They are made once, so that an open one stays open. */
let known; // the answer about the address
const listTable = numbers(
  'lists',
  [['list'], ['indicator'], ['category'], ['score', num, 1], ['name'], ['seen', when], ['reference']],
  () => {
    const all = (known?.lists ?? []).map((i) => [i.feed, i.ioc, i.cat, i.score, i.name || '', i.last_seen || '', i.ref || '']);
    return all.length > 1 ? [...all, ['together', known.address, known.about.cat || '', known.about.score, '', '', '']] : all;
  },
);
const hitTable = numbers(
  'hits',
  [['series'], ['severity', (v) => sev(v)], ['what'], ['local'], ['remote'], ['category'], ['list'], ['flows', num, 1], ['bytes', bytes, 1], ['first', when], ['last', when]],
  () => (known?.hits ?? []).map((s) => [s.series, s.sev, title(s), s.local, s.remote, s.cat, s.feed, s.count, s.bytes, s.first, s.last]),
);
const exportTable = numbers(
  'exports',
  [['format'], ['where'], ['holds_it'], ['why_not'], ['up_to_date', when], ['problem']],
  () => (known?.exports ?? []).map((e) => [e.format, e.zone || e.path, e.held ? 'yes' : 'no', e.why || '', e.up_to_date || '', e.problem || '']),
);
const peerTable = numbers(
  'listed-peers',
  [['peer'], ['list'], ['category'], ['score', num, 1], ['flows', num, 1]],
  () => listedPeers().map((p) => [p.peer, p.about.feed, p.about.cat, p.about.score, p.flows]),
);

function lists(x) {
  known = x;
  const one = (i) =>
    h(
      'li',
      {},
      h('span', {}, h('b', {}, said(i.feed)), ` names ${i.ioc} as ${i.cat}`),
      h('span', { class: 'dim' }, `score ${i.score}`),
      h('span', { class: 'dim' }, saying(i.name || '', 300), i.last_seen ? [' · seen ', when(i.last_seen)] : '', link(i.ref)),
    );
  if (x.lists.length || !x.own || !has('talk'))
    $('#lists').replaceChildren(
      x.lists.length ? h('ul', { class: 'lists' }, x.lists.map(one)) : h('p', { class: 'dim' }, 'None.'),
      x.lists.length > 1 ? h('p', { class: 'dim' }, h('b', {}, `Together ${x.about.score} of 100.`)) : '',
    );
  const hit = (s) =>
    h(
      'li',
      {},
      h('span', {}, sev(s.sev), ' ', h('a', { href: '/hits?last=30d#' + s.series }, title(s))),
      h('span', { class: 'dim' }, when(s.last)),
    );
  $('#hits').replaceChildren(
    x.hits.length
      ? h('ul', { class: 'lists' }, x.hits.slice(0, 12).map(hit))
      : h('p', { class: 'dim' }, 'None in 30 days.'),
  );
  [listTable, hitTable, exportTable].forEach((t) => t.redraw());
}

const listedPeers = () => [...new Map(pairs.filter((p) => p.about?.feed).map((p) => [p.peer, p])).values()].sort((a, b) => b.about.score - a.about.score);

/** Of an own address it matters which of its peers are listed: the address itself hardly ever is. */
function peersListed(x) {
  if (!x.own || x.lists.length) return;
  const all = listedPeers();
  $('#a4').textContent = 'Which of its peers are listed';
  const one = (p) =>
    h('li', {}, h('span', {}, address(p.peer, p.about)), h('span', { class: 'dim' }, `score ${p.about.score}`), h('span', { class: 'dim' }, listed(p.about)));
  $('#lists').replaceChildren(all.length ? h('ul', { class: 'lists' }, all.slice(0, 12).map(one)) : h('p', { class: 'dim' }, 'None in this range.'));
  peerTable.redraw();
}

/** Which files and zones of ours hold it, and why the others do not. */
function holders(x) {
  const word = (e) => {
    if (!e.held) return state('off', clean(e.why, 60));
    if (e.problem) return state('bad', 'not written');
    return e.up_to_date ? state('ok', ['holds it, ', when(e.up_to_date)]) : state('late', 'with its next version');
  };
  const one = (e) =>
    h(
      'li',
      {},
      h('span', {}, h('b', {}, clean(e.format, 20)), ' ', h('span', { class: 'dim' }, saying(e.zone || e.path, 120))),
      word(e),
      e.problem && h('span', { class: 'dim' }, saying(e.problem, 300)),
    );
  let back = 'No allow list and no mute holds it back.';
  if (x.allowed) back = ['An allow list holds it back: ', saying(x.allowed, 200), '.'];
  else if (x.mutes) back = ['Muted: ', saying(x.mutes.join('; '), 300), '.'];
  $('#exports').replaceChildren(
    x.exports.length
      ? h('ul', { class: 'lists' }, x.exports.map(one))
      : h('p', { class: 'dim' }, 'No exports are configured.'),
    h('p', { class: 'small dim' }, x.own ? 'Addresses of your own are in no export. ' : '', back),
  );
}

const dim = (text) => h('span', { class: 'dim' }, text);
const keyOf = (p) => `${p.peer} ${p.proto} ${p.port}`;
const rhythm = (p) => (p.rhythm?.score ? `every ${span(p.rhythm.period_s * 1000)}, ± ${span(p.rhythm.deviation_s * 1000)}` : 'none');

function table(x) {
  const choose = (p) => {
    const b = h('button', { class: 'lnk', type: 'button', 'aria-label': `Gaps of ${p.peer}: ${rhythm(p)}` }, rhythm(p));
    b.addEventListener('click', () => {
      setParams({ gap: keyOf(p) });
      regularity();
      $('#a3').focus();
    });
    return p.rhythm?.score ? h('b', {}, b) : b;
  };
  const lists = pairs.some((p) => p.about?.feed);
  const columns = [
    { t: 'Peer', v: (p) => p.peer, f: (p) => [address(p.peer, p.about), ' ', p.about?.owner && h('span', { class: 'dim ph' }, said(p.about.owner))] },
    ...(lists ? [{ t: 'List', f: (p) => listed(p.about) || dim('–') }] : []),
    { t: 'Port', n: 1, v: (p) => p.port, f: (p) => [p.port < 0 ? '' : `${p.port} `, dim(p.proto)] },
    { t: x.own ? 'Sent' : 'From it', n: 1, c: 'h1', v: (p) => p.sent, f: (p) => (p.sent ? bytes(p.sent) : dim('nothing')) },
    { t: x.own ? 'Received' : 'To it', n: 1, c: 'h1', v: (p) => p.received, f: (p) => (p.received ? bytes(p.received) : dim('nothing')) },
    { t: 'Flows', n: 1, c: 'ph', v: (p) => p.flows, f: (p) => num(p.flows) },
    { t: 'Rhythm', v: (p) => p.rhythm?.score || 0, f: (p) => (p.gaps ? choose(p) : dim(p.rhythm?.held_s ? 'held open ' + span(p.rhythm.held_s * 1000) : '–')) },
    { t: 'Last', n: 1, c: 'h1', v: (p) => p.last, f: (p) => when(p.last) },
  ];
  return grid('Peers', columns, pairs, { key: keyOf, memo, sort: 'sort' });
}

const seconds = (v) => (v >= 120 ? span(v * 1000) : `${v < 10 ? Math.round(v * 10) / 10 : Math.round(v)}\u00a0s`);

/** How regularly: the pair that was chosen, else the most regular, else the one with the most gaps. */
function regularity() {
  const some = pairs.filter((p) => p.gaps);
  const sum = (p) => p.gaps.counts.reduce((n, v) => n + v, 0);
  const best = some.toSorted((a, b) => (b.rhythm?.score || 0) - (a.rhythm?.score || 0) || sum(b) - sum(a))[0];
  const p = some.find((q) => keyOf(q) === params.get('gap')) || best;
  $('#regular').hidden = !p;
  gaps = p?.gaps;
  if (!p) return;
  const r = p.rhythm;
  const port = p.port < 0 ? '' : `, port ${p.port}`;
  $('#rhythm').replaceChildren(
    h('span', {}, `With ${p.peer}${port}: `),
    r?.score ? h('b', {}, `${r.score >= 0.8 ? 'like a clock, ' : ''}${r.words.replace('+-', '±')}. `) : h('b', {}, `no steady rhythm in ${count(sum(p) + (gaps.outside || 0), 'gap')}. `),
    dim(r?.score ? 'Machines talk like this, people do not. Update services do, too; with a listed peer it is a beacon.' : r?.held_s ? `One connection was held open for ${span(r.held_s * 1000)}.` : 'People and busy servers talk like this.'),
    gaps.outside ? dim(` ${count(gaps.outside, 'gap')} shorter or longer than shown.`) : '',
  );
  bars($('#gaps'), gaps.edges_s, gaps.counts, { fmt: seconds });
  gapTable.redraw();
}

/** Whom the address talked to, pair by pair, and both directions over time. */
async function talk(x) {
  const [name] = step();
  const over = (side) => top({ expression: `${side} ip ${x.address}`, fields: name, value: 'bytes', count: 0 });
  const [a, out, back] = await Promise.all([get(`addresses/${x.address}/talk?${question()}`), over('src'), over('dst')]);
  pairs = a.pairs.map((p) => ({ ...p, about: a.about[p.peer] }));
  $('#limits').replaceChildren(...limits(a));
  const shown = pairs.length < a.total ? `The ${num(pairs.length)} largest of ${count(a.total, 'pair')}` : count(a.total, 'pair');
  $('#facts').textContent = `${shown}; ${a.beyond ? count(a.beyond, 'flow') + ' more are of pairs that are not told apart; ' : ''}answered in ${(a.took_ms / 1000).toFixed(2)} s at ${clock(Date.now())}.`;
  redraw($('#peers'), memo, () =>
    $('#peers').replaceChildren(pairs.length ? table(x) : h('p', { class: 'blank' }, 'No flows of it are kept in this range.')),
  );
  const [t, [up]] = series(out);
  const [, [down]] = series(back);
  volume = t.map((at, i) => [at, up[i], down[i]]);
  $('#much').hidden = !pairs.length;
  if (pairs.length) mirror($('#vol'), t, up, down);
  volumeTable.redraw();
  peersListed(x);
  regularity();
}

const offered = { local: [], remote: [] };
const offerTables = Object.fromEntries(
  Object.keys(offered).map((key) => [
    key,
    numbers(key === 'local' ? 'your-hosts-in-hits' : 'listed-addresses', [['address'], ['severity', (v) => sev(v)], ['what'], ['last', when]], () => offered[key]),
  ]),
);

/** Without an address: those of the worst and newest hits, to begin with. */
async function offer() {
  let a;
  try {
    a = await get('hits?limit=200&' + question());
    trouble();
  } catch (e) {
    return trouble(e);
  }
  const column = (head, key, empty) => {
    const all = [...new Map(a.hits.toReversed().map((x) => [x[key], x])).values()].reverse().slice(0, 10);
    const one = (x) =>
      h(
        'li',
        {},
        h('span', {}, sev(x.sev), ' ', h('a', { href: '/talk?a=' + encodeURIComponent(x[key]), 'data-k': x[key] }, x[key])),
        h('span', { class: 'dim' }, when(x.last)),
        h('span', { class: 'dim' }, title(x)),
      );
    offered[key] = all.map((x) => [x[key], x.sev, title(x), x.last]);
    offerTables[key].redraw();
    return h('section', {}, h('h2', {}, head), all.length ? h('ul', { class: 'lists' }, all.map(one)) : h('p', { class: 'dim' }, empty), offerTables[key]);
  };
  $('#id').replaceChildren(
    h('h1', {}, 'Which address?'),
    h('p', {}, 'Type an address into the box above, or take one of the worst hits of this range.'),
  );
  return redraw($('#verdict'), {}, () =>
    $('#verdict').replaceChildren(
      h(
        'div',
        { class: 'two sect' },
        column('Your hosts in hits', 'local', 'No host of yours is in a hit of this range.'),
        column('Listed addresses they talked to', 'remote', 'None in this range.'),
      ),
      h('p', { class: 'sect' }, 'Those with the most traffic: ', h('a', { href: '/top?fields=ip' }, 'addresses in Top'), '.'),
    ),
  );
}

async function load(calm) {
  if (!A) return offer();
  const slow = calm !== true && setTimeout(() => $('#body').classList.add('stale'), 300);
  try {
    const x = await get('addresses/' + encodeURIComponent(A));
    trouble();
    redraw($('main'), {}, () => [facts, verdict, lists, holders].forEach((draw) => draw(x)));
    $('#a1').textContent = x.own ? 'Whom it talks to' : 'Who talks to it';
    $('#a2').textContent = x.own ? 'How much: sent above, received below' : 'How much: from it above, to it below';
    $('#body').hidden = false;
    if (has('talk')) await talk(x);
    const [name] = step();
    $('#cmd').replaceChildren(
      ...[`hunt ${x.address} ${flags()}`, `top 'ip ${x.address}' --fields ${name} --count 0 ${flags()}`, `lookup ${x.address}`, `hits --since 30d --address ${x.address}`].flatMap((c) => [cmd('flowhound ' + c), ' ']),
    );
  } catch (e) {
    trouble(e);
    if (e.status === 400) {
      $('#verdict').replaceChildren(
        note('late', saying(e.message, 300), '. ', h('a', { href: '/hits?last=30d&q=' + encodeURIComponent(A) }, 'Look for it in hits'), ', or type an address into the box above.'),
      );
    } else if (e.status && !(calm === true && e.status === 503)) $('#limits').replaceChildren(noAnswer(e, `flowhound hunt ${arg(A)} ${flags()}`));
    if (!$('#id').children.length) $('#id').append(h('h1', {}, clean(A, 120)));
  } finally {
    clearTimeout(slow);
    $('#body').classList.remove('stale');
  }
}

const at = (t) => `${day(t)} ${clock(t)}`;
const volumeTable = numbers('volume', [['time', at], ['sent', bytes, 1], ['received', bytes, 1]], () => volume);
const gapTable = numbers('gaps', [['from_s', seconds, 1], ['to_s', seconds, 1], ['count', num, 1]], () =>
  (gaps?.counts ?? []).map((n, i) => [gaps.edges_s[i], gaps.edges_s[i + 1], n]),
);
$('#lists').after(listTable, peerTable);
$('#hits').after(hitTable);
$('#exports').after(exportTable);
$('#much').append(volumeTable);
$('#regular').append(gapTable);
$('#tools').append(range(load));
$('#give').append(
  give('peers', () =>
    pairs.map(({ about, gaps: _, rhythm: r, ...p }) => ({ ...p, owner: about?.owner || '', list: about?.feed || '', rhythm: r?.words || '' })),
  ),
);
$('#cmd').append(cmd(A ? 'flowhound lookup ' + arg(A) : `flowhound hits --since ${arg(question().get('last') || '24h')}`));
$('#give').hidden = !A;
await load();
follow({ again: () => load(true), every: 30_000 });
ready();
