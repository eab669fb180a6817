// The picture of one's own account: uploaded, seen, taken away. Colleagues see it, and visitors where one answers them.
import {html, useState} from '../libraries.js';
import {load, me} from '../session.js';
import {Avatar} from '../ui/parts.js';
import {PictureButtons} from '../ui/picture_buttons.js';
import {t} from '../words.js';

export function OwnPicture() {
  /** Another picture stands at the same address: it is asked for by another one. */
  const [turn, setTurn] = useState(0);
  const changed = async () => {
    await load();
    setTurn(turn + 1);
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
    <${PictureButtons} path="/auth/me/picture" there=${!!url} onChanged=${changed} />
  </section>`;
}
