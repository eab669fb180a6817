// Which items: their state, a search, a product, why they are here. All of it stands in the address.
import {html, useEffect, useRef, useState} from '../libraries.js';
import {address, query, setQuery} from '../router.js';
import {t} from '../words.js';
import {markName} from './card.js';

export const STATES = ['pending', 'flagged', 'spam', 'unseen', 'approved', 'rejected', 'deleted', 'all'];
/** Those that have items here. */
export const PRODUCTS = ['comments', 'reviews', 'polls', 'identity'];
const NAMES = ['q', 'product', 'author', 'ip', 'channel', 'mark'];
/** What has a field of its own. */
const FIELDS = ['q', 'product'];

/** What the address asks for. @returns {Record<string, string>} */
export function wanted() {
  const state = query.value.get('state') || 'pending';
  /** @type {Record<string, string>} */
  const found = {state: STATES.includes(state) ? state : 'pending'};
  for (const name of NAMES) {
    const value = query.value.get(name);
    if (value) found[name] = value;
  }
  return found;
}

/** @param {{site: string, field: {current: HTMLInputElement | null}}} props */
export function Filters({site, field}) {
  const now = wanted();
  const [text, setText] = useState(now.q || '');
  const timer = useRef(/** @type {any} */ (null));
  // What was asked for from here: the field says more by now, a space at its end or what was typed meanwhile.
  const asked = useRef(now.q || '');
  useEffect(() => {
    if ((now.q || '') === asked.current) return;
    asked.current = now.q || '';
    setText(asked.current);
  }, [now.q]);
  useEffect(() => () => clearTimeout(timer.current), []);
  /** @param {string} value */
  const ask = value => {
    clearTimeout(timer.current);
    asked.current = value.trim();
    setQuery({q: asked.current});
  };
  /** @param {string} value */
  const type = value => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => ask(value), 350);
  };
  const more = NAMES.filter(name => !FIELDS.includes(name) && now[name]);
  return html`<nav class="tabs" aria-label=${t('queue.states')}>
      ${STATES.map(one => html`<a key=${one} href=${address(`/sites/${site}/queue`, {...now, state: one})} aria-current=${one === now.state ? 'page' : null}>${t(`state.${one}`)}</a>`)}
    </nav>
    <form
      class="row search"
      role="search"
      onSubmit=${(/** @type {Event} */ e) => {
        e.preventDefault();
        ask(text);
        // The keys are for items again.
        field.current?.blur();
      }}
    >
      <input
        ref=${field}
        type="search"
        aria-label=${t('queue.search')}
        placeholder=${t('queue.search.hint')}
        maxlength="400"
        value=${text}
        onInput=${(/** @type {any} */ e) => type(e.currentTarget.value)}
        aria-keyshortcuts="/"
      />
      <select
        aria-label=${t('queue.product')}
        value=${now.product || ''}
        onChange=${(/** @type {any} */ e) => setQuery({product: e.currentTarget.value})}
      >
        <option value="">${t('product.all')}</option>
        ${PRODUCTS.map(one => html`<option key=${one} value=${one}>${t(`product.${one}`)}</option>`)}
        ${now.product && !PRODUCTS.includes(now.product) && html`<option value=${now.product}>${now.product}</option>`}
      </select>
      ${more.map(name => html`<button key=${name} type="button" onClick=${() => setQuery({[name]: null})}>${t(`queue.${name}`)}: ${name === 'mark' ? markName(now[name]) : now[name]} <span aria-hidden="true">×</span><span class="sr">${t('remove')}</span></button>`)}
    </form>`;
}
