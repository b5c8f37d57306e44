// Numbers and times for people.
import { h } from './dom.js';

let skew = 0;
/** Takes over the server's clock: ages must not depend on the reader's. */
export function setClock(date) {
  const t = Date.parse(date);
  if (t) skew = t - Date.now();
}
export const now = () => Date.now() + skew;

export const num = (v) => Math.round(v).toLocaleString('en').replace(/,/g, '\u202f');
export function bytes(v) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let i = 0;
  for (; v >= 1000 && i < 5; i++) v /= 1000;
  return (i && v < 100 ? v.toFixed(1) : Math.round(v)) + '\u00a0' + units[i];
}
export const pct = (v) => (v >= 0.05 || !v ? v.toFixed(1) : '<\u2009.1');
/** One thing or several: count(1, 'flow') is '1 flow'. */
export const count = (n, one, many = one + 's') => `${num(n)}\u00a0${n === 1 ? one : many}`;

const time = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const date = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const weekday = new Intl.DateTimeFormat('en-GB', { weekday: 'short' });
export const clock = (t) => time.format(t);
export const day = (t) => date.format(t);
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

export function span(ms) {
  const min = Math.abs(ms) / 6e4;
  if (min < 1) return Math.round(min * 60) + '\u00a0s';
  if (min < 60) return Math.round(min) + '\u00a0min';
  if (min < 60 * 36) return Math.round(min / 60) + '\u00a0h';
  return Math.round(min / 1440) + '\u00a0d';
}
export const ago = (t) => (now() - t < 2e3 ? 'now' : span(now() - t) + ' ago');

/** A time in few letters; its whole value is in the title. */
export function when(t) {
  t = +new Date(t);
  if (!(t > 0)) return '–';
  const iso = new Date(t).toISOString();
  let text = clock(t);
  if (day(t) !== day(now())) text = (Math.abs(now() - t) < 5.5 * 864e5 ? weekday.format(t) : day(t)) + ' ' + text;
  if (Math.abs(now() - t) > 300 * 864e5) text = new Date(t).getFullYear() + ' ' + text;
  return h('time', { datetime: iso, title: iso }, text);
}
/** The days go on while a page is open: what was said as of today is of yesterday then. */
setInterval(() => {
  for (const e of document.querySelectorAll('time[datetime]')) {
    const text = when(e.dateTime).textContent;
    if (text !== e.textContent) e.textContent = text;
  }
}, 6e4);
