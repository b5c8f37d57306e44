// The story of one series: what to do, why, the evidence, who says so.
import { arg, h, s, icon, said, saying, clean } from './dom.js';
import { bytes, clock, count, num, now, span, when } from './format.js';
import { cmd, copy, numbers, sev } from './parts.js';
import { axis, chart } from './charts.js';
import { times } from './range.js';
import { port, steps, title, who, why } from './words.js';
import { has } from './frame.js';
import { country } from './flows.js';

const inward = (x) => x.dir === 'inbound' || x.dir === 'transit';

/** x is the answer to hits/SERIES; on.close and on.act(kind) are what its buttons do. */
export function story(x, on) {
  const strip = h('div', {});
  const button = (text, onclick, extra) => h('button', { class: 'btn', type: 'button', onclick, ...extra }, text);
  const talk = (a, text, c) =>
    has('talk') && h('a', { class: 'btn ' + c, href: '/talk?a=' + encodeURIComponent(a) }, text);
  const el = h(
    'article',
    { class: 'story', 'aria-labelledby': 'st' },
    h(
      'header',
      {},
      h('h2', { id: 'st', tabindex: '-1' }, title(x) + '.'),
      h('button', { class: 'btn bare', type: 'button', 'aria-label': 'Close (Esc)', onclick: on.close }, icon('x')),
    ),
    h('p', { class: 'dim' }, facts(x)),
    h(
      'div',
      { class: 'acts' },
      talk(x.local, `What else did ${who(x)} do?`, 'go'),
      talk(x.remote, `Who else talked to ${x.remote}?`, ''),
      button('Mute …', () => on.act('mute'), { 'data-act': 'mute' }),
      button('Allow …', () => on.act('allow'), { 'data-act': 'allow' }),
      button('Copy link', () => copy(location.href, 'Link copied')),
    ),
    h(
      'div',
      { class: 'cols' },
      h(
        'section',
        {},
        h('h3', {}, 'What to do next'),
        h(
          'ol',
          { class: 'steps' },
          steps(x).map(([a, b]) => h('li', {}, h('span', {}, a, b && h('small', {}, b)))),
        ),
      ),
      h('section', {}, h('h3', {}, 'Why ' + x.sev), h('p', {}, why(x, x.why)), reasons(x)),
      h(
        'section',
        { class: 'full' },
        h('h3', {}, 'Evidence'),
        h('p', {}, rhythm(x)),
        strip,
        lines(x),
      ),
      h(
        'section',
        {},
        h('h3', {}, 'Which lists say so'),
        h('ul', { class: 'lists' }, (x.hit.indicators || []).map(list)),
        folded(
          'lists-of-' + x.series,
          [['list'], ['indicator'], ['category'], ['score', num, 1], ['name'], ['tags'], ['seen', when], ['reference']],
          () => (x.hit.indicators || []).map((i) => [i.feed, i.ioc, i.cat, i.score, i.name || '', (i.tags || []).join(' '), i.last_seen || '', i.ref || '']),
        ),
      ),
      h(
        'section',
        { class: 'stack' },
        h('h3', {}, 'In OSSEC and Wazuh'),
        h(
          'p',
          {},
          'Rule ',
          h('b', {}, String(x.rule)),
          `, level ${x.level}, for the newest line; a rule that counts lines may stand in for it. Series `,
          h('b', {}, x.series),
          `, ${count(x.lines, 'line')}: all carry this id.`,
        ),
        cmd(x.text, 'raw wide'),
        h('p', { class: 'small dim' }, 'All its lines in the log:'),
        cmd(`flowhound hits --series ${arg(x.series)} --since 30d`),
      ),
    ),
  );
  requestAnimationFrame(() => draw(strip, x));
  return el;
}

function facts(x) {
  const [src, dst] = [x.hit.src_host, x.hit.dst_host].map((n) => (n ? [' (', saying(n, 255), ')'] : ''));
  const owner = inward(x) ? x.hit.src_owner : x.hit.dst_owner;
  const as = inward(x) ? x.hit.sas : x.hit.das;
  const place = [x.cc && x.cc !== '--' ? country(x.cc) : 'country unknown', (as || owner) && [as ? `AS${as} ` : '', owner ? saying(owner, 120) : '']].filter(Boolean);
  return [
    sev(x.sev),
    ' · ',
    x.src,
    src,
    ' → ',
    x.dst,
    dst,
    `${port(x)} ${x.proto} · ${count(x.count, 'flow')}, ${bytes(x.bytes)} · `,
    place.flatMap((p, i) => (i ? [', ', p] : [p])),
    ' · since ',
    when(x.first),
  ];
}

/** The part of the severity table that is about this category; this hit's cell is outlined. */
function reasons(x) {
  const served =
    inward(x) && x.state === 'established' && x.hit.sev === x.why.in_served && x.why.in_served !== x.why.in_answered;
  const t = [
    ['opened from inside', x.why.out_answered, x.why.out_unanswered],
    ['came from outside', served ? x.why.in_served : x.why.in_answered, x.why.in_unanswered],
  ];
  const [row, column] = [inward(x) ? 1 : 0, x.state === 'established' ? 0 : 1];
  const cell = (v, is) =>
    h('td', { class: v + (is ? ' is' : '') }, sev(v), is && h('span', { class: 'vh' }, ' (this hit)'));
  const head = ['answered', 'no answer'].map((n) => h('th', { scope: 'col' }, n));
  const rows = t.map(([n, ...v], i) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, n),
      v.map((w, j) => cell(w, i === row && j === column)),
    ),
  );
  return h(
    'table',
    { class: 'why' },
    h('caption', { class: 'vh' }, 'Severity of this category by direction and answer'),
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, h('span', { class: 'vh' }, 'Way')), head)),
    h('tbody', {}, rows),
  );
}

function rhythm(x) {
  if (x.period_s) {
    const g = x.hit.regular || {};
    const like = g.score >= 0.8 ? 'Like a clock' : 'Regularly';
    return [
      h(
        'b',
        {},
        `${like}: every ${span(x.period_s * 1000)}, ± ${span((x.deviation_s || 0) * 1000)}, ${count(g.contacts || 0, 'time')}.`,
      ),
      ' Machines talk like this, people do not. Update services do, too.',
    ];
  }
  const held = x.hit.regular?.held_s;
  return [
    `${count(x.count, 'flow')} between `,
    when(x.first),
    ' and ',
    when(x.last),
    ', without a steady rhythm.',
    held ? ` The connection is held open for ${span(held * 1000)} by now.` : '',
  ];
}

const ends = (p) => [+new Date(p.first), +new Date(p.last)];

/** Each line of the series is a bar over the time that it tells of: when within it a flow was, no line says. */
function draw(el, x) {
  let [from, to] = times();
  if (ends(x.spans[0] || x)[0] > to || ends(x)[1] < from)
    [from, to] = [+new Date(x.first) - 6e4, Math.max(now(), +new Date(x.last))];
  const [first, end] = ends(x);
  if (end - first < (to - from) / 30) { // else it would be a hair at the edge
    const around = Math.max(9e4, (end - first) / 4);
    [from, to] = [first - around, end + around];
  }
  chart(el, 92, (w) => {
    const X = (t) => Math.max(0, Math.min(w, ((t - from) / (to - from)) * w));
    const out = [s('line', { class: 'gl', x1: 0, x2: w, y1: 72, y2: 72 })];
    for (const p of x.spans) {
      const [a, b] = ends(p);
      if (b < from || a > to) continue;
      const tall = Math.min(36, 12 + 8 * Math.log10(1 + p.count));
      out.push(
        s('rect', {
          class: 'f-' + p.sev,
          x: X(a).toFixed(1),
          y: 72 - tall,
          width: Math.max(3, X(b) - X(a)),
          height: tall,
        }),
      );
    }
    const marks = [
      [+new Date(x.first), 'first flow'],
      [+new Date(x.last), `line ${x.id.split('-').pop()}: ${x.kind}`],
    ];
    marks.forEach(([t, text], i) => {
      if (t < from || t > to) return;
      const end = X(t) > w * 0.7;
      out.push(
        s('line', { class: 'x', x1: X(t), x2: X(t), y1: 20, y2: 72 }),
        s(
          'text',
          { x: X(t) + (end ? -4 : 4), y: i ? 30 : 14, 'text-anchor': end ? 'end' : 'start' },
          `${clock(t)} ${text}`,
        ),
      );
    });
    return [...out, axis(w, 92, from, to, 0)];
  });
}

/** A folded table of what the story has beside it. */
function folded(...all) {
  const d = numbers(...all);
  d.redraw();
  return d;
}
const lines = (x) =>
  folded(
    'lines-of-' + x.series,
    [
      ['kind'],
      ['severity', (v) => sev(v)],
      ['from', when],
      ['to', when],
      ['flows', num, 1],
      ['bytes', bytes, 1],
    ],
    () => x.spans.map((p) => [p.kind, p.sev, p.first, p.last, p.count, p.bytes]),
  );

/** A link of a feed is one only when it is to the web. */
function link(ref) {
  if (!URL.canParse(ref || '') || !/^https?:$/.test(new URL(ref).protocol)) return '';
  return [
    ' · ',
    h(
      'a',
      { href: ref, rel: 'noreferrer noopener external', target: '_blank' },
      clean(new URL(ref).host),
      ' ',
      icon('ext'),
    ),
  ];
}
const list = (i) =>
  h(
    'li',
    {},
    h('span', {}, h('b', {}, said(i.feed)), ` names ${i.ioc} as ${i.cat}`),
    h('span', { class: 'dim' }, `score ${i.score}`),
    h(
      'span',
      { class: 'dim' },
      saying(i.name || '', 300),
      i.last_seen ? [' · seen ', when(i.last_seen)] : '',
      (i.tags || []).slice(0, 5).map((t) => [' ', h('span', { class: 'tag' }, said(t))]),
      link(i.ref),
    ),
  );
