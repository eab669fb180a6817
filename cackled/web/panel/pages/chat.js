// The way to the operators' console: its bundle is fetched when it is opened, so that other pages don't carry it.
import {html, useEffect, useState} from '../libraries.js';
import {part as lazy} from '../lazy.js';
import {go} from '../router.js';
import {may, sites} from '../session.js';
import {Empty} from '../ui/load.js';
import {reason, t} from '../words.js';

/** @type {Promise<any> | null} */
let asked = null;

/** The console; what could not be fetched is asked for again. */
function fetchConsole() {
  asked ??= (async () => {
    await lazy('console.css');
    const made = await lazy('console.js');
    await made.ready();
    return made;
  })().catch(error => {
    asked = null;
    throw error;
  });
  return asked;
}

/** @param {{site: string, part?: string}} props */
export function ChatPage({site, part}) {
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const load = () => {
    setError(null);
    fetchConsole().then(made => setFound({Pages: made.ChatPages}), setError);
  };
  useEffect(load, []);
  if (found) return html`<${found.Pages} site=${site} part=${part} />`;
  if (error)
    return html`<div class="page">
      <div class="empty" role="alert">
        <p>${reason(error)}</p>
        <button type="button" onClick=${load}>${t('again')}</button>
      </div>
    </div>`;
  return html`<div class="page" aria-busy="true"><p class="sr">${t('loading')}</p></div>`;
}

/** `/panel/chat`: to the console of the site that one is an operator of. */
export function ChatStart() {
  const first = sites.value.find(one => may(one.site, 'operator'));
  useEffect(() => {
    if (first) go(`/sites/${first.site}/chat`, {replace: true});
  }, [first]);
  return first
    ? null
    : html`<div class="page">
        <${Empty}><p>${t('chat.no_site')}</p><//>
      </div>`;
}
