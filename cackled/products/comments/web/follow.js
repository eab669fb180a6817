/* The way to the bell: a quiet button in the header. The bell itself is loaded when somebody asks for it, follows something, or signed in. */
import {notice} from './widget.js';
import {el, icon, press} from '../../../web/lib/dom.js';
import {subscribe} from '../../../web/lib/live.js';
import {loader} from '../../../web/lib/loader.js';

/** @typedef {import('./widget.js').Comments} Comments */

const BELL =
  'M10 3a4.5 4.5 0 0 0-4.5 4.5c0 4-1.5 5-1.5 5h12s-1.5-1-1.5-5A4.5 4.5 0 0 0 10 3zM8.5 15.5a1.6 1.6 0 0 0 3 0';

/**
 * What the bell needs of the widget.
 * @param {Comments} w
 */
export const bellHost = w => ({
  site: w.site,
  session: w.session,
  t: w.t,
  times: w.times,
  // Pages where nobody has written are followed as well.
  channel: () => w.channel.id,
  subscribe,
  closers: w.closers,
  // The page's word, else that of the site's settings.
  worker: loader.text(/** @type {any} */ (w.o).pushWorker) || loader.text(w.settings.push_worker),
  fire: (/** @type {string} */ name) => w.fire(name, {channel: w.channel}),
  say: (/** @type {string} */ words) => notice(w, words),
  fail: (/** @type {any} */ error) =>
    notice(
      w,
      error && error.problem ? w.t.problem(error.problem.type.split('/').pop(), {n: error.retry}) : w.t('network'),
    ),
});

/** @param {Comments} w */
export function addBell(w) {
  const header = w.node.querySelector('.mc-header');
  if (!header || w.reading) return;
  const rings = w.session.get('level') || loader.load('bell:' + w.site);
  const count = el('span.mc-bellcount', {hidden: true});
  // Who follows something gets the words once the bell knows them: words that change would move.
  const words = el('span.mc-bellwords', null, !rings && w.t('follow'));
  const button = press(
    'mc-act.mc-belltop',
    {
      'aria-haspopup': 'dialog',
      'aria-expanded': 'false',
      'aria-label': w.t('follow'),
      title: w.t('follow'),
      onclick: () => withBell(w, bell => bell.toggle(bellHost(w), box)),
    },
    icon(BELL),
    count,
    words,
  );
  const box = el('div.mc-bell', null, button);
  // It stands in the room that the first render has left, and its words where orders don't stand.
  header.append(box);
  if (rings) withBell(w, bell => bell.ring(bellHost(w), box));
}

/**
 * @param {Comments} w
 * @param {(bell: typeof import('./bell.js')) => void} f
 */
function withBell(w, f) {
  import('./bell.js').then(
    bell => {
      if (!w.closed) f(bell);
    },
    () => notice(w, w.t('network')),
  );
}

/**
 * Follow the author of a comment.
 * @param {Comments} w
 * @param {any} author
 */
export function followAuthor(w, author) {
  const box = /** @type {HTMLElement | null} */ (w.node.querySelector('.mc-bell'));
  withBell(w, bell => bell.followPerson(bellHost(w), box, author));
}
