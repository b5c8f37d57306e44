// No flows yet: what to type on the router.
import { h, icon, saying } from './dom.js';
import { clock, count } from './format.js';
import { cmd, copy } from './parts.js';

/** For each: where it is typed, what, and what to ask there whether it sends. */
const routers = (host, at) => ({
  MikroTik: [
    'RouterOS 7, in its terminal',
    `/ip traffic-flow set enabled=yes interfaces=bridge cache-entries=64k active-flow-timeout=1m inactive-flow-timeout=15s\n/ip traffic-flow target add dst-address=${host} port=${at} version=9 v9-template-refresh=20 v9-template-timeout=1m`,
    '/ip traffic-flow monitor',
  ],
  'Cisco IOS': [
    'IOS 15, IOS XE; change the interface to your inside one',
    `flow exporter FLOWHOUND\n destination ${host}\n transport udp ${at}\n export-protocol netflow-v9\n template data timeout 60\nflow monitor FLOWHOUND-V4\n record netflow ipv4 original-input\n exporter FLOWHOUND\n cache timeout active 60\n cache timeout inactive 15\ninterface GigabitEthernet0/0/1\n ip flow monitor FLOWHOUND-V4 input\n ip flow monitor FLOWHOUND-V4 output`,
    'show flow exporter statistics',
  ],
  OPNsense: [
    'Reporting, NetFlow',
    `Listening interfaces: LAN     WAN interfaces: none\nVersion: v9                   Destinations: ${host}:${at}\nActive timeout: 60            Inactive timeout: 15`,
    '',
  ],
  'Linux, softflowd': [
    'On the router; change the interface to your inside one',
    `softflowd -i eth1 -v 9 -n ${host}:${at} -t maxlife=60 -t expint=5`,
    'softflowctl -c /run/softflowd/default.ctl statistics',
  ],
});

let chosen; // stays when the page is drawn again
/** The page for who has no flows yet. o is the answer to overview. */
export function start(o) {
  const at = (o.vitals.listening[0] || ':2055').split(':').pop();
  const here = /^(localhost|127\..*|\[::1\])$/.test(location.hostname) ? '' : location.hostname;
  const host = here || o.vitals.address || 'ADDRESS';
  const all = routers(host, at);
  const snip = h('div', { id: 'snip', role: 'tabpanel', 'aria-labelledby': 'tab0' });
  const show = (k) => {
    chosen = k;
    const [place, text, ask] = all[k];
    tabs.forEach((b) => {
      const on = b.textContent === k;
      b.setAttribute('aria-selected', on);
      b.tabIndex = on ? 0 : -1;
      if (on) snip.setAttribute('aria-labelledby', b.id);
    });
    snip.replaceChildren(
      h(
        'div',
        { class: 'bar' },
        h('span', { class: 'dim' }, place, here ? '' : `; ${host} is the address of this host${host === 'ADDRESS' ? ' that the router reaches' : ': take another if the router reaches that one'}`),
        h('button', { class: 'btn sm', type: 'button', onclick: () => copy(text) }, icon('copy'), 'Copy'),
      ),
      h('pre', { class: 'snip', tabindex: '0', 'aria-label': 'What to type: ' + k }, text),
      ask && h('p', { class: 'small dim' }, 'Then ask it whether it sends: ', h('code', {}, ask)),
    );
  };
  const names = Object.keys(all);
  const keys = (e) => {
    const way = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!way) return;
    const i = (names.indexOf(e.target.textContent) + way + names.length) % names.length;
    show(names[i]);
    tabs[i].focus();
  };
  const tabs = names.map((k, i) =>
    h(
      'button',
      { class: 'btn', type: 'button', role: 'tab', id: 'tab' + i, 'aria-controls': 'snip', onclick: () => show(k), onkeydown: keys },
      k,
    ),
  );
  show(chosen ?? names[0]);
  const item = (st, text) => h('li', { class: 'st ' + st }, icon(st), ' ', text);
  const n = o.vitals.indicators;
  return h(
    'div',
    { class: 'blank' },
    h('h1', {}, 'No flows yet.'),
    h(
      'p',
      { class: 'lead' },
      `Flowhound listens on UDP ${at}${host === 'ADDRESS' ? '' : ` of ${host}`} since ${clock(+new Date(o.vitals.started))} and has heard no datagram. Tell a router to send its flows here; this page goes on by itself.`,
    ),
    h(
      'section',
      { class: 'sect', 'aria-labelledby': 'c0' },
      h('h2', { id: 'c0' }, '1 · Type this on the router'),
      h('div', { class: 'stack' }, h('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Router' }, tabs), snip),
      h('p', { class: 'small dim' }, 'On any router: sampling off, active timeout 60 s, inactive timeout 15 s, templates every minute. Others: integrations/routers in flowhound’s sources.'),
    ),
    h(
      'section',
      { class: 'sect', 'aria-labelledby': 'c1' },
      h('h2', { id: 'c1' }, '2 · Do datagrams arrive?'),
      h('p', { class: 'lead' }, 'On this host:'),
      h('p', {}, cmd(`tcpdump -ni any -c 5 udp port ${at}`)),
      h(
        'p',
        { class: 'small dim' },
        'Nothing there either: the firewall between, or the router’s source address. Something there but not here: a firewall on this host.',
      ),
    ),
    h(
      'section',
      { class: 'sect', 'aria-labelledby': 'c2' },
      h('h2', { id: 'c2' }, '3 · Meanwhile'),
      h(
        'ul',
        { class: 'col' },
        item(n ? 'ok' : 'late', n ? `${count(o.vitals.feeds, 'feed')}, ${count(n, 'indicator')}` : 'No indicators are loaded yet'),
        item('late', 'No exporter was heard'),
        o.findings.filter((f) => !f.command?.startsWith('tcpdump ')).map((f) => h('li', { class: 'small dim' }, saying(f.what[0].toUpperCase() + f.what.slice(1), 400), f.advice && [': ', saying(f.advice, 400)], f.command && [' ', cmd(f.command)])),
      ),
    ),
  );
}
