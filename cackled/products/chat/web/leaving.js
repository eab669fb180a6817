/* Leaves a conversation for another, follows what another tab did. */

/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */

/**
 * The conversation is over; what is typed or failed goes into another.
 * @param {ChatPanel} w
 */
export function startAgain(w) {
  forget(w);
  w.store.pending.forEach(one => (one.state = 'wait'));
  if (w.store.pending.length && !w.form) w.flush();
  w.draw();
  w.field.focus();
}

/**
 * Another conversation may begin.
 * @param {ChatPanel} w
 */
export function forget(w) {
  unfollow(w);
  w.token = '';
  w.score = 0;
  w.copied = false;
  const {chat} = w.core.state();
  w.core.keep({chat: null, token: null, channel: null});
  w.duty.share(chat);
  w.form = null;
  w.core.first = null;
  w.look();
}

/** @param {ChatPanel} w */
function unfollow(w) {
  w.store.clear();
  if (w.sub) w.sub.close();
  w.sub = null;
}

/**
 * What another tab did.
 * @param {ChatPanel} w
 * @param {Record<string, any>} values
 */
export function heard(w, values) {
  if (!('chat' in values)) return;
  if (values.chat && values.chat !== w.store.chat.id) {
    w.store.clear();
    w.resume();
  } else if (!values.chat && w.store.chat.id) {
    unfollow(w);
    w.look();
  }
}
