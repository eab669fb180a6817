// A picture of a poll's option that is kept here: uploaded, seen before it is saved, taken away.
import {post} from '../api.js';
import {html, useRef, useState} from '../libraries.js';
import {shrink} from '../../pictures/shrink.js';
import {complain} from '../toasts.js';
import {t} from '../words.js';

/** @param {{site: string, label: string, url: string, onInput: (url: string) => void}} props *label* names the option */
export function OptionPicture({site, label, url, onInput}) {
  const picker = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [busy, setBusy] = useState(false);
  // A picture that nothing shows yet has an address for who added it.
  const [preview, setPreview] = useState({url: '', at: ''});
  /** @param {any} event */
  const choose = async event => {
    const [file] = event.currentTarget.files;
    event.currentTarget.value = '';
    if (!file) return;
    setBusy(true);
    try {
      const made = await post(`/sites/${site}/pictures`, await shrink(file));
      setPreview({url: made.url, at: made.preview});
      onInput(made.url);
    } catch (error) {
      complain(error);
    }
    setBusy(false);
  };
  if (url.startsWith('/'))
    return html`<div class="option-picture">
      <img src=${preview.url === url ? preview.at : url} alt="" width="96" height="72" />
      <button type="button" aria-label=${`${label}: ${t('polls.image.remove')}`} onClick=${() => onInput('')}>
        ${t('polls.image.remove')}
      </button>
    </div>`;
  return html`<div class="option-picture">
    <input ref=${picker} type="file" accept="image/*" hidden onChange=${choose} />
    <button
      type="button"
      disabled=${busy}
      aria-busy=${busy}
      aria-label=${`${label}: ${t('polls.image.add')}`}
      onClick=${() => picker.current?.click()}
    >
      ${t('polls.image.add')}
    </button>
  </div>`;
}
