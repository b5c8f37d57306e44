// Talk: one address. When, with whom, how much, how regularly, who lists it.
import { $, h, said, clean, icon, params } from './dom.js';
import { bytes, count, num, span, when } from './format.js';
import { cmd, give, grid, note, sev } from './parts.js';
import { mirror } from './charts.js';
import { question, range } from './range.js';
import { get, trouble } from './net.js';
import { follow, has, ready } from './frame.js';
import { address, facts, limits, listed, owner, series, step, top } from './flows.js';
import { title } from './words.js';

const A = (params.get('a') || '').trim();
let peers = [];

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

function who(x) {
  const facts = [
    x.own ? 'One of your addresses' : 'Somebody else’s address',
    x.about.host && said(x.about.host),
    x.about.cc,
    owner(x.about),
  ].filter((f) => f && f.length !== 0);
  facts.push(x.lists.length ? `on ${count(x.lists.length, 'list')}` : 'on no list');
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
          more > 0 ? `${count(more, 'more series', 'more series')} in 30 days. ` : '',
          'Last ',
          when(worst.last),
          '.',
        ),
        h(
          'div',
          { class: 'acts' },
          h('a', { class: 'btn go', href: '/hits?last=30d#' + worst.series }, 'The hit’s story'),
          h('a', { class: 'btn', href: '/hits?last=30d&q=' + encodeURIComponent(x.address) }, 'All its hits'),
        ),
      ),
    ),
  );
}

function lists(x) {
  const one = (i) =>
    h(
      'li',
      {},
      h('span', {}, h('b', {}, said(i.feed)), ` names ${i.ioc} as ${i.cat}`),
      h('span', { class: 'dim' }, `score ${i.score}`),
      h('span', { class: 'dim' }, said(i.name || ''), i.last_seen ? [' · seen ', when(i.last_seen)] : '', link(i.ref)),
    );
  $('#lists').replaceChildren(
    x.lists.length ? h('ul', { class: 'lists' }, x.lists.map(one)) : h('p', { class: 'dim' }, 'None.'),
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
}

/** Both directions of each peer: what the address sent to it, and what it had from it. */
async function talk(x) {
  const [name] = step();
  const ask = (expression, fields, value) => top({ expression, fields, value, count: fields.includes(name) ? 0 : 200 });
  const [out, back, flows, tOut, tBack] = await Promise.all([
    ask(`src ip ${x.address}`, 'dip', 'bytes'),
    ask(`dst ip ${x.address}`, 'sip', 'bytes'),
    ask(`ip ${x.address}`, 'ip', 'flows'),
    ask(`src ip ${x.address}`, name, 'bytes'),
    ask(`dst ip ${x.address}`, name, 'bytes'),
  ]);
  const all = {};
  const put = (a, field, key) =>
    a.rows.forEach(
      (r) =>
        r[field] !== x.address &&
        ((all[r[field]] ??= { peer: r[field], sent: 0, received: 0, flows: 0, about: a.about[r[field]] })[key] =
          r.value),
    );
  put(out, 'dip', 'sent');
  put(back, 'sip', 'received');
  put(flows, 'ip', 'flows');
  peers = Object.values(all).sort(
    (a, b) => !!b.about?.feed - !!a.about?.feed || b.sent + b.received - a.sent - a.received,
  );
  $('#limits').replaceChildren(...limits(out));
  $('#facts').textContent = facts(out, 'peers');
  const rhythm = new Map(x.hits.filter((s) => s.period_s).map((s) => [s.local === x.address ? s.remote : s.local, s]));
  const columns = [
    { t: 'Peer', f: (r) => [address(r.peer, r.about), ' ', h('span', { class: 'dim ph' }, owner(r.about))] },
    { t: 'List', f: (r) => listed(r.about) || h('span', { class: 'dim' }, '–') },
    {
      t: 'Sent to it',
      n: 1,
      v: (r) => r.sent,
      f: (r) => (r.sent ? bytes(r.sent) : h('span', { class: 'dim' }, 'nothing')),
    },
    {
      t: 'Had from it',
      n: 1,
      v: (r) => r.received,
      f: (r) => (r.received ? bytes(r.received) : h('span', { class: 'dim' }, 'nothing')),
    },
    { t: 'Flows', n: 1, v: (r) => r.flows, f: (r) => num(r.flows) },
    {
      t: 'Rhythm',
      c: 'h1',
      f: (r) =>
        rhythm.has(r.peer)
          ? h('b', {}, `every ${span(rhythm.get(r.peer).period_s * 1000)}`)
          : h('span', { class: 'dim' }, '–'),
    },
  ];
  $('#peers').replaceChildren(
    peers.length ? grid('Peers', columns, peers) : h('p', { class: 'blank' }, 'No flows of it are kept in this range.'),
  );
  const [t, [up]] = series(tOut);
  const [, [down]] = series(tBack);
  $('#vol').replaceChildren();
  if (peers.length) mirror($('#vol'), t, up, down);
}

async function load() {
  if (!A) {
    $('#id').replaceChildren(
      h('h1', {}, 'Talk'),
      h('p', {}, 'Type an address into the box above, or press ', h('kbd', {}, '/'), '.'),
    );
    return;
  }
  try {
    const x = await get('addresses/' + encodeURIComponent(A));
    trouble();
    who(x);
    verdict(x);
    lists(x);
    $('#body').hidden = false;
    if (has('top')) await talk(x);
  } catch (e) {
    trouble(e);
    if (e.status) $('#verdict').replaceChildren(note('late', e.message));
    if (!$('#id').children.length) $('#id').append(h('h1', {}, clean(A)));
  }
}

$('#tools').append(range(load));
$('#give').append(
  give('peers', () => peers.map(({ about, ...r }) => ({ ...r, owner: about?.owner || '', list: about?.feed || '' }))),
);
$('#cmd').append(
  cmd(A ? 'flowhound lookup ' + A : 'flowhound lookup ADDRESS'),
  ' ',
  A ? cmd(`flowhound top --any-ip ${A} --fields ip --last ${question().get('last') || '24h'}`) : '',
);
await load();
follow({});
ready();
