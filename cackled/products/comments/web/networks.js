/* Sharing what one writes with one's own accounts at social networks: the boxes below the field, the window in which an account is
   connected, and below a comment how it went. Loaded where the site offers it and somebody opens a field. */
import {addSheet} from './sheet.js';
import {reason} from '../../../web/lib/reasons.js';
import {el, press} from '../../../web/lib/dom.js';
import {loader, Promise} from '../../../web/lib/loader.js';

/** @typedef {import('./widget.js').Comments} Comments */
/** @typedef {import('./store.js').Item} Item */
/** @typedef {{network: string, name: string, lost: boolean}} Account */
/** @typedef {{item: string, network: string, state: string, reason: string, url: string}} Share */
/** @typedef {{networks: {name: string}[], accounts: Account[], shares: Share[], words: Record<string, string>}} Known */
/** @typedef {{chosen: () => string[], node: HTMLElement}} Boxes */

/** @type {Record<string, string>} */
const NAMES = {mastodon: 'Mastodon', bluesky: 'Bluesky', vk: 'VK', x: 'X'};
const CHOSEN = 'shareOn';
// Milliseconds that somebody has for the window, and after which it is asked how sharing went.
const PATIENCE = 15 * 60e3;
const LOOKS = [1500, 2000, 4000, 8000, 16e3, 32e3, 64e3];

/** @type {WeakMap<Comments, Promise<Known>>} */
const known = new WeakMap();

/**
 * @param {Comments} w
 * @returns {Promise<Known>}
 */
function ask(w) {
  const found = known.get(w);
  if (found) return found;
  const path = '/share/accounts?' + new URLSearchParams({lang: w.t.lang.slice(0, 2)});
  const asked = w.api('GET', path, {mine: !!w.session.visitor()});
  known.set(w, asked);
  asked.catch(() => known.delete(w));
  return asked;
}

/**
 * @param {Record<string, string>} words
 * @param {string} key
 * @param {string} [network]
 */
const say = (words, key, network) =>
  loader.text(words[key]).replace('{network}', NAMES[network || ''] || network || '');

/**
 * The networks that were chosen the last time.
 * @param {Comments} w
 * @returns {string[]}
 */
const chosenOf = w => [].concat(w.session.get(CHOSEN) || []);

/**
 * The boxes, before *foot*.
 * @param {Comments} w
 * @param {HTMLElement} foot
 * @returns {Promise<Boxes>}
 */
export async function offerNetworks(w, foot) {
  const node = el('div.mc-nets', {role: 'group'});
  /** @type {HTMLElement} */
  const told = el('span.mc-error', {role: 'alert'});
  // The window opens at once when its button is pressed.
  const [people, first] = await Promise.all([
    import('../../../web/people/people.js'),
    ask(w),
    addSheet('networks.css'),
  ]);
  let now = first;
  let on = chosenOf(w);
  foot.before(node);
  draw();
  return {node, chosen: () => on.filter(name => usable(name))};

  /** @param {string} name */
  function usable(name) {
    return now.accounts.some(one => one.network === name && !one.lost) && offered(name);
  }
  /** @param {string} name */
  function offered(name) {
    return now.networks.some(one => one.name === name);
  }
  /**
   * @param {string} name
   * @param {boolean} checked
   */
  function choose(name, checked) {
    on = on.filter(one => one !== name).concat(checked ? name : []);
    w.session.set(CHOSEN, on);
  }
  /** @param {Known} next */
  function keep(next) {
    now = next;
    known.set(w, Promise.resolve(next));
    draw();
  }

  function draw() {
    const {words} = now;
    node.hidden = !now.networks.length;
    node.setAttribute('aria-label', say(words, 'shareTo'));
    node.replaceChildren(
      el('span.mc-netsaid', null, say(words, 'shareTo')),
      ...now.networks.map(({name}) => {
        const account = now.accounts.find(one => one.network === name);
        if (!account || account.lost) {
          return press(
            'mc-act.mc-netconnect',
            {onclick: () => connect(name)},
            say(words, account ? 'reconnect' : 'connect', name),
          );
        }
        /** @type {any} */
        const box = el('input.mc-tick', {type: 'checkbox', onchange: () => choose(name, box.checked)});
        box.checked = on.includes(name);
        const drop = press(
          'mc-act.mc-netdrop',
          {
            'aria-label': say(words, 'disconnect', name),
            title: say(words, 'disconnect', name),
            onclick: () => disconnect(name),
          },
          '×',
        );
        const label = el('label.mc-choice', null, box, el('bdi', {dir: 'auto', title: account.name}, NAMES[name]));
        return el('span.mc-net', null, label, drop);
      }),
      told,
      ...now.shares
        .filter(one => one.state === 'failed')
        .slice(0, 3)
        .map(one => line(w, words, one, asked)),
    );
  }
  /** Something was asked for once more: how all of it stands now. */
  function asked() {
    known.delete(w);
    ask(w).then(keep, trouble);
  }
  /** @param {any} error */
  function trouble(error) {
    told.textContent = reason(w.t, error);
  }
  /** @param {string} name */
  function disconnect(name) {
    told.textContent = '';
    w.api('DELETE', '/share/accounts/' + name).then(() => {
      choose(name, false);
      keep({...now, accounts: now.accounts.filter(one => one.network !== name)});
      const next = /** @type {HTMLElement | null} */ (node.querySelector('.mc-netconnect'));
      if (next) next.focus();
    }, trouble);
  }
  /** @param {string} name */
  function connect(name) {
    told.textContent = '';
    const verifier = people.base64(crypto.getRandomValues(new Uint8Array(32)));
    const challenge = people.base64(people.sha256(verifier));
    const base = loader.base();
    const query = {return: location.href.split('#')[0], challenge, lang: w.t.lang.slice(0, 2)};
    const url = base + '/share/' + w.site + '/' + name + '?' + new URLSearchParams(query);
    if (!window.open(url, 'cackle-share', 'popup,width=480,height=640')) {
      told.textContent = say(now.words, 'blocked');
      return;
    }
    const origin = new URL(base, location.href).origin;
    const listen = (/** @type {MessageEvent} */ event) => {
      const said = event.data || {};
      if (event.origin !== origin || said.type !== 'cackle:signed-in' || said.challenge !== challenge) return;
      take(said.code);
    };
    // A network may cut the window off from this page: then it comes to this page's address and hands the code on there.
    const hear = (/** @type {StorageEvent} */ event) => {
      const [, whose, code] = /^"([\w-]{43})\.([\w-]+)"$/.exec(event.newValue || '') || [];
      if (event.key === 'cackle:share' && whose === challenge) take(code);
    };
    const stop = () => {
      removeEventListener('message', listen);
      removeEventListener('storage', hear);
    };
    const take = (/** @type {string} */ code) => {
      stop();
      const path = '/share/accounts?' + new URLSearchParams({lang: w.t.lang.slice(0, 2)});
      w.api('POST', path, {body: {code, verifier}}).then(next => {
        choose(name, true);
        keep(next);
        const box = /** @type {HTMLElement | null} */ (node.querySelector('.mc-tick'));
        if (box) box.focus();
      }, trouble);
    };
    addEventListener('message', listen);
    addEventListener('storage', hear);
    setTimeout(stop, PATIENCE);
  }
}

/**
 * How one went, in words.
 * @param {Comments} w
 * @param {Record<string, string>} words
 * @param {Share} share
 * @param {(shares: Share[]) => void} again is told after it was tried once more
 */
function line(w, words, share, again) {
  const {network, state, url} = share;
  const text = say(words, 'state_' + state, network);
  if (state === 'sent' && /^https?:/.test(url)) {
    return el(
      'span.mc-netstate',
      {dir: 'auto'},
      el('a', {href: url, target: '_blank', rel: 'noopener nofollow ugc'}, text),
    );
  }
  if (state !== 'failed') return el('span.mc-netstate', {dir: 'auto'}, text);
  const why = say(words, 'why_' + share.reason, network);
  const onclick = () =>
    w.api('POST', '/shares', {body: {item: share.item, networks: [network]}}).then(
      answer => again(answer.shares),
      () => {
        // It stands there as it was.
      },
    );
  return el(
    'span.mc-netstate',
    {dir: 'auto'},
    text + ' ' + why + ' ',
    press('mc-act.mc-netagain', {onclick}, w.t('retry')),
  );
}

/**
 * Shares a comment that was just written, and says below it how that goes.
 * @param {Comments} w
 * @param {Item} item
 * @param {string[]} networks
 */
export function shareItem(w, item, networks) {
  const name = 'comment:' + item.c.id;
  const node = el('div.mc-shares', {role: 'status'});
  let looks = 0;
  const end = (/** @type {any} */ error) => {
    node.replaceChildren(
      el('span.mc-error', null, reason(w.t, error)),
      ' ',
      press('mc-act', {onclick: send}, w.t('retry')),
    );
  };
  function send() {
    Promise.all([w.api('POST', '/shares', {body: {item: name, networks}}), ask(w), addSheet('networks.css')]).then(
      ([answer, {words}]) => show(words, answer.shares),
      end,
    );
  }
  /**
   * @param {Record<string, string>} words
   * @param {Share[]} shares
   */
  function show(words, shares) {
    const again = (/** @type {Share[]} */ next) => {
      looks = 0;
      show(words, next);
    };
    node.replaceChildren(...shares.map(one => line(w, words, one, again)));
    if (!shares.some(one => one.state === 'waiting') || looks >= LOOKS.length) return;
    setTimeout(() => {
      if (!node.isConnected || w.closed) return;
      w.api('GET', '/shares?' + new URLSearchParams({item: name}), {mine: true}).then(
        answer => show(words, answer.shares),
        () => show(words, shares),
      );
    }, LOOKS[looks++]);
  }
  item.slot.append(node);
  send();
}
