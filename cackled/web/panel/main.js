// The panel: where staff work. One page; which view it shows goes by the address.
// First: modules that widgets have too take from it what they find there as they begin.
import './lazy.js';
import {html, render, useEffect} from './libraries.js';
import {Frame} from './frame.js';
import {KeyList, startKeys} from './keys.js';
import {Missing, PAGES, SignIn} from './pages.js';
import {match, path, start} from './router.js';
import {failed, load, may, me, roleOn} from './session.js';
import {Toasts} from './toasts.js';
import {reason, startLanguage, t} from './words.js';

function found() {
  for (const page of PAGES) {
    const values = match(page.path, path.value);
    if (values) return {page, values};
  }
  return null;
}

function View() {
  const hit = found();
  if (hit?.page.open) return html`<${hit.page.show} ...${hit.values} key=${path.value} />`;
  if (failed.value) {
    return html`<main class="card-page">
      <div class="card" role="alert">
        <p>${reason(failed.value)}</p>
        <button type="button" class="primary" onClick=${load}>${t('again')}</button>
      </div>
    </main>`;
  }
  if (me.value === undefined) return html`<main class="card-page" aria-busy="true"></main>`;
  if (me.value === null) return html`<${SignIn} />`;
  const site = hit && 'site' in hit.values ? Number(hit.values.site) : null;
  const known = site === null || roleOn(site) !== undefined;
  const allowed = hit && known && (site === null || !hit.page.role || may(site, hit.page.role));
  return html`<${Frame} site=${known ? site : null}>
    ${allowed ? html`<${hit.page.show} ...${hit.values} key=${path.value} />` : html`<${Missing} />`}
  <//>`;
}

function App() {
  useEffect(() => {
    if (me.peek() === undefined) load();
  }, []);
  return html`<${View} /><${Toasts} /><${KeyList} />`;
}

start();
startKeys();
startLanguage().then(() => render(html`<${App} />`, /** @type {Element} */ (document.getElementById('panel'))));
