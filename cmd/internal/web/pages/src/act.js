// Mute and allow: what will be written is shown before it is written.
import { arg, h } from './dom.js';
import { now } from './format.js';
import { cmd, seg, toast } from './parts.js';
import { send } from './net.js';
import { me } from './frame.js';

const date = (days) => new Date(now() + days * 864e5).toISOString().slice(0, 10);
const inward = (x) => x.dir === 'inbound' || x.dir === 'transit';

/** The command that writes the same entry. */
function command(x, mute, until, why) {
  if (!mute) return `flowhound allow add ${x.remote} --why ${arg(why)}`;
  return `flowhound mute add${inward(x) ? '' : ' --src ' + x.src} --ioc ${x.remote} --until ${arg(until)} --why ${arg(why)}`;
}

/** Who may not is told why, and the command for whoever may. */
function mayNot(text) {
  const who = me.logs_in ? `${me.name} has the role viewer. ` : 'Nobody logs in here. ';
  const d = document.body.appendChild(
    h(
      'dialog',
      { 'aria-labelledby': 'nh' },
      h(
        'form',
        { method: 'dialog' },
        h('h2', { id: 'nh' }, 'You may look, not change.'),
        h('p', {}, who, 'Muting and allowing take the role operator. Whoever may write the configuration can run this on the host:'),
        cmd(text),
        h('div', { class: 'end' }, h('button', { class: 'btn', autofocus: true }, 'Close')),
      ),
    ),
  );
  d.addEventListener('close', () => d.remove());
  d.showModal();
}

/** kind is mute or allow; done is called after something was written. */
export function act(x, kind, done) {
  const mute = kind === 'mute';
  if (me.role !== 'operator') return mayNot(command(x, mute, date(7), 'REASON'));
  const body = (dry) => {
    const b = { why: f.why.value || '…', dry };
    if (!mute) return { ...b, what: x.remote };
    return { ...b, src: inward(x) ? '' : x.src, ioc: x.remote, until: f.until.value };
  };
  const shown = h('pre', { class: 'snip', tabindex: '0', 'aria-label': 'What will be written' });
  const where = h('p', { class: 'small dim', role: 'status' });
  const same = h('div', {});
  let turn = 0;
  const preview = async () => {
    const mine = ++turn;
    const a = await send('POST', kind, body(true)).catch((e) => ({ error: e.message }));
    if (mine !== turn) return; // what was typed since counts
    same.replaceChildren(cmd(command(x, mute, mute ? f.until.value : '', f.why.value || 'REASON')));
    where.textContent = a.error ? `Cannot be written: ${a.error}` : `Written into ${a.file}:`;
    shown.textContent = a.text || '';
    go.disabled = !!a.error;
  };
  const go = h('button', { class: 'btn go', value: 'yes' }, mute ? 'Mute' : 'Allow');
  const what = mute
    ? inward(x)
      ? `Hits of ${x.remote} are counted, whomever it calls, but no line is written and no output gets them.`
      : `Hits of ${x.src} with ${x.remote} are counted, but no line is written and no output gets them. Other hosts that call it are still reported.`
    : 'It wins over every list, for all hosts, until somebody takes it out. All exports drop it, too.';
  const f = h(
    'form',
    { method: 'dialog', oninput: preview },
    h('h2', { id: 'ah' }, mute ? 'Keep this quiet for a while' : `Never report ${x.remote}`),
    h('p', {}, what),
    mute && until((v) => ((f.until.value = v), preview())),
    h(
      'label',
      { class: 'row' },
      'Why (the next one on duty reads it)',
      h('input', { name: 'why', required: true, maxlength: 200, autocomplete: 'off' }),
    ),
    where,
    shown,
    h('p', { class: 'small dim' }, 'On the command line:'),
    same,
    h('div', { class: 'end' }, h('button', { class: 'btn', value: 'no', formnovalidate: true }, 'Cancel'), go),
  );
  const d = document.body.appendChild(h('dialog', { 'aria-labelledby': 'ah' }, f));
  d.addEventListener('close', async () => {
    d.remove();
    if (d.returnValue !== 'yes') return;
    try {
      const a = await send('POST', kind, body(false));
      toast(
        mute
          ? `Muted until ${f.until.value}. Undo: flowhound mute remove`
          : `Allowed in ${a.file}. Undo: flowhound allow remove ${x.remote}`,
      );
      done();
    } catch (e) {
      toast('Not written: ' + e.message);
    }
  });
  d.showModal();
  f.why.focus();
  preview();
}

const until = (on) =>
  h(
    'div',
    { class: 'row' },
    h('label', { for: 'until' }, 'Until'),
    h(
      'span',
      { class: 'fields' },
      h('input', {
        id: 'until',
        name: 'until',
        value: date(7),
        pattern: '\\d{4}-\\d\\d-\\d\\d',
        required: true,
        size: 11,
      }),
      seg(
        'dur',
        'For how long',
        [
          [date(1), '1 day'],
          [date(7), '1 week'],
          [date(30), '30 days'],
        ],
        date(7),
        on,
      ),
    ),
  );
