/* Signing in from a page: the menu of ways, the window on the server's own origin, and the way back. Loaded when somebody asks for it, or
   comes back. The page keeps a verifier; what comes back is worth nothing without it (RFC 7636). */
import {fillOwn} from './profile.js';
import {el, press} from '../lib/dom.js';
import {loader} from '../lib/loader.js';
import {save} from '../lib/storage.js';
import {asObject} from '../lib/values.js';

/**
 * Who asks: a widget.
 * @typedef {object} Host
 * @property {string} site
 * @property {import('../lib/session.js').Session} session
 * @property {import('../lib/i18n.js').Translate} t
 * @property {{full: (time: string) => string}} [times] for a profile
 * @property {() => void} leave the page goes
 * @property {() => void} done somebody has signed in
 * @property {(error: any) => void} trouble
 */
/** @typedef {{name: string, label?: string, kind?: string}} Way */
/** @typedef {{label: string, logo?: string, open: () => void}} OwnWay what the page itself offers */
/** @typedef {Record<string, {verifier: string, at: number}>} Kept by challenge */

const KEPT = 'signin';
// Milliseconds that somebody has for it.
const PATIENCE = 15 * 60e3;

/** @param {Uint8Array} bytes */
export const base64 = bytes =>
  btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=+$/, '');

/**
 * SHA-256 (FIPS 180-4), for pages without TLS, where browsers lend theirs to nobody.
 * @param {string} text
 */
export function sha256(text) {
  /** @type {number[]} */
  const K = [];
  /** @type {number[]} */
  const H = [];
  const root = (/** @type {number} */ n, /** @type {number} */ k) => (Math.pow(n, 1 / k) * 4294967296) | 0;
  for (let n = 2; K.length < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (!prime) continue;
    if (H.length < 8) H.push(root(n, 2));
    K.push(root(n, 3));
  }
  const given = new TextEncoder().encode(text);
  const bytes = new Uint8Array((((given.length + 8) >> 6) + 1) << 6);
  bytes.set(given);
  bytes[given.length] = 128;
  new DataView(bytes.buffer).setUint32(bytes.length - 4, given.length * 8);
  const words = new DataView(bytes.buffer);
  const turn = (/** @type {number} */ x, /** @type {number} */ n) => (x >>> n) | (x << (32 - n));
  for (let at = 0; at < bytes.length; at += 64) {
    /** @type {number[]} */
    const w = [];
    let [a, b, c, d, e, f, g, h] = H;
    for (let i = 0; i < 64; i++) {
      if (i < 16) w[i] = words.getInt32(at + i * 4);
      else {
        const x = w[i - 15];
        const y = w[i - 2];
        w[i] =
          (w[i - 16] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + w[i - 7] + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10))) |
          0;
      }
      const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((x, i) => {
      H[i] = (H[i] + x) | 0;
    });
  }
  const out = new DataView(new ArrayBuffer(32));
  H.forEach((x, i) => out.setInt32(i * 4, x));
  return new Uint8Array(out.buffer);
}

/** @returns {Kept} */
const keptNow = () => asObject(loader.load(KEPT));

/** A new verifier, kept for the way back; gives its challenge. */
function begin() {
  const verifier = base64(crypto.getRandomValues(new Uint8Array(32)));
  const challenge = base64(sha256(verifier));
  const kept = keptNow();
  Object.keys(kept).forEach(key => {
    if (!(Date.now() - kept[key].at < PATIENCE)) delete kept[key];
  });
  kept[challenge] = {verifier, at: Date.now()};
  save(KEPT, kept);
  return {verifier, challenge};
}

/** Whether a window of its own is no help: a phone shows one page at a time. */
const small = () => matchMedia('(pointer: coarse)').matches && Math.min(screen.width, screen.height) < 600;

/**
 * @param {Host} host
 * @param {Way} way
 */
function go(host, way) {
  const {verifier, challenge} = begin();
  const mode = small() ? 'redirect' : 'popup';
  const base = loader.base();
  const query = {return: location.href.split('#')[0], challenge, mode, lang: host.t.lang.slice(0, 2)};
  const url = base + '/auth/' + host.site + '/' + encodeURIComponent(way.name) + '?' + new URLSearchParams(query);
  const popup = mode === 'popup' && window.open(url, 'cackle-signin', 'popup,width=480,height=640');
  if (!popup) {
    // None was allowed: on the way, then, and back to here.
    host.leave();
    location.assign(url.replace('mode=popup', 'mode=redirect'));
    return;
  }
  const origin = new URL(base, location.href).origin;
  const listen = (/** @type {MessageEvent} */ event) => {
    const said = event.data || {};
    if (event.origin !== origin || said.type !== 'cackle:signed-in' || said.challenge !== challenge) return;
    removeEventListener('message', listen);
    redeem(host, said.code, verifier);
  };
  addEventListener('message', listen);
  setTimeout(() => removeEventListener('message', listen), PATIENCE);
}

/**
 * @param {Host} host
 * @param {string} code
 * @param {string} verifier
 */
function redeem(host, code, verifier) {
  host.session.enter({code, verifier}).then(
    () => {
      host.done();
      tellPage(host.site);
    },
    (/** @type {any} */ error) => host.trouble(error),
  );
}

/**
 * All widgets of the page look who the visitor is now. (Other tabs hear it from the browser's storage.)
 * @param {string} site
 */
export const tellPage = site => dispatchEvent(new CustomEvent('cackle:person', {detail: site}));

// What pages of that time called some of them.
/** @type {Record<string, string>} */
const OLD_NAMES = {vkontakte: 'vk', googleplus: 'google', email: 'mail', openid: 'oidc'};

/**
 * The ways that the page's option `providers` names, in its order; `other` stands for all the rest. Nothing named: all.
 * @param {Way[]} ways
 * @param {any} wanted names in one text, apart by semicolons, commas or spaces; or a list
 * @returns {Way[]}
 */
export function chosenWays(ways, wanted) {
  const names = (Array.isArray(wanted) ? wanted.map(loader.text).join(';') : loader.text(wanted))
    .toLowerCase()
    .split(/[;,\s]+/)
    .filter(Boolean)
    .map(name => OLD_NAMES[name] || name);
  if (!names.length) return ways;
  /** @param {string} name @param {Way} way */
  const is = (name, way) => way.name.toLowerCase() === name || way.kind === name;
  const rest = ways.filter(way => !names.some(name => is(name, way)));
  const found = names.map(name => (name === 'other' ? rest : ways.filter(way => is(name, way)))).flat();
  return found.filter((way, at) => found.indexOf(way) === at);
}

/**
 * What the page itself offers: its `ssoProvider`, or what its `sso` says (FastComments' names).
 * @param {Host} host
 * @param {any} o the widget's options
 * @returns {OwnWay[]}
 */
function ownWays(host, o) {
  const sso = asObject(o.sso);
  const other = asObject(o.ssoProvider);
  const login = webAddress(other.url) || webAddress(sso.loginURL);
  const label = loader.text(other.name) || host.t('bySite');
  if (!login) {
    return typeof sso.loginCallback === 'function' ? [{label, open: () => sso.loginCallback(() => host.done())}] : [];
  }
  const open = () => {
    const size = 'popup,width=' + (+other.width || 480) + ',height=' + (+other.height || 640);
    const popup = webAddress(other.url) && window.open(login, 'cackle-sso', size);
    host.leave();
    if (!popup) return location.assign(login);
    // The site's own page signs in; what it says of its visitor then is in the page when it is loaded again.
    const timer = setInterval(() => {
      if (!popup.closed) return;
      clearInterval(timer);
      location.reload();
    }, 500);
  };
  return [{label, logo: webAddress(other.logo), open}];
}

/**
 * An address of the web that the page gave, whole; '' for anything else, as a script.
 * @param {unknown} given
 */
export function webAddress(given) {
  if (!loader.text(given)) return '';
  try {
    const {href, protocol} = new URL(loader.text(given), location.href);
    return /^https?:$/.test(protocol) ? href : '';
  } catch {
    return '';
  }
}

/**
 * Somebody comes back with a code behind the #. Gives whether it was ours.
 * @param {Host} host
 * @param {string} code
 */
export function comeBack(host, code) {
  const kept = keptNow();
  const all = Object.values(kept).filter(one => one && Date.now() - one.at < PATIENCE);
  history.replaceState(history.state, '', location.href.split('#')[0]);
  if (!all.length) return false;
  // Mostly there is but one; the latest is the one that was gone for.
  const latest = all.reduce((a, b) => (a.at > b.at ? a : b));
  save(KEPT, null);
  redeem(host, code, latest.verifier);
  return true;
}

/**
 * The ways to sign in, below the control that asked for them.
 * @param {Host} host
 * @param {HTMLElement} anchor
 * @param {any} o the widget's options
 */
export function openWays(host, anchor, o) {
  // The page has a window of its own for it.
  if (typeof o.authPopup === 'function') return o.authPopup();
  const own = ownWays(host, o);
  if (own.length && o.ssoPrimary && loader.text(o.ssoPrimary) !== 'false') return own[0].open();
  const old = anchor.nextElementSibling;
  const shut = () => {
    const shown = anchor.nextElementSibling;
    if (shown && shown.classList.contains('mc-ways')) shown.remove();
    anchor.setAttribute('aria-expanded', 'false');
    anchor.focus();
  };
  if (old && old.classList.contains('mc-ways')) return shut();
  const t = host.t;
  const keys = (/** @type {KeyboardEvent} */ event) => {
    if (!list.isConnected) anchor.removeEventListener('keydown', keys);
    else if (event.key === 'Escape') {
      event.stopPropagation();
      shut();
    }
  };
  const list = el('div.mc-ways', {role: 'group', 'aria-label': t('signIn'), onkeydown: keys});
  // Focus is there while the ways are asked for, and stays there where there is none.
  anchor.addEventListener('keydown', keys);
  /**
   * @param {string} label
   * @param {() => void} f
   */
  function way(label, f) {
    return press('mc-way', {onclick: f}, label);
  }
  list.append(
    ...own.map(one => {
      const made = way(one.label, one.open);
      if (one.logo) made.prepend(el('img.mc-waylogo', {src: one.logo, alt: '', referrerpolicy: 'no-referrer'}));
      return made;
    }),
  );
  anchor.after(list);
  anchor.setAttribute('aria-expanded', 'true');
  const begin = () => {
    const {firstChild} = list;
    if (firstChild instanceof HTMLElement) firstChild.focus();
  };
  begin();
  host.session.call('GET', '/sign-in').then(
    answer => {
      const first = !list.firstChild;
      chosenWays(answer.ways || [], o.providers).forEach(one => {
        list.append(way(one.label || (one.kind === 'mail' ? t('byMail') : t('bySite')), () => go(host, one)));
      });
      if (!list.firstChild) list.append(el('span.mc-note', null, t('unavailable')));
      if (first) begin();
    },
    (/** @type {any} */ error) => host.trouble(error),
  );
}

/**
 * A button that reports the picture of somebody.
 * @param {Host} host
 * @param {HTMLElement} card
 * @param {string} id
 */
function reporting(host, card, id) {
  // Never disabled: the card goes when focus does.
  let busy = false;
  const made = press(
    'mc-act',
    {
      onclick: () => {
        if (busy) return;
        busy = true;
        host.session.call('POST', '/visitors/' + id + '/picture/flags', {body: {}}).then(
          () => {
            const said = el('div.mc-note', {role: 'status', tabindex: -1}, host.t('flagged'));
            made.after(said);
            if (card.isConnected) said.focus();
            made.remove();
          },
          (/** @type {any} */ error) => {
            busy = false;
            host.trouble(error);
          },
        );
      },
    },
    host.t('reportPicture'),
  );
  return made;
}

/**
 * Who somebody is, below their name: oneself, to change that; others, to block them. Closes by Escape, and by itself when focus goes.
 * @param {Host & {me?: string | null, person?: any, block?: (id: string) => void, signOut: () => void, said: (error: any) => string}} host
 * @param {HTMLElement} anchor
 * @param {{id: string, name: string}} author
 * @param {(name: string) => import('../lib/dom.js').Child} badge
 */
export function openProfile(host, anchor, author, badge) {
  const around = /** @type {Element} */ ((anchor.closest('form') || anchor).parentNode);
  const old = [...around.children].find(node => node.classList.contains('mc-card'));
  if (old) return old.querySelector('form') ? old.remove() : undefined;
  const t = host.t;
  const own = author.id === host.me && !!host.person;
  const card = el('div.mc-card', {
    role: 'dialog',
    'aria-label': author.name,
    tabindex: -1,
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        shut();
      }
    },
    onfocusout: (/** @type {any} */ event) => {
      // What is being filled in stays.
      if (!own && !card.contains(event.relatedTarget)) setTimeout(() => card.remove());
    },
  });
  const shown = () => {
    // Within a form that somebody writes in there is no room for another.
    const form = anchor.closest('form');
    if (form) form.before(card);
    else /** @type {Element} */ (anchor.parentNode).append(card);
    card.classList.toggle('mc-flat', !!form);
    card.focus({preventScroll: true});
  };
  function shut() {
    card.remove();
    anchor.focus();
  }
  if (own) {
    fillOwn(host, card, shut).then(shown, (/** @type {any} */ error) => host.trouble(error));
    return;
  }
  host.session.call('GET', '/visitors/' + author.id).then(
    (/** @type {any} */ who) => {
      const name = who.name || author.name;
      card.append(
        el('div.mc-name', {dir: 'auto'}, name),
        el('div.mc-badges', null, (who.badges || []).map(badge)),
        el(
          'div.mc-note',
          null,
          who.comments == null ? t('keepsPrivate') : t('comments', {n: who.comments}),
          who.since && el('span', null, t('since', {time: /** @type {any} */ (host.times).full(who.since)})),
        ),
        el(
          'div.mc-acts',
          null,
          author.id !== host.me && /^\/avatar\/\d/.test(who.avatar || '') ? reporting(host, card, author.id) : '',
          author.id !== host.me && host.block
            ? press('mc-act', {onclick: () => /** @type {any} */ (host).block(author.id)}, t('block'))
            : '',
        ),
      );
      shown();
    },
    (/** @type {any} */ error) => host.trouble(error),
  );
}
