// Charts: SVG, drawn to the width at hand, coloured by the style sheet. Each has a table beside it.
import { s } from './dom.js';
import { bytes, clock, day } from './format.js';

const watched = new WeakMap(); // what draws a chart anew when its element gets another width

/** Draws in units of a 14 px page: one unit grows with the reader's font size. */
export function chart(el, height, draw) {
  watched.get(el)?.disconnect();
  let last = 0;
  const go = () => {
    const k = parseFloat(getComputedStyle(document.documentElement).fontSize) / 14;
    const w = Math.round(el.clientWidth / k);
    if (!w || w === last) return;
    last = w;
    const size = { width: el.clientWidth, height: height * k, viewBox: `0 0 ${w} ${height}` };
    el.replaceChildren(s('svg', { class: 'chart', ...size, 'aria-hidden': 'true' }, draw(w, height)));
  };
  const observer = new ResizeObserver(go);
  watched.set(el, observer);
  observer.observe(el);
  go();
}

const HOUR = 36e5;
/** Times along the foot: hours of a day, days of a month, minutes of an hour. */
export function axis(w, height, from, to, left = 52) {
  const most = Math.max(2, Math.min(12, Math.floor((w - left) / 90)));
  const steps = [1 / 12, 1 / 6, 1 / 4, 1 / 2, 1, 2, 3, 4, 6, 12, 24, 48, 72, 168];
  const step = (steps.find((x) => (to - from) / HOUR / x <= most) || 336) * HOUR;
  const zero = new Date(from);
  zero.setHours(0, 0, 0, 0); // local midnight, so that steps fall on round hours
  const out = [];
  for (let t = +zero; t <= to; t += step) {
    if (t < from) continue;
    const x = left + ((t - from) / (to - from)) * (w - left);
    if (x > w - 14) break;
    out.push(
      s(
        'text',
        { x, y: height - 3, 'text-anchor': x < left + 18 ? 'start' : 'middle' },
        step >= 24 * HOUR ? day(t) : clock(t),
      ),
    );
  }
  return out;
}

/** The next round number. */
function nice(max) {
  if (!(max > 0)) return 1;
  const p = 10 ** Math.floor(Math.log10(max));
  return [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map((k) => k * p).find((x) => x >= max) ?? 10 * p;
}

const LEFT = 58;
const scale = (w, y, text) => [
  s('line', { class: 'gl', x1: LEFT, x2: w, y1: y, y2: y }),
  s('text', { x: LEFT - 6, y: y + 4, 'text-anchor': 'end' }, text),
];

/** Areas, or numbered lines, over the times t. */
export function area(el, t, ys, { fmt = bytes, height = 150, lines = false } = {}) {
  chart(el, height, (w) => {
    const foot = height - 20;
    const max = nice(Math.max(0, ...ys.flat()));
    const x = (i) => LEFT + (i / Math.max(1, t.length - 1)) * (w - LEFT - (lines ? 18 : 1));
    const y = (v) => foot - (v / max) * (foot - 8);
    const steps = ys.flat().some((v) => v > 0) ? [1, 0.5, 0] : [0]; // of nothing there is no scale
    const out = steps.flatMap((g) => scale(w, y(g * max), g ? fmt(g * max) : '0'));
    ys.forEach((v, j) => {
      const d = 'M' + v.map((q, i) => x(i).toFixed(1) + ' ' + y(q).toFixed(1)).join('L');
      if (!lines)
        out.push(s('path', { class: j ? 'ar2' : 'ar', d: `${d}L${x(v.length - 1)} ${foot}L${x(0)} ${foot}z` }));
      out.push(s('path', { class: lines ? `ln l${j + 1}` : j ? 'ln2' : 'ln', d }));
    });
    if (lines)
      out.push(
        ...numbers(
          ys.map((v) => y(v.at(-1) ?? 0)),
          w,
        ),
      );
    return [...out, axis(w, height, t[0], t.at(-1), LEFT)];
  });
}

/** The number of each line at its end, none over another. */
function numbers(ends, w) {
  let free = Infinity;
  return ends
    .map((y, j) => [j, y])
    .sort((a, b) => b[1] - a[1])
    .map(([j, y]) => {
      free = Math.min(y + 4, free - 13);
      return s('text', { x: w - 9, y: free }, String(j + 1));
    });
}

/** Bars above and below a middle line. */
export function mirror(el, t, up, down, { fmt = bytes, height = 150 } = {}) {
  chart(el, height, (w) => {
    const mid = (height - 20) / 2;
    const max = nice(Math.max(0, ...up, ...down));
    const bar = (w - LEFT) / t.length;
    const out = [1, 0, -1].flatMap((g) => scale(w, mid - g * (mid - 8), g ? fmt(max) : '0'));
    [up, down].forEach((v, j) =>
      v.forEach((q, i) => {
        const size = { x: LEFT + i * bar + 0.5, width: Math.max(1, bar - 1), height: (q / max) * (mid - 8) };
        if (q) out.push(s('rect', { class: j ? 'ar2 b' : 'ar b', y: j ? mid + 1 : mid - size.height, ...size }));
      }),
    );
    return [...out, axis(w, height, t[0], t.at(-1), LEFT)];
  });
}

/** How often each value was: bars between edges, of which some are named below. */
export function bars(el, edges, counts, { fmt = String, height = 120 } = {}) {
  chart(el, height, (w) => {
    const foot = height - 20;
    const max = nice(Math.max(...counts));
    const bar = (w - LEFT) / counts.length;
    const every = Math.ceil(counts.length / Math.max(2, Math.floor((w - LEFT) / 80)));
    return [
      [1, 0].flatMap((g) => scale(w, foot - g * (foot - 8), g ? String(max) : '0')),
      counts.map((n, i) => {
        const tall = (n / max) * (foot - 8);
        return n > 0 && s('rect', { class: 'ar b', x: LEFT + i * bar + 1, y: foot - tall, width: Math.max(1, bar - 2), height: tall });
      }),
      edges.map(
        (v, i) =>
          i % every === 0 &&
          i < counts.length &&
          s('text', { x: LEFT + i * bar, y: height - 3, 'text-anchor': i ? 'middle' : 'start' }, fmt(v)),
      ),
    ];
  });
}

/** A line without an axis; null is where nothing is known. */
export function spark(ys) {
  const max = Math.max(...ys.map((v) => v ?? 0), 1e-9);
  let d = '';
  let pen = 'M';
  ys.forEach((v, i) => {
    if (v == null) return (pen = 'M');
    d += `${pen}${i} ${(15 - (14 * v) / max).toFixed(1)}`;
    pen = 'L';
  });
  return s(
    'svg',
    { class: 'spark', viewBox: `0 0 ${ys.length} 16`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    s('path', { d: d || 'M0 15' }),
  );
}

/** Counts of equal pieces of the range: regular talk is seen as a comb. */
export function ticks(counts = []) {
  const max = Math.max(...counts, 1);
  const bars = counts.map((v, i) => {
    const tall = 3 + (11 * v) / max;
    return v > 0 && s('rect', { class: 'hot', x: i + 0.15, width: 0.7, y: 15 - tall, height: tall });
  });
  return s(
    'svg',
    { class: 'spark', viewBox: `0 0 ${counts.length || 1} 16`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    s('rect', { x: 0, y: 15, width: counts.length || 1, height: 1 }),
    bars,
  );
}
