// Short messages at the edge of the page, with one thing to do about it: undo, try again, show.
import {html, signal} from './libraries.js';
import {reason, t} from './words.js';

/**
 * @typedef {object} Toast
 * @property {number} id
 * @property {string} text
 * @property {'info' | 'error'} kind
 * @property {string} [label] what the button says
 * @property {() => void} [act]
 * @property {ReturnType<typeof setTimeout>} [timer]
 */

const shown = signal(/** @type {Toast[]} */ ([]));
let last = 0;

/** @param {number} id */
export function dismiss(id) {
  shown.value = shown.value.filter(one => one.id !== id);
}

/**
 * Show a message.
 * @param {string} text
 * @param {{kind?: 'info' | 'error', label?: string, act?: () => void, seconds?: number}} [options]
 * @returns {number} its id
 */
export function toast(text, {kind = 'info', label, act, seconds = kind === 'error' ? 12 : 5} = {}) {
  const id = ++last;
  const timer = setTimeout(() => dismiss(id), seconds * 1000);
  shown.value = [...shown.value.slice(-3), {id, text, kind, label, act, timer}];
  return id;
}

/**
 * Say why something did not work.
 * @param {any} error
 * @param {() => void} [again] tries again
 */
export function complain(error, again) {
  toast(reason(error), {kind: 'error', label: again && t('again'), act: again});
}

/**
 * Say that something was done, with its undo.
 * @param {string} text
 * @param {() => void} undo
 */
export function undoable(text, undo) {
  return toast(text, {label: t('undo'), act: undo, seconds: 10});
}

/** Undo the newest that can be; gives whether there was one. */
export function undoLast() {
  const found = [...shown.peek()].reverse().find(one => one.act && one.kind === 'info');
  if (!found) return false;
  dismiss(found.id);
  found.act?.();
  return true;
}

export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${shown.value.map(
      one =>
        html`<div key=${one.id} class=${`toast ${one.kind}`}>
          <span>${one.text}</span>
          ${
            one.act &&
            html`<button
              type="button"
              class="link"
              onClick=${() => {
                dismiss(one.id);
                one.act?.();
              }}
            >
              ${one.label}
            </button>`
          }
          <button type="button" class="icon" aria-label=${t('close')} onClick=${() => dismiss(one.id)}>×</button>
        </div>`,
    )}
  </div>`;
}
