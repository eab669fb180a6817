/* Edits and deletes messages of one's own; loaded when that is asked for. */
import {reason} from '../../../web/lib/reasons.js';
import {grow, stopEditing} from './writing.js';

/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */
/** @typedef {import('./store.js').Message} Message */

/**
 * Begins to edit a message; what was typed comes back afterwards.
 * @param {ChatPanel} w
 * @param {Message} message
 */
export function edit(w, message) {
  if (!w.editing) w.draft.flush();
  w.editing = message;
  w.field.value = message.text;
  w.node.classList.add('editing');
  grow(w);
  w.field.focus();
}

/**
 * What was edited becomes the message's text.
 * @param {ChatPanel} w
 * @param {string} text
 */
export async function saveEdit(w, text) {
  const {editing} = w;
  if (!editing || !text) return;
  try {
    const {message} = await w.call1('PATCH', '/messages/' + editing.id, {body: {text}});
    w.store.put(message);
    stopEditing(w);
  } catch (error) {
    w.say(reason(w.t, /** @type {any} */ (error), true));
  }
  w.draw();
}

/**
 * Deletes a message.
 * @param {ChatPanel} w
 * @param {Message} message
 */
export async function remove(w, message) {
  try {
    const answer = await w.call1('DELETE', '/messages/' + message.id);
    w.store.put(answer.message || {...message, deleted: true, html: '', text: ''});
  } catch (error) {
    w.say(reason(w.t, /** @type {any} */ (error)));
  }
  w.draw();
  w.field.focus();
}
