/* What goes on beside the words: who the visitor is and where, signs of typing, the page's title. */
import {untilThere} from '../../../web/lib/late.js';
import {loader} from '../../../web/lib/loader.js';
import {isDark} from '../../../web/lib/theme.js';
import {asObject} from '../../../web/lib/values.js';

/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */

// Milliseconds between two signs of typing, and two reports of where the visitor is.
const TYPING = 3000;
const VISIT = 2000;

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

  const duty = {
    /**
     * The conversation is told to other subdomains, where the page wants that.
     * @param {string} [old] which one was left
     */
    share(old) {
      if (loader.text(core.options.cookieDomain))
        untilThere(() => import('./sharing.js')).then(one => one.share(w, old));
    },
    /** @param {{url: string, title: string} | null} one the page's own word about where the visitor is */
    at: one => {
      place = one || place;
      duty.visit();
    },
    /**
     * The site's word about its visitor does not hold (any more): they go on as a guest. Gives whether it was that.
     * @param {any} error
     */
    disowned(error) {
      const {type, reason: why} = asObject(Object(error).problem);
      if (!duty.identity() || !/(bad-statement|other-person)$/.test(loader.text(type))) return false;
      loader.warn('statement', w.site, why);
      core.keep({identity: null}, true);
      return true;
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
          tags: kept().tags || [],
          ...(duty.identity() && {identity: duty.identity()}),
        };
        const said = JSON.stringify(body);
        if (said === told) return;
        told = said;
        w.call1('PUT', '/visit', {body}).catch(error => {
          told = '';
          if (duty.disowned(error)) duty.visit();
        });
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
      untilThere(() => import('./ringing.js')).then(({makeRinging}) => {
        if (w.core.panel !== w) return;
        bell = bell || makeRinging(w);
        w.draw();
      });
    },
    bell: () => bell,
    mute(on = !kept().muted) {
      core.keep({muted: on});
      if (!on && bell) bell.sound();
      w.drawStatus();
    },
    /** @param {number} n messages that were not read */
    title(n) {
      // A page's own title may begin with a number, too.
      const clean = document.title.startsWith(title) ? document.title.slice(title.length) : document.title;
      title = n ? '(' + n + ') ' : '';
      if (document.title !== title + clean) document.title = title + clean;
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
