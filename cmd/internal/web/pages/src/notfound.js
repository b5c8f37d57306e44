// There is no such page: which one may be meant, and what there is.
import { $, h, clean } from './dom.js';
import { cmd } from './parts.js';
import { follow, has, ready } from './frame.js';

const all = { '/': 'Overview', '/hits': 'Hits', '/map': 'Map', '/top': 'Top', '/talk': 'Talk', '/exporters': 'Exporters', '/feeds': 'Feeds', '/outputs': 'Outputs' };
const here = location.pathname;
/** How many letters two words have in common from the begin. */
const common = (a, b) => [...a].findIndex((c, i) => c !== b[i]);
const pages = Object.keys(all).filter((p) => p === '/' || has(p.slice(1)));
const near = pages.filter((p) => common(here + '\u0000', p) > 2)[0];
$('#what').replaceChildren(
  h('p', { class: 'lead' }, 'There is nothing at ', h('code', {}, clean(here).slice(0, 120)), '.', near ? [' Is it ', h('a', { href: near }, all[near]), '?'] : ''),
  h('p', {}, 'There are: ', pages.map((p, i) => [i ? ', ' : '', h('a', { href: p }, all[p])]), '. For an address or a hit use the box above.'),
);
$('#cmd').append(cmd('flowhound help'));
follow({});
ready();
