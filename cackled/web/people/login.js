/* Login: signing in and out by itself, anywhere in a page. The other widgets of the page hear of it at once, and it of what they do. */
import {el, press} from '../lib/dom.js';
import {makeWords} from '../lib/i18n.js';
import {loader} from '../lib/loader.js';
import {readOptions} from '../lib/options.js';
import {hearWhoComes, whoIs} from '../lib/persons.js';
import {openSession} from '../lib/session.js';
import {watchTheme} from '../lib/theme.js';
import {makeTimes} from '../lib/time.js';

/** @typedef {import('../lib/loader.js').Mounted} Mounted */

/** @type {Map<HTMLElement, () => void>} what stands in the page: how it goes */
const standing = new Map();

/** @param {Mounted} mounted */
async function mount({options, site, lang}) {
  const id = loader.text(options.container) || 'mc-login';
  const node = /** @type {HTMLElement} */ (document.getElementById(id));
  if (!node) return loader.warn('container', id);
  const {bundles, locales} = loader.config;
  const short = lang.slice(0, 2);
  const styled = loader.lazy('login.css').catch(() => {
    // It can be used without.
  });
  // The words of any widget have those that all share.
  const {words = []} = Object.values(bundles).find(one => one.words) || {};
  if (locales.includes(short)) {
    await loader.files(words.map(path => path.replace('*', short))).catch(() => {
      // In English, then.
    });
  }
  await styled;
  standing.forEach((close, other) => {
    if (other === node || !other.isConnected) {
      standing.delete(other);
      close();
    }
  });
  const o = /** @type {any} */ (readOptions(options));
  const t = makeWords(lang, o.msg, '');
  const session = openSession(site, o.token, o.renew, o.said);
  /** @type {(() => void)[]} */
  const closers = [];
  standing.set(node, () => {
    closers.forEach(f => f());
    node.replaceChildren();
  });
  const told = el('span.mc-loginsaid', {role: 'status'});
  const host = {
    site,
    session,
    t,
    times: makeTimes(t),
    /** @type {string | null} */
    me: null,
    /** @type {Record<string, any> | null} */
    person: null,
    /** @param {EventTarget} target @param {string} type @param {(event: any) => void} f */
    listen(target, type, f) {
      target.addEventListener(type, f);
      closers.push(() => target.removeEventListener(type, f));
    },
    leave: () => {},
    done: () => changed(),
    signOut,
    said: () => t('wrong'),
    trouble: (/** @type {any} */ error) => {
      told.textContent = error && error.status ? t('wrong') : t('network');
    },
  };
  let was = whoIs(site);

  /**
   * The page's own functions; what they throw is theirs.
   * @param {any} f
   * @param {unknown[]} what
   */
  function call(f, ...what) {
    try {
      if (typeof f === 'function') f(...what);
    } catch (error) {
      setTimeout(() => {
        throw error;
      });
    }
  }
  /** @param {string} name @param {unknown} data */
  const fire = (name, data) => [].concat(o.callback[name] || []).forEach(f => call(f, data));

  function changed() {
    const now = whoIs(site);
    if (now === was) return draw();
    was = now;
    draw();
    const {person} = host;
    if (!person) return fire('logout', {});
    fire('loggedin', {...person, id: host.me});
    return session.open().then(token => {
      call(o.callbackjs, token, {...person, id: host.me});
      goOn(loader.text(o.redirect), token);
    });
  }

  async function signOut() {
    const sso = Object(o.sso);
    try {
      await session.leave();
    } catch (error) {
      return host.trouble(error);
    }
    changed();
    dispatchEvent(new CustomEvent('cackle:person', {detail: site}));
    if (typeof sso.logoutCallback === 'function') return call(sso.logoutCallback);
    if (/^(https?:)?\//.test(loader.text(sso.logoutURL))) location.assign(loader.text(sso.logoutURL));
  }

  /** @param {(people: typeof import('./people.js')) => void} f */
  const withPeople = f => {
    // What opens stays within the window, wherever in the page this stands.
    const {left, right} = (node.firstElementChild || node).getBoundingClientRect();
    node.classList.toggle('mc-loginend', left + right > innerWidth);
    return import('./people.js').then(f, () => host.trouble(null));
  };

  function draw() {
    const {level, visitor, person} = Object(loader.load(site));
    host.me = visitor || null;
    host.person = level ? Object(person) : null;
    told.textContent = '';
    if (!host.person) {
      /** @type {HTMLElement} */
      const button = el(
        'button.mc-loginbutton',
        {'aria-expanded': 'false', onclick: () => withPeople(people => people.openWays(host, button, o))},
        t('signIn'),
      );
      return node.replaceChildren(el('div.mc-loginbox', null, button), told);
    }
    const name = loader.text(host.person.name) || t('guest');
    const author = {id: host.me || '', name};
    /** @type {HTMLElement} */
    const own = press(
      'mc-loginname',
      {
        'aria-haspopup': 'dialog',
        onclick: () => withPeople(people => people.openProfile(host, own, author, () => null)),
      },
      el('bdi', {dir: 'auto'}, name),
    );
    return node.replaceChildren(
      el(
        'div.mc-loginbox',
        null,
        faceOf(host.person.avatar, name),
        el('span.mc-loginwho', null, own),
        press('mc-loginout', {onclick: () => signOut()}, t('signOut')),
      ),
      told,
    );
  }

  node.classList.add('mc-login');
  node.lang = t.lang;
  closers.push(watchTheme(node, o.theme));
  draw();
  hearWhoComes(host, changed);
  const code = /^#cackle-signin=([\w-]{20,99})$/.exec(location.hash);
  if (code) withPeople(people => people.comeBack(host, code[1]));
  else if (session.stale()) {
    session.open().then(changed, () => {
      // As a guest; the page's owner was told.
    });
  }
}

/**
 * Where the page wants whoever has just signed in to go: by POST, with the session's token, which its server shows to
 * GET /api/v1/sites/{site}/me to learn who that is.
 * @param {string} address
 * @param {string} token
 */
function goOn(address, token) {
  if (!address) return;
  let action;
  try {
    action = new URL(address, location.href);
  } catch {
    return;
  }
  if (!/^https?:$/.test(action.protocol)) return;
  const field = el('input', {type: 'hidden', name: 'token', value: token});
  const form = /** @type {HTMLFormElement} */ (el('form', {method: 'post', action: action.href, hidden: true}, field));
  document.body.append(form);
  form.submit();
}

/**
 * A picture, else the first letter.
 * @param {unknown} avatar
 * @param {string} name
 */
function faceOf(avatar, name) {
  const face = el('span.mc-loginface', {'aria-hidden': 'true'}, [...name.trim()][0] || '?');
  let picture = loader.text(avatar);
  if (picture[0] === '/' && picture[1] !== '/') picture = loader.base() + picture;
  if (!/^https?:/.test(picture)) return face;
  /** @type {HTMLElement} */
  const image = el('img', {src: picture, alt: '', referrerpolicy: 'no-referrer', onerror: () => image.remove()});
  face.append(image);
  return face;
}

loader.widgets.Login = mounted => {
  mount(mounted).catch(error => {
    console.error('cackle', error);
  });
};
