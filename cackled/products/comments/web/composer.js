/* Writing, as far as the first render shows it: the field, or why there is none. The rest comes with composing.js. */
import {isMute, nameOf, signButton, whenReady} from './widget.js';
import {el} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';

/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./widget.js').Comments} Comments */
/**
 * What a box is for: nothing of it makes the main box, `parent` a reply, `edit` an edit.
 * @typedef {object} Purpose
 * @property {Item} [parent]
 * @property {Item} [to] whom a reply answers, where that is deeper than replies may hang
 * @property {Item} [edit]
 * @property {string} [text]
 * @property {import('../../../web/pictures/list.js').Kept[]} [pictures] of what is edited
 * @property {(text: string, media?: string[]) => Promise<unknown>} [send]
 * @property {(error: any) => string} [why] what to say of an error
 * @property {() => void} [done]
 */
/**
 * @typedef {object} Composer
 * @property {HTMLElement} node
 * @property {any} input nothing where nothing can be written
 * @property {HTMLElement} [box] that the field stands in
 * @property {(text: string) => void} set
 * @property {(event: KeyboardEvent) => void} [keys] there once it is whole
 * @property {() => void} [send]
 * @property {(kept: any[]) => void} [add] pictures
 * @property {() => string[]} [nets] networks that it is shared on
 */

/**
 * @param {Comments} w
 * @param {Purpose} how
 * @returns {Composer}
 */
export function shellOf(w, how) {
  const {t} = w;
  /** @param {HTMLElement} node */
  const nothing = node => ({node, input: null, set: () => {}});
  if (w.reading) return nothing(el('div.mc-empty', null, t('readonly')));
  if (w.channel.locked && !how.edit) return nothing(el('div.mc-empty', null, t('closed')));
  if (isMute(w)) {
    return nothing(el('div.mc-empty.mc-invite', null, el('div', null, t('toWrite')), signButton(w, true)));
  }
  const label =
    how.parent && how.to ? t('replyTo', {name: nameOf(w, how.to.c.author)}) : how.edit ? t('edit') : t('join');
  const input = el('textarea.mc-input', {
    rows: 1,
    placeholder: label,
    'aria-label': label,
    dir: 'auto',
    name: 'mc-text',
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (made.keys) made.keys(event);
      // Before the rest has come.
      else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
        whenReady(w, later => {
          later.dress(w, made, how);
          /** @type {any} */ (made.send)();
        });
      }
    },
  });
  // Ignored where it is no number.
  input.style.minHeight = parseInt(loader.text(/** @type {any} */ (w.o).textHigh)) + 'px';
  const box = el('div.mc-box', null, input);
  const node = el('form.mc-form', {onfocusin: () => node.classList.add('mc-open'), novalidate: true}, box);
  /** @type {Composer} */
  const made = {node, box, input, set: () => {}};
  return made;
}
