// A dialog over the page: the browser's own, so that focus stays in it and returns where it came from.
import {html, useEffect, useId, useRef} from '../libraries.js';
import {t} from '../words.js';

/**
 * @param {{title: string, onClose: () => void, wide?: boolean, children?: any, actions?: any}} props
 */
export function Dialog({title, onClose, wide, children, actions}) {
  const node = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  useEffect(() => {
    const dialog = node.current;
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    dialog?.showModal();
    return () => {
      dialog?.close();
      before?.focus?.();
    };
  }, []);
  return html`<dialog
    ref=${node}
    class=${wide ? 'wide' : ''}
    aria-labelledby=${id}
    onCancel=${(/** @type {Event} */ event) => {
      event.preventDefault();
      onClose();
    }}
    onClick=${(/** @type {MouseEvent} */ event) => event.target === node.current && onClose()}
  >
    <div class="dialog">
      <header>
        <h2 id=${id}>${title}</h2>
        <button type="button" class="icon" aria-label=${t('close')} onClick=${onClose}>×</button>
      </header>
      <div class="body">${children}</div>
      ${actions && html`<footer>${actions}</footer>`}
    </div>
  </dialog>`;
}

/**
 * A question before what can't be undone.
 * @param {{title: string, text: string, label: string, onYes: () => void, onClose: () => void, busy?: boolean, children?: any}} props
 */
export function Confirm({title, text, label, onYes, onClose, busy, children}) {
  return html`<${Dialog}
    title=${title}
    onClose=${onClose}
    actions=${html` <button type="button" onClick=${onClose}>${t('cancel')}</button>
      <button type="button" class="danger" disabled=${busy} onClick=${onYes}>${label}</button>`}
  >
    <p>${text}</p>
    ${children}
  <//>`;
}
