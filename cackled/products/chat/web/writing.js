/* The composer: what is typed, edited, handed over to be sent (sending.js). */
import {uid} from '../../../web/lib/values.js';

/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */

const TALLEST = 132;

/**
 * The text has changed.
 * @param {ChatPanel} w
 */
export function typed(w) {
  grow(w);
  w.error = '';
  over(w);
  w.draft.touch();
  if (w.token && w.field.value && w.store.chat.state !== 'closed') w.duty.typing();
}

/**
 * Says how much of the text is too much; it stays, and is not sent. Gives whether it is too long.
 * @param {ChatPanel} w
 */
function over(w) {
  const {length} = [...w.field.value.trim()];
  const n = length - w.info.max_length;
  w.say(n > 0 ? w.t('over', {n}) : '');
  return n > 0;
}

/**
 * The field is as tall as its text.
 * @param {ChatPanel} w
 */
export function grow(w) {
  w.field.style.height = '0';
  w.field.style.height = Math.min(TALLEST, w.field.scrollHeight) + 'px';
}

/**
 * Puts text where the caret is.
 * @param {ChatPanel} w
 * @param {string} text
 */
export function insert(w, text) {
  w.field.setRangeText(text, w.field.selectionStart, w.field.selectionEnd, 'end');
  w.smile.click();
  w.field.focus();
  typed(w);
}

/**
 * What is in the field is sent, or becomes the new text of the message that is edited.
 * @param {ChatPanel} w
 */
export function submit(w) {
  const text = w.field.value.trim();
  if (over(w)) return w.field.focus();
  if (w.editing) return w.late(() => import('./editing.js')).then(({saveEdit}) => saveEdit(w, text));
  if (w.form && !w.form.check()) return;
  if (w.files && w.files.unsettled()) return w.say(w.t('chatFilesWait'));
  const files = w.files ? w.files.take() : [];
  if (!text && !files.length) return w.field.focus();
  w.field.value = '';
  w.draft.drop();
  grow(w);
  write(w, text, files);
}

/**
 * Sends a text.
 * @param {ChatPanel} w
 * @param {string} text
 * @param {import('../../../web/pictures/list.js').Kept[]} [files]
 */
export function write(w, text, files) {
  w.store.write(text, uid(), Date.now(), files);
  w.keepUnsent();
  w.draw();
  w.bottom();
  w.flush();
}

/** @param {ChatPanel} w */
export function stopEditing(w) {
  w.editing = null;
  w.node.classList.remove('editing');
  w.field.value = w.draft.stored;
  grow(w);
}
