/* Links from letters: loaded where a page was opened by one. */
import {reason} from '../../../web/lib/reasons.js';

/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */

/**
 * A link from a letter goes on with a conversation, once. Gives whether the page was opened by one.
 * @param {ChatPanel} w
 */
export function redeem(w) {
  const found = /#cackled-chat=([^&]+)/.exec(location.hash);
  if (!found) return false;
  history.replaceState(history.state, '', location.pathname + location.search);
  w.session.call('POST', '/chats/resume', {body: {token: found[1]}}).then(
    ({chat, token, channel}) => {
      w.store.clear();
      w.core.keep({chat, token, channel});
      w.duty.share();
      w.resume();
      w.core.toggle(true);
    },
    error => {
      // It was used before: what this browser knows goes on.
      if (w.core.state().chat) w.resume();
      else w.look();
      w.error = reason(w.t, error);
      w.core.toggle(true);
    },
  );
  return true;
}
