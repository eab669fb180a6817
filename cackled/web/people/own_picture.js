/* The picture that people upload of themselves, on their own card: chosen, cut to a square here, sent. */
import {el, press} from '../lib/dom.js';
import {loader, Promise} from '../lib/loader.js';
import {ownFetch, Refused} from '../lib/fetching.js';

// Points of a side: readers get fewer.
const SIDE = 512;

/**
 * The middle of a picture as a square; itself where this browser can't read it: the server has the last word.
 * @param {Blob} blob
 * @returns {Promise<Blob>}
 */
async function square(blob) {
  let image;
  try {
    image = await createImageBitmap(blob, {imageOrientation: 'from-image'});
  } catch {
    return blob;
  }
  const side = Math.min(image.width, image.height);
  const made = document.createElement('canvas');
  made.width = made.height = Math.min(side, SIDE);
  const context = made.getContext('2d');
  if (!context) return blob;
  const {width, height} = image;
  context.drawImage(image, (width - side) / 2, (height - side) / 2, side, side, 0, 0, made.width, made.height);
  image.close();
  /** @type {Blob | null} */
  const cut = await new Promise(done => made.toBlob(done, 'image/webp', 0.9));
  return cut || blob;
}

/**
 * @param {import('./people.js').Host & {said: (error: any) => string}} host
 * @param {Record<string, any>} me the person, as the server tells
 * @param {(error: any) => void} tell
 * @param {(me: Record<string, any>) => void} changed
 */
export function ownPicture(host, me, tell, changed) {
  const t = host.t;
  const face = el('span.mc-ownface', {'aria-hidden': 'true'});
  const choose = el('input.mc-ownfile', {
    type: 'file',
    accept: 'image/jpeg,image/png,image/webp,image/avif,image/gif,image/heic',
    'aria-label': t('ownPicture'),
    onchange: () => {
      const blob = choose.files && choose.files[0];
      if (blob) work(square(blob).then(made => send('PUT', made)));
      choose.value = '';
    },
  });
  const remove = press('mc-act', {onclick: () => work(send('DELETE'))}, t('pictureRemove'));
  // The name of the file says nothing here: the label is the button.
  const line = el('div.mc-own', null, face, el('label.mc-act.mc-ownpick', null, t('ownPicture'), choose), remove);
  let turn = 0;

  /** @param {Promise<Record<string, any>>} asked */
  function work(asked) {
    tell(null);
    line.setAttribute('aria-busy', 'true');
    choose.disabled = true;
    asked
      .then(
        now => {
          show(now);
          changed(now);
        },
        error => tell(error),
      )
      .then(() => {
        line.removeAttribute('aria-busy');
        choose.disabled = false;
      });
  }

  /**
   * @param {string} method
   * @param {Blob} [body]
   * @returns {Promise<Record<string, any>>}
   */
  async function send(method, body) {
    const headers = {
      Authorization: 'Bearer ' + (await host.session.open()),
      ...(body && {'Content-Type': body.type || 'application/octet-stream'}),
    };
    const url = loader.base() + '/api/v1/sites/' + host.site + '/me/picture';
    /** @type {Response} */
    let answer;
    try {
      answer = await ownFetch(url, {method, headers, body, credentials: 'omit'});
    } catch {
      throw new Refused(0);
    }
    const data = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Refused(answer.status, data, parseFloat(answer.headers.get('Retry-After') || ''));
    return data;
  }

  /** @param {Record<string, any>} now */
  function show(now) {
    face.textContent = '';
    face.hidden = !now.avatar;
    // It stands at the same address as the one before.
    turn++;
    if (now.avatar)
      face.append(
        el('img.mc-ownimg', {
          alt: '',
          src: loader.base() + now.avatar + (turn > 1 ? '?' + turn : ''),
          onerror: () => (face.hidden = true),
        }),
      );
    remove.hidden = !now.picture;
  }
  show(me);
  return line;
}
