// Keys of a page: one letter each, off while somebody types; `?` lists them, `g` shows them on the buttons.
import {effect, html, signal, useEffect} from './libraries.js';
import {Dialog} from './ui/dialog.js';
import {t} from './words.js';

/**
 * @typedef {object} Key
 * @property {string} key as `KeyboardEvent.key`
 * @property {string} label what it does
 * @property {(event: KeyboardEvent) => void} act
 */

const layers = signal(/** @type {Key[][]} */ ([]));
const listed = signal(false);
export const hints = signal(false);

/**
 * The keys of a component, while it is there. The newest come first.
 * @param {Key[]} keys
 */
export function useKeys(keys) {
  useEffect(() => {
    layers.value = [...layers.peek(), keys];
    return () => {
      layers.value = layers.peek().filter(one => one !== keys);
    };
  });
}

/** Whether letters that are typed at *target* are its own. @param {EventTarget | null} target */
export function typing(target) {
  return (
    target instanceof Element &&
    Boolean(target.closest('input:not([type=checkbox],[type=radio]), textarea, select, [contenteditable]'))
  );
}

/** Begin to listen. */
export function startKeys() {
  effect(() => {
    document.documentElement.classList.toggle('hints', hints.value);
  });
  addEventListener('keydown', event => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (typing(event.target) || document.querySelector('dialog[open]')) return;
    if (event.key === '?') {
      listed.value = true;
      return event.preventDefault();
    }
    if (event.key === 'g') {
      hints.value = !hints.value;
      return event.preventDefault();
    }
    for (const layer of [...layers.value].reverse()) {
      const found = layer.find(one => one.key === event.key);
      if (found) {
        event.preventDefault();
        return found.act(event);
      }
    }
  });
}

/** The list of keys, opened by `?`. */
export function KeyList() {
  if (!listed.value) return null;
  const all = layers.value.flat();
  return html`<${Dialog} title=${t('keys.title')} onClose=${() => (listed.value = false)}>
    <dl class="keys">
      ${all.map(
        one =>
          html`<div key=${one.key}>
            <dt><kbd>${one.key}</kbd></dt>
            <dd>${one.label}</dd>
          </div>`,
      )}
      <div>
        <dt><kbd>g</kbd></dt>
        <dd>${t('keys.hints')}</dd>
      </div>
      <div>
        <dt><kbd>?</kbd></dt>
        <dd>${t('keys.title')}</dd>
      </div>
    </dl>
  <//>`;
}
