/* Signing in from a page: the menu of ways, the window on the server's own origin, and the way back. Loaded when somebody asks for it, or
   comes back. The page keeps a verifier; what comes back is worth nothing without it (RFC 7636). */
// @ts-nocheck
import {el, press} from '../lib/dom.js';
import {loader} from '../lib/loader.js';
import {save} from '../lib/storage.js';
import {asObject} from '../lib/values.js';

const KEPT = 'signin';
// Milliseconds that somebody has for it.
const PATIENCE = 15 * 60e3;

const base64 = bytes =>
  btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=+$/, '');

/* SHA-256 (FIPS 180-4), for pages without TLS, where browsers lend theirs to nobody. */
export function sha256(text) {
  const K = [];
  const H = [];
  const root = (n, k) => (Math.pow(n, 1 / k) * 4294967296) | 0;
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
  const turn = (x, n) => (x >>> n) | (x << (32 - n));
  for (let at = 0; at < bytes.length; at += 64) {
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

/* A new verifier, kept for the way back; gives its challenge. */
function begin() {
  const verifier = base64(crypto.getRandomValues(new Uint8Array(32)));
  const challenge = base64(sha256(verifier));
  const kept = asObject(loader.load(KEPT));
  Object.keys(kept).forEach(key => {
    if (!(Date.now() - kept[key].at < PATIENCE)) delete kept[key];
  });
  kept[challenge] = {verifier, at: Date.now()};
  save(KEPT, kept);
  return {verifier, challenge};
}

/* Whether a window of its own is no help: a phone shows one page at a time. */
const small = () => matchMedia('(pointer: coarse)').matches && Math.min(screen.width, screen.height) < 600;

/* host: {site, session, t, lang, leave() before the page goes, done() once signed in, trouble(text)} */
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
  const listen = event => {
    const said = event.data || {};
    if (event.origin !== origin || said.type !== 'cackle:signed-in' || said.challenge !== challenge) return;
    removeEventListener('message', listen);
    redeem(host, said.code, verifier);
  };
  addEventListener('message', listen);
  setTimeout(() => removeEventListener('message', listen), PATIENCE);
}

function redeem(host, code, verifier) {
  host.session.enter({code, verifier}).then(host.done, error => host.trouble(error));
}

/* Somebody comes back with a code behind the #. -> whether it was ours */
export function comeBack(host, code) {
  const kept = asObject(loader.load(KEPT));
  const all = Object.values(kept).filter(one => one && Date.now() - one.at < PATIENCE);
  history.replaceState(history.state, '', location.href.split('#')[0]);
  if (!all.length) return false;
  // Mostly there is but one; the latest is the one that was gone for.
  const latest = all.reduce((a, b) => (a.at > b.at ? a : b));
  save(KEPT, null);
  redeem(host, code, latest.verifier);
  return true;
}

/* The ways to sign in, below the control that asked for them. own: what the page itself offers, [{label, logo, open()}]. */
export function openWays(host, anchor, own) {
  const old = anchor.nextElementSibling;
  if (old && old.classList.contains('mc-ways')) return shut();
  const t = host.t;
  const list = el('div.mc-ways', {
    role: 'group',
    'aria-label': t('signIn'),
    onkeydown: event => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        shut();
      }
    },
  });
  function shut() {
    const shown = anchor.nextElementSibling;
    if (shown && shown.classList.contains('mc-ways')) shown.remove();
    anchor.setAttribute('aria-expanded', 'false');
    anchor.focus();
  }
  function way(label, f) {
    return press('mc-way', {onclick: f}, label);
  }
  list.append(...own.map(one => way(one.label, one.open)));
  anchor.after(list);
  anchor.setAttribute('aria-expanded', 'true');
  if (list.firstChild) list.firstChild.focus();
  host.session.call('GET', '/sign-in').then(
    answer => {
      const first = !list.firstChild;
      (answer.ways || []).forEach(one => {
        list.append(way(one.label || (one.kind === 'mail' ? t('byMail') : t('bySite')), () => go(host, one)));
      });
      if (!list.firstChild) list.append(el('span.mc-note', null, t('unavailable')));
      if (first && list.firstChild.focus) list.firstChild.focus();
    },
    error => host.trouble(error),
  );
}

/* Who somebody is, below their name. -> closes by Escape and by itself when focus goes */
export function openProfile(host, anchor, author, badge) {
  const old = [...anchor.parentNode.children].find(node => node.classList.contains('mc-card'));
  if (old) return;
  const t = host.t;
  const card = el('div.mc-card', {
    role: 'dialog',
    'aria-label': author.name,
    tabindex: -1,
    onkeydown: event => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        // Losing the focus closes it.
        anchor.focus();
      }
    },
    onfocusout: event => {
      if (!card.contains(event.relatedTarget)) setTimeout(() => card.remove());
    },
  });
  host.session.call('GET', '/visitors/' + author.id).then(
    who => {
      const name = who.name || author.name;
      card.append(
        el('div.mc-name', {dir: 'auto'}, name),
        el('div.mc-badges', null, (who.badges || []).map(badge)),
        el(
          'div.mc-note',
          null,
          who.comments == null ? t('keepsPrivate') : t('comments', {n: who.comments}),
          who.since && el('span', null, t('since', {time: host.times.full(who.since)})),
        ),
      );
      anchor.parentNode.append(card);
      card.focus({preventScroll: true});
    },
    error => host.trouble(error),
  );
}
