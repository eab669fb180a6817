// The frame of all pages: the site, its pages, who is signed in.
import {badges} from './badges.js';
import {html, useLayoutEffect, useRef, useState} from './libraries.js';
import {address, go, path} from './router.js';
import {everywhere, leave, may, me, roleOn, sites} from './session.js';
import {complain} from './toasts.js';
import {Avatar} from './ui/parts.js';
import {LANGUAGE_NAMES, choose, known, languages, number, t} from './words.js';

/**
 * A page of a site, in its menu.
 * @typedef {{name: string, role: import('./session.js').Role, label: string, whole?: boolean, tabs?: string[]}} Entry
 */

/** In the order of the menu; `role` is what it takes; `whole`: it is not for moderators of sections; `tabs`: other
 * pages that belong to it. @type {Entry[]} */
const ENTRIES = [
  {name: 'queue', role: 'moderator', label: 'nav.queue'},
  {name: 'chat', role: 'operator', label: 'nav.chat'},
  {name: 'bans', role: 'moderator', label: 'nav.bans', whole: true},
  {name: 'reviews', role: 'moderator', label: 'nav.reviews'},
  {name: 'polls', role: 'moderator', label: 'nav.polls', whole: true},
  {name: 'rules', role: 'moderator', label: 'nav.rules'},
  {name: 'spam', role: 'analyst', label: 'nav.spam'},
  {name: 'statistics', role: 'analyst', label: 'nav.statistics'},
  {name: 'audit', role: 'analyst', label: 'nav.audit'},
  {
    name: 'settings',
    role: 'analyst',
    label: 'nav.settings',
    tabs: ['look', 'hosts', 'usage', 'mail', 'providers', 'deletion'],
  },
  {name: 'members', role: 'admin', label: 'nav.members'},
  {name: 'keys', role: 'admin', label: 'nav.keys'},
  {name: 'webhooks', role: 'admin', label: 'nav.webhooks'},
  {name: 'people', role: 'admin', label: 'nav.people', whole: true},
  {name: 'imports', role: 'admin', label: 'nav.transfers', whole: true, tabs: ['exports']},
];

/** The choice of the language. */
export function Languages() {
  if (languages().length < 2) return null;
  return html`<select
    aria-label=${t('language')}
    value=${known.value}
    onChange=${(/** @type {any} */ event) => choose(event.currentTarget.value)}
  >
    ${languages().map(one => html`<option key=${one} value=${one} selected=${known.value === one}>${LANGUAGE_NAMES[one] || one}</option>`)}
  </select>`;
}

/** @param {{site: number}} props */
function SiteMenu({site}) {
  const entries = ENTRIES.filter(one => may(site, one.role) && (!one.whole || everywhere(site)));
  return html`<nav class="menu" aria-label=${t('nav.site')}>
    ${entries.map(one => {
      const to = `/sites/${site}/${one.name}`;
      const here = path.value.split('/')[3];
      const current = here === one.name ? 'page' : one.tabs?.includes(here) ? 'true' : null;
      const many = badges.value[`${site}/${one.name}`] || 0;
      return html`<a key=${one.name} href=${address(to)} aria-current=${current}
        >${t(one.label)}${many > 0 && html` <span class="count">${many > 99 ? '99+' : number(many)}</span>`}</a
      >`;
    })}
  </nav>`;
}

/**
 * @param {{site: number | null, children?: any}} props
 */
export function Frame({site, children}) {
  const [open, setOpen] = useState(false);
  const burger = useRef(/** @type {HTMLElement | null} */ (null));
  // Before the menu is seen: who is quick with Escape is heard.
  useLayoutEffect(() => {
    if (!open) return;
    const close = (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== 'Escape' || event.defaultPrevented) return;
      setOpen(false);
      burger.current?.focus();
    };
    addEventListener('keydown', close);
    return () => removeEventListener('keydown', close);
  }, [open]);
  const out = async () => {
    try {
      await leave();
      go('/', {force: true});
    } catch (error) {
      complain(error);
    }
  };
  const role = site === null ? undefined : roleOn(site);
  return html`<a class="skip" href="#main">${t('skip')}</a>
    <header class="top">
      <button
        ref=${burger}
        type="button"
        class="icon burger"
        aria-label=${t('nav.open')}
        aria-expanded=${open}
        aria-controls="side"
        onClick=${() => setOpen(!open)}
      >
        ☰
      </button>
      <a class="brand" href=${address('/')}>cackled</a>
      ${role?.logo && html`<img class="site-logo" src=${role.logo} alt="" />`}
      ${
        sites.value.length > 0 &&
        html`<select
          class="sites"
          aria-label=${t('nav.choose')}
          value=${site === null ? '' : String(site)}
          onChange=${(/** @type {any} */ event) => event.currentTarget.value && go(`/sites/${event.currentTarget.value}`)}
        >
          ${site === null && html`<option value="" selected>${t('nav.choose')}</option>`}
          ${sites.value.map(one => html`<option key=${one.site} value=${String(one.site)} selected=${one.site === site}>${one.name || t('site.n', {id: String(one.site)})}</option>`)}
        </select>`
      }
      ${role && html`<span class="mark">${t(`role.${role.role}`)}</span>`}
      <span class="grow"></span>
      <a class="me" href=${address('/account')}>
        ${me.value?.account.picture && html`<${Avatar} picture=${me.value.account.picture} />`}
        <bdi>${me.value?.account.name || me.value?.account.email}</bdi>
      </a>
      <button type="button" class="link" onClick=${out}>${t('leave')}</button>
    </header>
    <div class="columns">
      <div
        id="side"
        class=${`${open ? 'side open' : 'side'}${site === null ? ' bare' : ''}`}
        onClick=${() => setOpen(false)}
      >
        ${site !== null && html`<${SiteMenu} site=${site} />`}
        <aside class="foot" aria-label=${t('language')}>
          <a class="account" href=${address('/account')}>${t('account.title')}</a>
          <${Languages} />
        </aside>
      </div>
      <main id="main">${children}</main>
    </div>`;
}

/** A page for whoever is not signed in: one card in the middle. @param {{title: string, children?: any}} props */
export function Card({title, children}) {
  return html`<main class="card-page">
    <div class="card">
      <p class="brand">cackled</p>
      <h1>${title}</h1>
      ${children}
      <div class="foot"><${Languages} /></div>
    </div>
  </main>`;
}
