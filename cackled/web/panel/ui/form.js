// Fields of forms, with their labels, hints and what is wrong with them.
import {html, useId, useRef, useState} from '../libraries.js';
import {reason, t} from '../words.js';

/**
 * The direction of what a field holds: addresses are written from the left, words as their own language is. An empty
 * field is written like the page.
 * @param {string} type
 * @param {any} value
 */
export function fieldDirection(type, value) {
  if (type === 'url' || type === 'email') return 'ltr';
  return value && (type === 'text' || type === 'search') ? 'auto' : null;
}

/**
 * One field: a label, an input, a hint, an error.
 * @param {{label: string, type?: string, value?: any, onInput?: (value: string) => void, hint?: any, error?: string,
 *   area?: boolean, rows?: number, [more: string]: any}} props
 */
export function Field({label, type = 'text', value, onInput, hint, error, area, ...rest}) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ') || null;
  const all = {
    id,
    value: value ?? '',
    dir: fieldDirection(area ? 'text' : type, value),
    'aria-describedby': described,
    'aria-invalid': error ? 'true' : null,
    onInput: (/** @type {any} */ event) => onInput?.(event.currentTarget.value),
    ...rest,
  };
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${area ? html`<textarea ...${all}></textarea>` : html`<input type=${type} ...${all} />`}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${error && html`<p class="wrong" id=${`${id}-error`}>${error}</p>`}
  </div>`;
}

/**
 * A choice out of a few.
 * @param {{label: string, value: string, options: [string, string][], onInput: (value: string) => void, hint?: any, [more: string]: any}} props
 */
export function Choice({label, value, options, onInput, hint, ...rest}) {
  const id = useId();
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <select
      id=${id}
      value=${value}
      aria-describedby=${hint ? `${id}-hint` : null}
      ...${rest}
      onChange=${(/** @type {any} */ event) => onInput(event.currentTarget.value)}
    >
      ${options.map(([key, name]) => html`<option key=${key} value=${key} selected=${key === value}>${name}</option>`)}
    </select>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}

/**
 * @param {{label: any, checked: boolean, onInput: (value: boolean) => void, hint?: any, [more: string]: any}} props
 */
export function Check({label, checked, onInput, hint, ...rest}) {
  const id = useId();
  return html`<div class="check">
    <input
      type="checkbox"
      id=${id}
      checked=${checked}
      aria-describedby=${hint ? `${id}-hint` : null}
      ...${rest}
      onChange=${(/** @type {any} */ event) => onInput(event.currentTarget.checked)}
    />
    <label for=${id}>${label}</label>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}

/**
 * A form that calls the server once at a time and says what went wrong above its buttons. Where a colleague was
 * faster, *onTheirs* shows what they made of it.
 * @param {{onSubmit: () => Promise<any>, label: string, children?: any, extra?: any, disabled?: boolean, class?: string, onTheirs?: () => any}} props
 */
export function Form({onSubmit, label, children, extra, disabled, onTheirs, ...rest}) {
  const [busy, setBusy] = useState(false);
  const [late, setLate] = useState(false);
  const [wrong, setWrong] = useState('');
  const error = useRef(/** @type {HTMLElement | null} */ (null));
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setWrong('');
    setLate(false);
    try {
      await onSubmit();
    } catch (caught) {
      setWrong(reason(caught));
      setLate(/** @type {any} */ (caught)?.status === 412);
      setTimeout(() => error.current?.focus());
    } finally {
      setBusy(false);
    }
  };
  return html`<form class=${rest.class || 'stack'} onSubmit=${submit} novalidate=${false}>
    ${children} ${wrong && html`<p class="wrong" role="alert" tabindex="-1" ref=${error}>${wrong}</p>`}
    <div class="actions">
      <button class="primary" disabled=${busy || disabled} aria-busy=${busy ? 'true' : null}>${label}</button>
      ${extra} ${late && onTheirs && html`<button type="button" onClick=${onTheirs}>${t('rules.theirs')}</button>`}
    </div>
  </form>`;
}

/**
 * A text that is shown once and can be copied: a key, a link, codes.
 * @param {{label: string, text: string, rows?: number}} props
 */
export function Copy({label, text, rows}) {
  const [done, setDone] = useState(false);
  const id = useId();
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setDone(true);
      setTimeout(() => setDone(false), 2000);
    } catch {
      /** @type {HTMLInputElement | null} */ (document.getElementById(id))?.select();
    }
  };
  return html`<div class="field copy">
    <label for=${id}>${label}</label>
    <div class="row">
      ${
        rows
          ? html`<textarea id=${id} readonly rows=${rows} class="code">${text}</textarea>`
          : html`<input
              id=${id}
              readonly
              class="code"
              value=${text}
              onFocus=${(/** @type {any} */ e) => e.currentTarget.select()}
            />`
      }
      <button type="button" onClick=${copy}>${done ? t('copied') : t('copy')}</button>
    </div>
  </div>`;
}
