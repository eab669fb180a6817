// The picture of one's own account: uploaded, seen, taken away. Colleagues see it, and visitors where one answers them.
import {ask} from '../api.js';
import {html, useRef, useState} from '../libraries.js';
import {shrink} from '../../pictures/shrink.js';
import {load, me} from '../session.js';
import {complain, toast} from '../toasts.js';
import {Avatar} from '../ui/parts.js';
import {t} from '../words.js';

export function OwnPicture() {
  const picker = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [busy, setBusy] = useState(false);
  /** Another picture stands at the same address: it is asked for by another one. */
  const [turn, setTurn] = useState(0);
  /** @param {string} method @param {Blob} [body] */
  const change = async (method, body) => {
    setBusy(true);
    try {
      await ask(method, '/auth/me/picture', {body});
      toast(t('saved'));
      await load();
      setTurn(turn + 1);
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
  const account = me.value?.account;
  const url = account?.picture;
  return html`<section class="panel own-picture">
    <h2>${t('account.picture')}</h2>
    <p class="hint">${t('account.picture.text')}</p>
    <${Avatar}
      name=${account?.name || account?.email}
      id=${account?.id}
      picture=${url && (turn ? `${url}?${turn}` : url)}
    />
    <input ref=${picker} type="file" accept="image/*" hidden onChange=${choose} />
    <p>
      <button type="button" disabled=${busy} aria-busy=${busy} onClick=${() => picker.current?.click()}>
        ${t('polls.image.add')}
      </button>
      ${
        url &&
        html` <button type="button" disabled=${busy} onClick=${() => change('DELETE')}>
          ${t('polls.image.remove')}
        </button>`
      }
    </p>
  </section>`;
}
