/* What goes on beside the words: who the visitor is and where, signs of typing, the page's title. */
import {loader} from '../../../web/lib/loader.js';
import {isDark} from '../../../web/lib/theme.js';
import {asObject} from '../../../web/lib/values.js';

/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */

// Milliseconds between two signs of typing, and two reports of where the visitor is.
const TYPING = 3000;
const VISIT = 2000;

/**
 * The domain that a cookie may be set for: one that the host lies in, and no public suffix. Browsers know those, and
 * refuse them, so that it is tried.
 * @param {string} wanted
 * @param {string} host
 */
export function cookieDomain(wanted, host) {
  const domain = wanted.toLowerCase().replace(/^\.+/, '');
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(domain) || /\.\d+$/.test(domain)) return '';
  return host === domain || host.endsWith('.' + domain) ? domain : '';
}

/** @param {ChatPanel} w */
export function makeDuty(w) {
  const {core} = w;
  const kept = () => core.state();
  let typed = 0;
  let told = '';
  /** @type {number | undefined} */
  let telling;
  /** @type {import('./ringing.js').Ringing | null} */
  let bell = null;
  let title = '';
  /** @type {Record<string, any>} */
  let place = {};
  const tags = new Set(/** @type {string[]} */ (kept().tags || []));

  // Over the subdomains of a site, where it asks for that.
  const wanted = loader.text(core.options.cookieDomain);
  const domain = wanted && cookieDomain(wanted, location.hostname);
  const cookie = 'cackle_chat_' + w.site;
  if (wanted && !domain) loader.warn('cookieDomain', wanted);
  if (domain && !kept().chat) {
    const found = document.cookie.split('; ').find(one => one.startsWith(cookie + '='));
    const [chat, token, channel] = found
      ? found
          .slice(cookie.length + 1)
          .split('.')
          .map(decodeURIComponent)
      : [];
    if (chat && token) core.keep({chat, token, channel}, true);
  }

  const duty = {
    /** The conversation is told to other subdomains. */
    share() {
      if (!domain) return;
      const {chat, token, channel} = kept();
      const value = chat
        ? [chat, token, channel].map(one => encodeURIComponent(one).replace(/\./g, '%2E')).join('.')
        : '';
      document.cookie = `${cookie}=${value}; domain=${domain}; path=/; max-age=${chat ? 2592000 : 0}; samesite=lax${location.protocol === 'https:' ? '; secure' : ''}`;
    },
    page: () => ({
      url: (loader.text(place.url) || location.href).slice(0, 2000),
      title: (loader.text(place.title) || document.title).slice(0, 200),
      referrer: document.referrer.slice(0, 2000),
    }),
    profile() {
      const {name, mail, email} = asObject(kept().profile);
      return {
        ...(loader.text(name) && {name: loader.text(name)}),
        ...(loader.text(mail || email) && {mail: loader.text(mail || email)}),
      };
    },
    identity: () => loader.text(kept().identity),
    attributes: () =>
      Object.fromEntries(Object.entries(asObject(kept().attributes)).filter(([, value]) => value !== null)),
    department: () => loader.text(kept().department),
    /** Tells operators where the visitor is and what the site says of them; soon, and once for many changes. */
    visit() {
      clearTimeout(telling);
      telling = setTimeout(() => {
        if (!w.token || !kept().chat) return;
        const body = {
          page: duty.page(),
          attributes: asObject(kept().attributes),
          tags: [...tags],
          ...(duty.identity() && {identity: duty.identity()}),
        };
        const said = JSON.stringify(body);
        if (said === told) return;
        told = said;
        w.call1('PUT', '/visit', {body}).catch(() => (told = ''));
      }, VISIT);
    },
    /** Looks whether the page has become another. */
    moved() {
      if (duty.href !== location.href) {
        if (duty.href) {
          place = {};
          duty.visit();
        }
        duty.href = location.href;
        duty.theme();
      }
    },
    href: '',
    /** Light or dark, as the page is or wants it. */
    theme() {
      const wanted = loader.text(core.options.theme);
      core.root.classList.toggle('dark', wanted === 'dark' || (wanted !== 'light' && isDark(document.body)));
    },
    /** A key was pressed. */
    typing() {
      if (Date.now() - typed < TYPING) return;
      typed = Date.now();
      w.call1('PUT', '/typing', {body: {}}).catch(error => {
        // A server that knows no such sign is not asked again.
        if (error.status === 404 || error.status === 405) typed = Infinity;
      });
    },
    /** A conversation runs: what comes in may be heard. */
    listen() {
      import('./ringing.js').then(
        ({makeRinging}) => {
          bell = bell || makeRinging(w);
          w.draw();
        },
        () => {},
      );
    },
    bell: () => bell,
    mute(on = !kept().muted) {
      core.keep({muted: on});
      if (!on && bell) bell.sound();
      w.drawStatus();
    },
    /** @param {number} n messages that were not read */
    title(n) {
      const clean = document.title.replace(/^\(\d+\) /, '');
      if (!n && !title) return;
      title = n ? '(' + n + ') ' : '';
      if (document.title !== title + clean) document.title = title + clean;
    },
    /**
     * A call of the page's.
     * @param {string} name
     * @param {any[]} args
     */
    call(name, [one, two, three]) {
      const text = loader.text(one);
      if (name === 'identify') {
        const before = kept().user;
        if (before && before !== text && kept().chat) w.forget();
        core.keep({user: text, profile: asObject(two), identity: loader.text(three)}, true);
        w.form = null;
        w.asked = '';
        duty.visit();
        w.draw();
      } else if (name === 'logout' || name === 'reset') {
        core.keep(
          {user: null, profile: null, identity: null, attributes: null, tags: null, form: null, muted: null},
          true,
        );
        tags.clear();
        // The token ends, in whatever tab or copy it is.
        if (name === 'logout' && kept().chat) w.call1('POST', '/logout', {body: {}}).catch(() => {});
        w.store.pending = [];
        w.keepUnsent();
        w.field.value = '';
        w.draft.drop();
        w.forget();
      } else if (name === 'setAttributes') {
        const given = Object.entries(asObject(one)).map(([key, value]) => [
          key.slice(0, 60),
          loader.text(value).slice(0, 200),
        ]);
        core.keep({attributes: {...duty.attributes(), ...Object.fromEntries(given)}}, true);
        duty.visit();
      } else if (name === 'deleteAttribute') {
        // The server is told that it goes.
        core.keep({attributes: {...asObject(kept().attributes), [text]: null}}, true);
        duty.visit();
      } else if (name === 'addTag' || name === 'removeTag') {
        if (name === 'addTag' && text) tags.add(text);
        else tags.delete(text);
        core.keep({tags: [...tags]}, true);
        duty.visit();
      } else if (name === 'trackEvent') {
        core.keep(
          {
            attributes: {
              ...duty.attributes(),
              event: text + (two == null ? '' : ' ' + (loader.text(two) || JSON.stringify(two))),
            },
          },
          true,
        );
        duty.visit();
      } else if (name === 'setPage') {
        if (text) place = {url: text, title: loader.text(two)};
        duty.visit();
      } else if (name === 'setDepartment') core.keep({department: text}, true);
      else if (name === 'setTheme') {
        core.options.theme = text;
        duty.theme();
      } else if (name === 'mute') duty.mute(one !== false);
    },
    end() {
      clearTimeout(telling);
      duty.title(0);
      if (bell) bell.end();
    },
  };
  duty.moved();
  return duty;
}
