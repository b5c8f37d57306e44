// Elements, and what stands in the address. No innerHTML, no style attributes: the policy allows neither.
export const $ = (q, r = document) => r.querySelector(q);
export const $$ = (q, r = document) => [...r.querySelectorAll(q)];

function put(e, attributes, children) {
  for (const [k, v] of Object.entries(attributes || {})) {
    if (v === false || v == null) continue;
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v === true ? '' : v);
  }
  e.append(...children.flat(4).filter((x) => x != null && x !== false));
  return e;
}

/** An element of HTML: strings among its children are text, whatever they hold. */
export const h = (name, attributes, ...children) => put(document.createElement(name), attributes, children);
/** An element of SVG. */
export const s = (name, attributes, ...children) =>
  put(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
export const icon = (id, c = '') =>
  s('svg', { class: 'i ' + c, viewBox: '0 0 16 16', 'aria-hidden': 'true' }, s('use', { href: `/icons.svg#${id}` }));

/**
 * Text of a feed or a flow: as it is, on its own whatever its direction of writing, without what cannot be seen. It is
 * cut to the room there is; the title has all of it.
 */
export const said = (text) => {
  const t = clean(text);
  return h('bdi', { title: t.length > 9 && t }, t);
};
/** The same for a sentence, which is never cut at the edge, but after `most` characters. */
export const saying = (text, most = 2000) => h('bdi', { class: 'says' }, clean(text, most));
/* What has no width, turns the line around or is no character, and marks piled up higher than three on one letter. */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]+/gu;
const piled = /(\p{M}{3})\p{M}+/gu;
export const clean = (text, most = 2000) => {
  const t = String(text ?? '')
    .slice(0, 9 * most) // the rest is cut off in any case, but for a text of hardly anything that is seen
    .replace(unseen, '\ufffd')
    .replace(piled, '$1');
  return t.length > most ? t.slice(0, most - 1).replace(/\p{Cs}$/u, '') + '…' : t;
};

/** One argument of a command line: what a link or a flow says must not become a command of its own. */
export const arg = (v) => (/^[\w.:,/@%+=][\w.:,/@%+=-]*$/.test(v) ? v : `'${clean(v).replaceAll("'", `'\\''`)}'`);

export const params = new URLSearchParams(location.search);
/** Sets parameters of the address. What is empty or the default does not stand in it, so that links stay short. */
export function setParams(all) {
  for (const [k, v] of Object.entries(all)) v === '' || v == null ? params.delete(k) : params.set(k, v);
  const q = params.toString();
  history.replaceState(null, '', location.pathname + (q ? '?' + q : '') + location.hash);
}

/** What stands behind # in the address, whatever somebody wrote there. */
export function hash() {
  const text = location.hash.slice(1);
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
