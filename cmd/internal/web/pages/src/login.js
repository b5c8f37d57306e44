// Log-in. It says how many tries are left, and nothing about the network.
import { $ } from './dom.js';
import { send } from './net.js';

const form = $('form');
/** Where to go afterwards: a page of this server, whatever the address says. */
function next() {
  const wish = new URLSearchParams(location.search).get('next') || '/';
  if (!URL.canParse(wish, location.origin)) return '/';
  const to = new URL(wish, location.origin);
  // What stands behind # never reaches the server; the browser takes it along to this page.
  return to.origin === location.origin ? to.pathname + to.search + (to.hash || location.hash) : '/';
}
form.addEventListener('submit', async (e) => {
  e.preventDefault();
  const button = $('button', form);
  button.disabled = true;
  try {
    await send('POST', 'session', { name: form.u.value.trim(), password: form.p.value });
    location.assign(next());
  } catch (error) {
    $('#e').hidden = false;
    $('#em').textContent = error.message;
    form.p.value = '';
    form.p.setAttribute('aria-invalid', 'true');
    form.p.focus();
  } finally {
    button.disabled = false;
  }
});
$('#show').addEventListener('change', (e) => (form.p.type = e.target.checked ? 'text' : 'password'));
$('#host').textContent = 'on ' + location.hostname;
document.documentElement.dataset.ready = '1';
