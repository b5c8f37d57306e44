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

/** Text of a feed or a flow: as it is, on its own whatever its direction of writing, without what cannot be seen. */
export const said = (text) => h('bdi', {}, clean(text));
/** The same for a sentence, which is never cut. */
export const saying = (text) => h('bdi', { class: 'says' }, clean(text));
const unseen = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
export const clean = (text) =>
  String(text ?? '')
    .slice(0, 2000)
    .replace(unseen, '\ufffd');

/** One argument of a command line: what a link or a flow says must not become a command of its own. */
export const arg = (v) => (/^[\w.:,/@%+=][\w.:,/@%+=-]*$/.test(v) ? v : `'${clean(v).replaceAll("'", `'\\''`)}'`);

export const params = new URLSearchParams(location.search);
/** Sets parameters of the address. What is empty or the default does not stand in it, so that links stay short. */
export function setParams(all) {
  for (const [k, v] of Object.entries(all)) v === '' || v == null ? params.delete(k) : params.set(k, v);
  const q = params.toString();
  history.replaceState(null, '', location.pathname + (q ? '?' + q : '') + location.hash);
}
