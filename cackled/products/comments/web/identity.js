/* Who the visitor is: what the page's server says, signing in and out, and the invitation where that is needed. */
import {blockAuthor} from './actions.js';
import {badgeOf, notice, signButton} from './widget.js';
import {el} from '../../../web/lib/dom.js';
import {untilThere} from '../../../web/lib/late.js';
import {loader} from '../../../web/lib/loader.js';
import {hearWhoComes} from '../../../web/lib/persons.js';
import {reason} from '../../../web/lib/reasons.js';
import {save} from '../../../web/lib/storage.js';
import {asObject} from '../../../web/lib/values.js';

/** @typedef {import('./widget.js').Comments} Comments */
/** @typedef {typeof import('../../../web/people/people.js')} People */

/**
 * The page's server says somebody else than before, or somebody comes back from signing in.
 * @param {Comments} w
 */
export function lookWhoComes(w) {
  const {session} = w;
  const code = /^#cackle-signin=([\w-]{20,99})$/.exec(location.hash);
  const shared = /^#cackle-share=([\w.-]{60,150})$/.exec(location.hash);
  if (shared) {
    // The page that waits hears it; see networks.js.
    save('share', shared[1]);
    save('share', null);
    history.replaceState(history.state, '', location.href.split('#')[0]);
    window.close();
  }
  if (code)
    untilThere(
      () => import('../../../web/people/people.js'),
      () => notice(w, w.t('network')),
    ).then(people => people.comeBack(hostOf(w), code[1]));
  else if (session.stale()) {
    const was = session.visitor();
    session.open().then(
      () => {
        if (session.visitor() !== was) mountAnew(w);
      },
      () => {
        // The next call tells.
      },
    );
  }
  hearWhoComes(w, () => mountAnew(w));
}

/**
 * @param {Comments} w
 * @param {(people: People) => void} f
 */
function withPeople(w, f) {
  import('../../../web/people/people.js').then(f, () => notice(w, w.t('network')));
}

/**
 * @param {Comments} w
 * @param {HTMLElement} anchor
 * @param {any} author
 */
export function showProfile(w, anchor, author) {
  withPeople(w, people =>
    people.openProfile(hostOf(w), anchor, author, (/** @type {string} */ one) => badgeOf(w, one)),
  );
}

/**
 * What signing in needs of the widget.
 * @param {Comments} w
 */
const hostOf = w => ({
  site: w.site,
  session: w.session,
  t: w.t,
  times: w.times,
  me: w.session.visitor(),
  person: w.session.person(),
  signOut: () => signOut(w),
  said: (/** @type {any} */ error) => reason(w.t, error),
  block: (/** @type {string} */ id) => {
    const item = [...w.store.items.values()].find(one => one.c.author && one.c.author.id === id);
    if (item) blockAuthor(w, item, true);
  },
  leave: () => w.keep(),
  done: () => mountAnew(w),
  trouble: (/** @type {any} */ error) => notice(w, error && error.status ? w.t('wrong') : w.t('network')),
});

/**
 * All of it once more, as somebody else; drafts are kept.
 * @param {Comments} w
 */
function mountAnew(w) {
  const {mounted, node} = w;
  if (w.closed) return;
  w.keep();
  mounted.first = loader.get(w.address());
  mounted.first.catch(() => {
    // Asked again by the widget.
  });
  node.style.minHeight = node.offsetHeight + 'px';
  loader.widgets[w.name](mounted);
}

/**
 * @param {Comments} w
 * @param {Event} event
 */
export function showWays(w, event) {
  const anchor = /** @type {HTMLElement} */ (/** @type {Element} */ (event.target).closest('.mc-signin'));
  withPeople(w, people => people.openWays(hostOf(w), anchor, w.o));
}

/** @param {Comments} w */
export function signOut(w) {
  const sso = asObject(/** @type {any} */ (w.o).sso);
  const after = loader.text(sso.logoutURL);
  w.session.leave().then(
    () => {
      w.fire('logout', {});
      dispatchEvent(new CustomEvent('cackle:person', {detail: w.site}));
      if (typeof sso.logoutCallback === 'function') sso.logoutCallback();
      else if (after) return location.assign(after);
      mountAnew(w);
    },
    () => notice(w, w.t('network')),
  );
}

/**
 * Only for people who signed in, or for some of them.
 * @param {Comments} w
 * @param {any} problem
 */
export function invite(w, problem) {
  w.settings = {signIn: true};
  w.node.style.minHeight = '';
  w.held = false;
  const words = /sign-in-first$/.test(problem.type) ? w.t('toRead') : w.t('noGroup');
  w.node.replaceChildren(el('div.mc-empty.mc-invite', null, el('div', null, words), signButton(w, true)), w.bar);
  lookWhoComes(w);
}
