/* What was said before: loaded when it is asked for. */
import {reason} from '../../../web/lib/reasons.js';

/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */

/**
 * Loads older messages; what is seen stays where it is.
 * @param {ChatPanel} w
 */
export async function earlier(w) {
  const {messages} = w.store;
  const height = w.scroll.scrollHeight;
  try {
    w.log.setAttribute('aria-live', 'off');
    w.store.take(await w.call1('GET', '/messages?size=50&before=' + (messages[0] ? messages[0].seq : 0)), true);
    w.draw();
    w.scroll.scrollTop += w.scroll.scrollHeight - height;
  } catch (error) {
    w.say(reason(w.t, /** @type {any} */ (error)));
  }
  w.log.setAttribute('aria-live', 'polite');
}
