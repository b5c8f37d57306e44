// Questions to the server, and its news.
import { $, h, icon } from './dom.js';
import { setClock, clock, now } from './format.js';

/** An answer that says no, in words for a person. */
export class Refused extends Error {
  constructor(text, status, mistake) {
    super(text);
    this.status = status;
    this.mistake = mistake;
  }
}

const toLogIn = () =>
  location.assign('/login?next=' + encodeURIComponent(location.pathname + location.search + location.hash));

/*
 * A click is lost when its element is drawn anew between press and release: answers wait until nothing is pressed.
 */
const held = new Set();
const waiting = [];
function release(what) {
  what == null ? held.clear() : held.delete(what);
  if (!held.size) setTimeout(() => waiting.splice(0).forEach((go) => go())); // after the click
}
addEventListener('pointerdown', (e) => e.button === 0 && held.add(e.pointerId), true);
for (const end of ['pointerup', 'pointercancel']) addEventListener(end, (e) => release(e.pointerId), true);
addEventListener('pointermove', (e) => e.buttons === 0 && held.has(e.pointerId) && release(e.pointerId), true);
addEventListener('keydown', (e) => e.key === ' ' && held.add(' '), true);
addEventListener('keyup', (e) => e.key === ' ' && release(' '), true);
addEventListener('blur', () => release());
const released = () => held.size && new Promise((go) => waiting.push(go));

async function ask(path, options) {
  let r;
  try {
    r = await fetch('/api/v1/' + path, options);
  } catch (e) {
    if (e.name === 'AbortError') throw e;
    await released();
    throw new Refused('flowhound does not answer.', 0);
  }
  setClock(r.headers.get('Date'));
  if (r.status === 401 && path !== 'session') {
    toLogIn();
    return new Promise(() => {}); // the page goes
  }
  if (r.status === 204) return null;
  const answer = await r.json().catch(() => ({ error: `the answer ${r.status} cannot be read` }));
  await released();
  options.signal?.throwIfAborted();
  if (!r.ok) throw new Refused(answer.error, r.status, answer.mistake);
  return answer;
}
export const get = (path, signal) => ask(path, { signal });
export const send = (method, path, body) =>
  ask(path, { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });

/** Shows that the server does not answer, and takes it back when it does. What is on the page stays. */
let since = 0;
export function trouble(error) {
  const old = $('#unreachable');
  if (!error || error.status) {
    since = 0;
    old?.remove();
    return;
  }
  since ||= now();
  const text = h(
    'div',
    {},
    h('b', {}, `No answer since ${clock(since)}. What you see is of then.`),
    h(
      'p',
      { class: 'dim' },
      'This page asks again by itself. Alerts do not depend on it: the log and the outputs go on if the agent runs.',
    ),
  );
  const e = h('div', { id: 'unreachable', class: 'note late', role: 'status' }, icon('bad'), text);
  old ? old.replaceWith(e) : $('main').prepend(e);
}

/**
 * News by server-sent events: on.hits(news), on.counts(counts). Where they do not come, on.counts is not called. A page
 * may be open for days: what is lost is said, and asked for again, where it was lost.
 */
export function listen(on, begin = '') {
  let source;
  let since = begin;
  const take = (what) => async (e) => {
    since = e.lastEventId || since;
    await released();
    what(JSON.parse(e.data));
  };
  const lost = async () => {
    // The browser itself tries again where there was no answer, and gives up where it is refused.
    if (source.readyState === EventSource.CLOSED) setTimeout(open, 10_000);
    await get('me').then(() => trouble(), trouble); // whose session is over is led to the log-in
  };
  const open = () => {
    source?.close();
    source = new EventSource('/api/v1/events' + (since !== '' ? '?since=' + since : ''));
    source.addEventListener('error', lost);
    source.addEventListener('open', () => trouble());
    source.addEventListener('hits', take((news) => {
      on.counts?.(news.counts);
      on.hits?.(news);
    }));
    source.addEventListener('alive', take((counts) => on.counts?.(counts)));
  };
  open();
  addEventListener('pagehide', () => source.close());
  addEventListener('pageshow', (e) => e.persisted && open()); // the way back to a page that the browser has kept
}
