// The frame of every page: who is logged in, numbers of trouble in the bar, live, keys, theme.
import { $, $$, h, clean, params } from './dom.js';
import { now, zone } from './format.js';
import { get, listen, send } from './net.js';
import { toast } from './parts.js';

const go = { o: 'index', h: 'hits', m: 'map', a: 'talk', t: 'top', e: 'exporters', f: 'feeds', u: 'outputs' };
/** Where a page is: with the range of time that one looks at, if it has one. */
const ranged = ['index', 'hits', 'map', 'top', 'talk'];
function href(page) {
  const q = new URLSearchParams([...params].filter(([k]) => ['last', 'from', 'to'].includes(k)));
  return (page === 'index' ? '/' : '/' + page) + (q.size && ranged.includes(page) ? '?' + q : '');
}
function links() {
  $$('a[data-p]').forEach((a) => a.setAttribute('href', href(a.dataset.p)));
}
const keymap = [
  ['g o', 'Overview'],
  ['g h', 'Hits'],
  ['g m', 'Map', 'map'],
  ['g a', 'Talk: an address', 'talk'],
  ['g t', 'Top', 'top'],
  ['g e  g f  g u', 'Exporters, feeds, outputs'],
  ['/', 'Jump to an address or hit'],
  ['f', 'Filter of this page'],
  ['j  k', 'Next, previous row'],
  ['Enter', 'Open or close it'],
  ['Esc', 'Close; back to the list'],
  ['m', 'Mute this …'],
  ['w', 'Allow this …'],
  ['y', 'Copy its alert line'],
  ['.', 'Show what is new'],
  ['p', 'Pause or resume live'],
  ['1 2 3 4', 'Range 1 h, 24 h, 7 d, 30 d'],
  ['⇧← ⇧→', 'Earlier, later'],
  ['d', 'Dense or roomy rows'],
  ['?', 'These keys'],
];
/** What the page itself does with a key. */
export const onkey = {};
/** Who is logged in, and where. */
export const me = await get('me').catch(() => ({ name: '', role: 'viewer', pages: ['index'], version: '', host: '' }));
export const has = (page) => me.pages.includes(page);

export function setPref(k, v) {
  const root = document.documentElement;
  if (v) root.dataset[k] = v;
  else delete root.dataset[k];
  try {
    v ? localStorage.setItem(k, v) : localStorage.removeItem(k);
  } catch {
    toast('The browser keeps nothing for this page.');
  }
}

function openKeys() {
  const line = ([k, t]) =>
    h(
      'div',
      {},
      h('span', {}, t),
      h(
        'span',
        { class: 'nb' },
        k.split('  ').map((q) => h('kbd', {}, q)),
      ),
    );
  const single = h('input', {
    type: 'checkbox',
    checked: document.documentElement.dataset.keys !== 'off',
    onchange: (e) => setPref('keys', e.target.checked ? '' : 'off'),
  });
  const form = h(
    'form',
    { method: 'dialog', class: 'end' },
    h('label', { class: 'check' }, single, 'Single keys work'),
    h('button', { class: 'btn', autofocus: true }, 'Close'),
  );
  const shown = keymap.filter((k) => !k[2] || has(k[2]));
  const d =
    $('#keys') ||
    document.body.appendChild(
      h(
        'dialog',
        { id: 'keys', 'aria-labelledby': 'kh' },
        h('h2', { id: 'kh' }, 'Keys'),
        h('div', { class: 'keys' }, shown.map(line)),
        form,
      ),
    );
  d.showModal();
}

let afterG = 0;
function press(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || $('dialog[open]')) return;
  if (e.target.matches('input:not([type=radio]):not([type=checkbox]),textarea,select')) {
    if (e.key === 'Escape') e.target.blur();
    return;
  }
  const k = e.key;
  if (document.documentElement.dataset.keys === 'off' && k !== 'Escape' && k !== '?') return;
  if (Date.now() - afterG < 900 && go[k] && has(go[k])) {
    afterG = 0;
    location.assign(href(go[k]));
    return;
  }
  if (k === 'g') {
    afterG = Date.now();
    return;
  }
  if (e.shiftKey && k.startsWith('Arrow')) return $(`[data-key=${k === 'ArrowLeft' ? 'earlier' : 'later'}]`)?.click();
  const own = {
    '/': () => $('.jump input').focus(),
    '?': openKeys,
    f: () => $('[data-filter]')?.focus(),
    p: () => $('.live')?.click(),
    d: () => setPref('density', document.documentElement.dataset.density ? '' : 'roomy'),
  };
  ['1h', '24h', '7d', '30d'].forEach((r, i) => (own[i + 1] = () => $(`input[name=range][value="${r}"]`)?.click()));
  const act = onkey[k] || own[k];
  if (act && act(e) !== false) e.preventDefault();
}

/** Numbers of trouble beside the names of pages. */
function showCounts(c) {
  const words = {
    now: ['hits', 'need you', ''],
    exporters: ['exporters', 'silent', ' n-warn'],
    feeds: ['feeds', 'in trouble', ' n-warn'],
    outputs: ['outputs', 'in trouble', ' n-warn'],
  };
  for (const [k, [page, word, cls]] of Object.entries(words)) {
    const a = $(`.nav a[data-p=${page}]`);
    $('.n-bad', a)?.remove();
    if (c[k] > 0) a.append(h('span', { class: 'n-bad' + cls }, String(c[k]), h('span', { class: 'vh' }, ' ' + word)));
  }
}

export const live = { on: true };
/** What is over does not change: a range with an end is not asked for again. */
const over = () => params.has('to');
/** Whoever marks text, or has a menu or a dialogue open, keeps what is there. */
const reading = () => {
  const marked = getSelection();
  return (
    !!$('dialog[open],:popover-open') ||
    (!!marked && !marked.isCollapsed && $('main').contains(marked.anchorNode))
  );
};
/**
 * Calls again() each `every` milliseconds while live, seen and up to now, and hits(news) for what is new. begin: what
 * the page knows already. A slow answer is asked for less often: it takes a twentieth of the time at most.
 */
export function follow({ again, every = 5000, hits, begin }) {
  const button = $('.live');
  const dot = () => {
    const [word, label] = over() ? ['Past', 'The range is over: nothing is refreshed'] : live.on ? ['Live', 'Live'] : ['Paused', 'Live'];
    button.setAttribute('aria-pressed', live.on && !over());
    button.setAttribute('aria-label', label);
    $('span', button).textContent = word;
  };
  button.hidden = false;
  dot();
  addEventListener('range', dot);
  button.addEventListener('click', () => {
    if (over()) return toast('The range is over. Choose 1 h, 24 h, 7 d or 30 d to follow what comes.');
    live.on = !live.on;
    dot();
    return live.on && again?.();
  });
  listen({ counts: showCounts, hits: (news) => hits?.(news) }, begin);
  if (!again) return;
  let last = performance.now();
  const due = () => live.on && !document.hidden && !over() && !reading();
  const next = async () => {
    let took = 0;
    if (due()) {
      const begun = performance.now();
      await again();
      last = performance.now();
      took = last - begun;
    }
    setTimeout(next, Math.max(every, 20 * took));
  };
  setTimeout(next, every);
  document.addEventListener('visibilitychange', () => due() && performance.now() - last > every && again());
}

async function logOut() {
  await send('DELETE', 'session', {}).catch(() => {});
  location.assign('/login');
}

/** An address, a network, a word, or the id of a hit. */
function jump(e) {
  e.preventDefault();
  const text = e.target.a.value.trim();
  if (!text) return;
  if (/^[0-9a-z]{13}(-\d+)?$/.test(text)) location.assign('/hits#' + text.split('-')[0]);
  else if (has('talk') && /^[0-9a-f:.]+$/i.test(text)) location.assign('/talk?a=' + encodeURIComponent(text));
  else location.assign('/hits?last=30d&q=' + encodeURIComponent(text));
}

/** Puts the frame to work; call it once, when the page has its first content. */
export function ready() {
  document.documentElement.dataset.ready = '1';
}
$$('[data-p]').forEach((a) => {
  if (!has(a.dataset.p)) (a.closest('li') || a).remove();
});
links();
addEventListener('range', links);
$$('.menu .seg input[name=theme]').forEach((i) => {
  i.checked = (document.documentElement.dataset.theme || '') === i.value;
  i.addEventListener('change', () => setPref('theme', i.value));
});
$('#keysbtn').addEventListener('click', () => {
  $('#me').hidePopover();
  openKeys();
});
if (me.logs_in) {
  const out = $('#logout');
  out.hidden = false;
  out.textContent = 'Log out ' + clean(me.name, 40);
  out.addEventListener('click', logOut);
}
$('.jump').addEventListener('submit', jump);
if (me.countries?.text)
  $('#attribution').append(
    'Countries: ',
    h('a', { href: me.countries.url, rel: 'noreferrer external' }, clean(me.countries.text, 80)),
    `, ${me.countries.date}${me.countries.before ? `; ${clean(me.countries.before, 80)} comes first` : ''} · `,
  );
$('#about').textContent = `Times: ${zone} · flowhound ${clean(me.version, 40)} on ${clean(me.host, 80)}`;
const stamp = () => ($('.top').dataset.print = `${location.href} · printed ${new Date(now()).toISOString().slice(0, 16)}Z`);
stamp();
addEventListener('beforeprint', stamp); // the address changes with range, filter and story
addEventListener('keydown', press);
