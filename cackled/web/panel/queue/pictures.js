// The pictures of an item: small in its card, large in a dialog with what their author said of them.
import {html, useLayoutEffect, useState} from '../libraries.js';
import {Dialog} from '../ui/dialog.js';
import {Mark} from '../ui/parts.js';
import {t} from '../words.js';

/** @typedef {{id: string, thumb: string, url: string, alt: string, width: number, height: number, color: string, waits: boolean}} Picture */

/** Whether it lies here: what lies elsewhere is not loaded, only named. @param {Picture} one */
const here = one => /^\/(media|avatar)\//.test(one.url);
/** @param {Picture} one */
const colour = one => (/^#[\da-f]{6}$/.test(one.color) ? one.color : 'transparent');

/** @param {{pictures: Picture[], at: number, onMove: (to: number) => void, onClose: () => void}} props */
function Large({pictures, at, onMove, onClose}) {
  const one = pictures[at];
  const [failed, setFailed] = useState('');
  useLayoutEffect(() => {
    /** @param {KeyboardEvent} event */
    const press = event => {
      const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
      if (!step) return;
      event.preventDefault();
      const way = document.documentElement.dir === 'rtl' ? -step : step;
      onMove((at + way + pictures.length) % pictures.length);
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, [at, pictures.length, onMove]);
  const title = t('item.picture', {n: at + 1, of: pictures.length});
  return html`<${Dialog}
    title=${title}
    wide
    onClose=${onClose}
    actions=${
      pictures.length > 1 &&
      html`<button type="button" onClick=${() => onMove((at + pictures.length - 1) % pictures.length)}>
          ${t('item.picture.before')}
        </button>
        <button type="button" onClick=${() => onMove((at + 1) % pictures.length)}>${t('item.picture.next')}</button>`
    }
  >
    <figure class="large-picture">
      ${
        failed === one.url
          ? html`<p role="alert">${t('item.picture.failed')}</p>`
          : html`<img
              key=${one.url}
              src=${one.url}
              alt=${one.alt || title}
              width=${one.width || undefined}
              height=${one.height || undefined}
              style=${{background: colour(one)}}
              onError=${() => setFailed(one.url)}
            />`
      }
      <figcaption>
        ${one.waits && html`<${Mark} kind="warn">${t('item.revision')}<//> `}${one.alt ? html`<bdi>${one.alt}</bdi>` : html`<span class="muted">${t('item.picture.no_alt')}</span>`}
      </figcaption>
    </figure>
  <//>`;
}

/** @param {{pictures?: Picture[]}} props */
export function Pictures({pictures}) {
  const [at, setAt] = useState(-1);
  if (!pictures?.length) return null;
  const own = pictures.filter(here);
  const others = pictures.filter(one => !here(one));
  return html`<ul class="item-pictures" aria-label=${t('item.pictures')}>
      ${own.map(
        (one, place) =>
          html`<li key=${one.id} class=${one.waits ? 'waits' : ''}>
            <button
              type="button"
              aria-label=${t('item.picture.open', {name: one.alt || t('item.picture', {n: place + 1, of: own.length})})}
              title=${one.alt}
              onClick=${() => setAt(place)}
            >
              <img
                src=${one.thumb}
                alt=""
                width="96"
                height="96"
                loading="lazy"
                decoding="async"
                style=${{background: colour(one)}}
              />
            </button>
            ${one.alt && html`<span class="muted alt"><bdi>${one.alt}</bdi></span>`}
          </li>`,
      )}
      ${others.map(
        one =>
          html`<li key=${one.url}>
            <a href=${one.url} target="_blank" rel="noopener noreferrer nofollow"><bdi>${one.alt || one.url}</bdi></a>
          </li>`,
      )}
    </ul>
    ${at >= 0 && at < own.length && html`<${Large} pictures=${own} at=${at} onMove=${setAt} onClose=${() => setAt(-1)} />`}`;
}
