// The site's logo: uploaded, seen, taken away. Pages, letters and the panel's head show it.
import {ask} from '../api.js';
import {html, useRef, useState} from '../libraries.js';
import {shrink} from '../../pictures/shrink.js';
import {load} from '../session.js';
import {complain, toast} from '../toasts.js';
import {t} from '../words.js';

/** @param {{site: string, setting: string, disabled: boolean, onChanged: () => void}} props */
export function Logo({site, setting, disabled, onChanged}) {
  const picker = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [busy, setBusy] = useState(false);
  /** @param {string} method @param {Blob} [body] */
  const change = async (method, body) => {
    setBusy(true);
    try {
      await ask(method, `/sites/${site}/logo`, {body});
      toast(t('saved'));
      load();
      onChanged();
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
  const [url] = setting.split('#');
  return html`<section class="panel">
    <h2>${t('setting.logo')}</h2>
    <p class="hint">${t('setting.logo.help')}</p>
    ${url && html`<img class="site-logo" src=${url} alt=${t('setting.logo')} />`}
    <input ref=${picker} type="file" accept="image/*" hidden onChange=${choose} />
    <p>
      <button type="button" disabled=${disabled || busy} aria-busy=${busy} onClick=${() => picker.current?.click()}>
        ${t('polls.image.add')}
      </button>
      ${
        url &&
        html` <button type="button" disabled=${disabled || busy} onClick=${() => change('DELETE')}>
          ${t('polls.image.remove')}
        </button>`
      }
    </p>
  </section>`;
}
