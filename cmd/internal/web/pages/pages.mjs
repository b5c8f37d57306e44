// The HTML of every page: one frame, one body each.
const I = (id, vb = 16) =>
  `<svg class="i" viewBox="0 0 ${vb} ${vb}" aria-hidden="true"><use href="/icons.svg#${id}"/></svg>`;

const nav = [
  ['index', 'Overview', 'overview'],
  ['hits', 'Hits', 'hits'],
  ['map', 'Map', 'map'],
  ['top', 'Top', 'top'],
  ['talk', 'Talk'],
  ['exporters', 'Exporters'],
  ['feeds', 'Feeds'],
  ['outputs', 'Outputs'],
];
const href = (p) => (p === 'index' ? '/' : '/' + p);

const head = (title, script) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · flowhound</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/flowhound.css">
<script src="/theme.js"></script>
<script type="module" src="/${script}.js"></script>
</head>
`;

const item =
  (id) =>
  ([p, title, icon], i) =>
    `<li${i > 3 ? ' class="x"' : ''}><a href="${href(p)}" data-p="${p}"${p === id ? ' aria-current="page"' : ''}>${icon ? I(icon) : ''}<span>${title}</span></a></li>`;

const frame = (id, title, script, body, { skip = '#main', skipText = 'Skip to the content', cap = '' } = {}) =>
  `${head(title, script)}<body data-page="${id}">
<a class="skip" href="${skip}">${skipText}</a>
<header class="top"><a class="brand" href="/" aria-label="flowhound, overview">${I('brand', 24)}<span>flowhound</span></a>
<nav class="nav" aria-label="Pages"><ul>${nav.map(item(id)).join('')}<li class="more"><button type="button" popovertarget="me">${I('dots')}<span>More</span></button></li></ul></nav>
<form class="jump" role="search"><label class="vh" for="jump">Jump to an address, network or hit</label><input id="jump" name="a" placeholder="Address, network, hit" autocomplete="off" spellcheck="false"><kbd aria-hidden="true">/</kbd></form>
<button class="btn bare live" type="button" aria-pressed="true" aria-label="Live" hidden><i class="dot"></i><span>Live</span></button>
<button class="btn bare" type="button" popovertarget="me" aria-label="Menu: theme, keys, log out">${I('dots')}</button></header>
<div id="me" popover class="menu">${nav
    .slice(4)
    .map(([p, t]) => `<a href="${href(p)}" data-p="${p}">${t}</a>`)
    .join(
      '',
    )}<hr><fieldset class="seg"><legend class="vh">Theme</legend><label><input type="radio" name="theme" value="">System</label><label><input type="radio" name="theme" value="light">Light</label><label><input type="radio" name="theme" value="dark">Dark</label></fieldset><button type="button" id="keysbtn">Keys <kbd>?</kbd></button><button type="button" id="logout" hidden>Log out</button></div>
<main id="main" tabindex="-1"${cap && ` class="${cap}"`}>
${body}
</main>
<footer class="foot"><span>On the command line:</span><span id="cmd"></span><span class="src"><span id="attribution"></span><span id="about"></span></span></footer>
</body>
</html>
`;

const admin = (id, title) =>
  frame(
    id,
    title,
    'admin',
    `<div class="bar"><div><p class="dim">${title}</p><h1 id="v">${title}</h1><p class="dim" id="sub"></p></div><span id="give"></span></div>
<div class="scroll" tabindex="0" role="region" aria-label="${title}" id="tab"></div>`,
  );

export const pages = {
  index: frame(
    'index',
    'Overview',
    'overview',
    `<div class="verdict" id="verdict"><h1>Overview</h1></div><div class="ov x" id="body"></div>`,
    { cap: 'cap' },
  ),
  hits: frame(
    'hits',
    'Hits',
    'hits',
    `<div class="bar"><h1>Hits</h1><div id="tools" class="fields"></div></div>
<div class="bar"><form class="q" role="search" aria-label="Filter hits"><label class="vh" for="f">Filter</label><input id="f" name="q" data-filter placeholder="Address, network, :port, word, or: src net 10.0.0.0/8 and dst port 443" spellcheck="false" autocomplete="off" maxlength="2000"><button class="btn" type="submit">Filter</button></form><button class="btn fbtn" id="fbtn" type="button" aria-expanded="false" aria-controls="facets">Facets</button><span id="chips" class="chips"></span><span id="count" class="dim" role="status"></span><span id="give"></span></div>
<div id="wrong" role="status"></div>
<div class="hits f" id="hits"><aside id="facets" class="facets" aria-label="Facets"></aside><div><div id="new" aria-live="polite"></div><div id="list" tabindex="-1"></div><div id="none" class="blank" hidden></div></div><div id="aside" class="aside" hidden></div></div>`,
    { skip: '#list', skipText: 'Skip to the hits' },
  ),
  map: frame(
    'map',
    'Map',
    'map',
    `<div class="bar"><h1>Where traffic comes from</h1><div id="tools" class="fields"></div></div><div class="mapw"><section aria-label="Map; the table beside it says the same"><div id="map"></div><div id="legend" class="legend"></div></section><section class="side" id="side" aria-label="Countries and addresses"></section><section aria-labelledby="vh"><h2 class="small dim" id="vh">Over time</h2><div id="vol"></div></section></div>`,
    { skip: '#side', skipText: 'Skip to the table' },
  ),
  top: frame(
    'top',
    'Top',
    'top',
    `<div class="bar"><h1>Top</h1><div id="tools"></div></div><form id="qf" class="stack" role="search" aria-label="Question"><div class="fields"><span class="q"><label class="vh" for="expr">Which flows</label><input id="expr" name="q" data-filter placeholder="src country CH and dst port 443" spellcheck="false" autocomplete="off" aria-describedby="err" maxlength="2000"></span><label>by <input name="fields" size="12" class="mono" spellcheck="false" autocomplete="off"></label><label>value <select name="value"><option>bytes</option><option>packets</option><option>flows</option><option>sips</option><option>dips</option></select></label><label>count <input name="count" size="3" inputmode="numeric"></label><button class="btn go" type="submit">Ask</button></div><div id="err" class="note late" role="status" hidden></div></form><div id="limits"></div><p class="small dim" id="facts"></p><div class="duo" id="answer" hidden><section class="sect" id="lines" aria-labelledby="b1"><h2 id="b1">The five largest over time</h2><div id="vol"></div></section><section class="sect" aria-labelledby="b2"><div class="bar"><h2 id="b2">The largest</h2><span id="give"></span></div><div class="scroll" tabindex="0" role="group" aria-label="Table, scrolls" id="tab"></div></section></div>`,
  ),
  talk: frame(
    'talk',
    'Talk',
    'talk',
    `<div class="bar"><div class="id" id="id"></div><div id="tools"></div></div><div id="verdict"></div><div id="limits"></div><div class="two sect" id="body" hidden><div><section aria-labelledby="a1"><div class="bar"><h2 id="a1">Whom it talks to</h2><span id="give"></span></div><div class="scroll" tabindex="0" role="group" aria-label="Peers, scrolls" id="peers"></div><p class="small dim" id="facts"></p></section><section class="sect" aria-labelledby="a2" id="much"><h2 id="a2">How much: sent above, received below</h2><div id="vol"></div></section><section class="sect" aria-labelledby="a3" id="regular" hidden><h2 id="a3" tabindex="-1">How regularly</h2><p id="rhythm"></p><div id="gaps"></div></section></div><div><section aria-labelledby="a4"><h2 id="a4">Which lists name it</h2><div id="lists"></div></section><section class="sect" aria-labelledby="a6"><h2 id="a6">Which exports hold it</h2><div id="exports"></div></section><section class="sect" aria-labelledby="a5"><h2 id="a5">Its hits</h2><div id="hits"></div></section></div></div>`,
  ),
  notfound: frame(
    'notfound',
    'No such page',
    'notfound',
    `<div class="blank"><h1>No such page.</h1><div id="what"></div></div>`,
  ),
  exporters: admin('exporters', 'Exporters'),
  feeds: admin('feeds', 'Feeds'),
  outputs: admin('outputs', 'Outputs'),
  login: `${head('Log in', 'login')}<body data-page="login"><main class="login"><form method="post"><h1 class="brand">${I('brand', 24)}flowhound</h1><p class="dim" id="host"></p><div class="note late" id="e" role="alert" hidden>${I('bad')}<span id="em"></span></div><label>Name<input name="u" autocomplete="username" autofocus required autocapitalize="off" spellcheck="false" maxlength="64"></label><label>Password<input name="p" type="password" autocomplete="current-password" required></label><label class="check"><input id="show" type="checkbox">Show the password</label><button class="btn go" type="submit">Log in</button><p class="small dim">No name yet? On the host: <code>flowhound user add NAME</code></p></form></main></body>
</html>
`,
};
export const scripts = ['overview', 'hits', 'map', 'top', 'talk', 'admin', 'notfound', 'login', 'theme'];
export const copied = ['icon.svg', 'icons.svg', 'world.json'];
