/* Signing in from a page of reviews. */
import {notice} from './widget.js';
import {el} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';
import {hearWhoComes} from '../../../web/lib/persons.js';

/** @typedef {import('./widget.js').Reviews} Reviews */

/** @param {Reviews} w */
const hostOf = w => ({
  site: w.site,
  session: w.session,
  t: w.t,
  times: w.times,
  leave: () => w.keep(),
  done: () => mountAnew(w),
  trouble: (/** @type {any} */ error) => notice(w, error && error.status ? w.t('wrong') : w.t('network')),
});

/**
 * All of it once more, as somebody else; drafts are kept.
 * @param {Reviews} w
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
 * Somebody comes back from signing in, or the page's server says somebody else than before.
 * @param {Reviews} w
 */
export function lookWhoComes(w) {
  const {session} = w;
  const code = /^#cackle-signin=([\w-]{20,99})$/.exec(location.hash);
  hearWhoComes(w, () => mountAnew(w));
  if (code) import('../../../web/people/people.js').then(people => people.comeBack(hostOf(w), code[1]));
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
}

/**
 * @param {Reviews} w
 * @param {Event} event
 */
export function showWays(w, event) {
  const anchor = /** @type {HTMLElement} */ (/** @type {Element} */ (event.target).closest('.mcr-signin'));
  import('../../../web/people/people.js').then(
    people => people.openWays(hostOf(w), anchor, w.o),
    () => notice(w, w.t('network')),
  );
}

/** @param {Reviews} w */
export const signButton = w =>
  el(
    'div.mcr-sign',
    null,
    el(
      'button.mcr-btn.mcr-signin',
      {'aria-expanded': 'false', onclick: (/** @type {Event} */ event) => showWays(w, event)},
      w.t('signIn'),
    ),
  );

/**
 * Only for people who signed in, or for some of them.
 * @param {Reviews} w
 * @param {any} problem
 */
export function invite(w, problem) {
  w.node.style.minHeight = '';
  w.held = false;
  const words = /sign-in-first$/.test(problem.type) ? w.t('reviewToRead') : w.t('reviewNoGroup');
  w.node.replaceChildren(el('div.mcr-none', null, el('div', null, words), signButton(w)), w.bar);
  lookWhoComes(w);
}
