/* Signing in from a widget: its ways, the way back, and all of the widget once more as somebody else. */
import {untilThere} from '../lib/late.js';
import {loader} from '../lib/loader.js';
import {hearWhoComes} from '../lib/persons.js';

/**
 * @typedef {import('../lib/widget.js').Widget} Widget
 * @typedef {(words: string) => void} Tell says what went wrong
 */

/**
 * @param {Widget} w
 * @param {Tell} tell
 */
const hostOf = (w, tell) => ({
  site: w.site,
  session: w.session,
  t: w.t,
  times: w.times,
  leave: () => w.keep(),
  done: () => mountAnew(w),
  trouble: (/** @type {any} */ error) => tell(error && error.status ? w.t('wrong') : w.t('network')),
});

/**
 * All of it once more, as somebody else; drafts are kept.
 * @param {Widget} w
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
 * @param {Widget} w
 * @param {Tell} tell
 */
export function lookWhoComes(w, tell) {
  const {session} = w;
  const code = /^#cackle-signin=([\w-]{20,99})$/.exec(location.hash);
  hearWhoComes(w, () => mountAnew(w));
  if (code)
    untilThere(
      () => import('./people.js'),
      () => tell(w.t('network')),
    ).then(people => people.comeBack(hostOf(w, tell), code[1]));
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
 * The ways to sign in, below the control that asks for them.
 * @param {Widget} w
 * @param {HTMLElement} anchor
 * @param {Tell} tell
 */
export function showWays(w, anchor, tell) {
  import('./people.js').then(
    people => people.openWays(hostOf(w, tell), anchor, w.o),
    () => tell(w.t('network')),
  );
}
