/* The face of an author: a picture, else how the name begins on a colour of their own. */
import {el} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';

/** @param {string} text */
function hue(text) {
  let h = 0;
  for (let i = 0; i < text.length; i++) h = (h * 31 + text.charCodeAt(i)) >>> 0;
  return (h * 47) % 360;
}
/** @param {string} name */
function initial(name) {
  const text = name.trim();
  let first;
  try {
    first = /** @type {any} */ (new Intl.Segmenter().segment(text)[Symbol.iterator]().next().value).segment;
  } catch {
    first = [...text][0];
  }
  return (first || '?').toUpperCase();
}

/** @param {any} author */
export function avatarOf(author) {
  const face = el('div.mc-avatar', {'aria-hidden': 'true'});
  if (!author) return face;
  face.textContent = initial(author.name || '?');
  if (author.id) face.style.setProperty('--mc-hue', '' + hue(author.id));
  else face.classList.add('mc-nobody');
  // Pictures come by way of the server: whose they are learns nothing of the reader.
  const picture = /^\/avatar\//.test(author.avatar) ? loader.base() + author.avatar : author.avatar;
  if (picture && /^https?:/.test(picture)) {
    const image = /** @type {HTMLImageElement} */ (
      el('img.mc-face', {
        alt: '',
        loading: 'lazy',
        decoding: 'async',
        referrerpolicy: 'no-referrer',
        onerror: () => image.remove(),
      })
    );
    image.src = picture;
    face.append(image);
  }
  return face;
}
