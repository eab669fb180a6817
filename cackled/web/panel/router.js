// Where the panel is: the path below /panel and the query, as signals; a page is a function of both.
import {computed, html, signal} from './libraries.js';

const BASE = '/panel';

const here = () => ({
  path: decodeURI(location.pathname).slice(BASE.length).replace(/\/+$/, '') || '/',
  query: new URLSearchParams(location.search),
});

export const place = signal(here());
export const path = computed(() => place.value.path);
export const query = computed(() => place.value.query);

/** @type {Set<() => string>} */
const guards = new Set();

/**
 * Ask before leaving: *guard* gives the question, or '' where nothing would be lost.
 * @param {() => string} guard
 * @returns {() => void} stops asking
 */
export function guard(guard) {
  guards.add(guard);
  return () => guards.delete(guard);
}

const question = () => [...guards].map(one => one()).find(Boolean) || '';

/**
 * The address of a page of the panel.
 * @param {string} to begins with a slash
 * @param {Record<string, string | number | null | undefined>} [values] of the query; empty ones are left out
 * @returns {string}
 */
export function address(to, values = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== '') search.set(name, String(value));
  }
  return `${BASE}${to === '/' ? '/' : to}${search.size ? `?${search}` : ''}`;
}

/**
 * Go to a page.
 * @param {string} to begins with a slash, with its query
 * @param {{replace?: boolean, force?: boolean}} [options] *replace*: no new entry of the history
 */
export function go(to, {replace = false, force = false} = {}) {
  const ask = force ? '' : question();
  if (ask && !confirm(ask)) return;
  const target = to.startsWith(BASE) ? to : BASE + to;
  if (replace) history.replaceState(null, '', target);
  else history.pushState(null, '', target);
  place.value = here();
  if (!replace) scrollTo(0, 0);
}

/**
 * Change values of the query and stay on the page; an empty value is left out.
 * @param {Record<string, string | number | null | undefined>} values
 * @param {{replace?: boolean}} [options]
 */
export function setQuery(values, {replace = true} = {}) {
  const old = Object.fromEntries(place.peek().query);
  go(address(place.peek().path, {...old, ...values}), {replace, force: true});
}

/**
 * Match the path with a pattern such as `/sites/:site/queue`.
 * @param {string} pattern
 * @param {string} at
 * @returns {Record<string, string> | null} the values of the names, null where it does not match
 */
export function match(pattern, at) {
  const want = pattern.split('/');
  const have = at.split('/');
  if (want.length !== have.length) return null;
  /** @type {Record<string, string>} */
  const found = {};
  for (let i = 0; i < want.length; i++) {
    if (want[i].startsWith(':') && have[i]) found[want[i].slice(1)] = have[i];
    else if (want[i] !== have[i]) return null;
  }
  return found;
}

/**
 * A link within the panel: an ordinary one for new tabs and screen readers.
 * @param {{to: string, class?: string, current?: boolean, children?: any, [name: string]: any}} props
 */
export function Link({to, current, children, ...rest}) {
  return html`<a href=${to.startsWith(BASE) ? to : BASE + to} aria-current=${current ? 'page' : null} ...${rest}
    >${children}</a
  >`;
}

/** Begin: follow the links of the panel and the browser's own buttons. */
export function start() {
  addEventListener('popstate', () => {
    place.value = here();
  });
  addEventListener('beforeunload', event => {
    if (question()) event.preventDefault();
  });
  document.addEventListener('click', event => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
      return;
    const link = /** @type {Element | null} */ (event.target)?.closest?.('a');
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
    if (link.pathname !== BASE && !link.pathname.startsWith(BASE + '/')) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
