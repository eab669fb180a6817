// Buttons that upload one picture, or take it away.
import {ask} from '../api.js';
import {html, useRef, useState} from '../libraries.js';
import {shrink} from '../../pictures/shrink.js';
import {complain, toast} from '../toasts.js';
import {t} from '../words.js';

/**
 * @param {{path: string, there: boolean, disabled?: boolean, onChanged: () => unknown}} props *path*: where it is put;
 *   *there*: whether there is one; *onChanged* may take its time, until which the buttons wait
 */
export function PictureButtons({path, there, disabled = false, onChanged}) {
  const picker = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [busy, setBusy] = useState(false);
  /** @param {string} method @param {Blob} [body] */
  const change = async (method, body) => {
    setBusy(true);
    try {
      await ask(method, path, {body});
      toast(t('saved'));
      await onChanged();
    } catch (error) {
      complain(error);
    }
    setBusy(false);
  };
  /** @param {any} event */
  const choose = async event => {
    const [file] = event.currentTarget.files;
    event.currentTarget.value = '';
    if (file) change('PUT', await shrink(file));
  };
  return html`<input ref=${picker} type="file" accept="image/*" hidden onChange=${choose} />
    <p>
      <button type="button" disabled=${disabled || busy} aria-busy=${busy} onClick=${() => picker.current?.click()}>
        ${t('polls.image.add')}
      </button>
      ${
        there &&
        html` <button type="button" disabled=${disabled || busy} onClick=${() => change('DELETE')}>
          ${t('polls.image.remove')}
        </button>`
      }
    </p>`;
}
