// Pictures beside messages: those that are there, and those that are on their way.
import {PictureList} from '../../pictures/list.js';
import {shrink} from '../../pictures/shrink.js';
import {Refused} from '../api.js';
import {html} from '../libraries.js';
import {percent, reason, t} from '../words.js';

/** How many a message can have. */
const MOST = 8;

/** Where a picture of ours is; nothing of strangers. @param {any} one */
const address = one => (/^\/(?!\/)/.test(one.url || '') ? one.url : '');

/** @param {{files: import('./kinds.js').File[]}} props */
export function Files({files}) {
  const there = files.filter(address);
  if (!there.length) return null;
  return html`<ul class="chat-files">
    ${there.map(
      one =>
        html`<li key=${one.id}>
          <a href=${address(one)} target="_blank" rel="noopener noreferrer">
            <img
              src=${address(one)}
              alt=${one.alt || t('chat.picture')}
              width=${one.width || 240}
              height=${one.height || 240}
              loading="lazy"
              style=${{backgroundColor: /^#[0-9a-f]{3,8}$/i.test(one.color || '') ? one.color : null}}
            />
          </a>
        </li>`,
    )}
  </ul>`;
}

/**
 * Send a picture; XMLHttpRequest, because fetch does not tell how much was sent.
 * @param {string} site
 * @param {string} chat
 * @param {Blob} blob
 * @param {(share: number) => void} progress
 * @returns {Promise<any>}
 */
function upload(site, chat, blob, progress) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open('POST', `/api/v1/sites/${site}/chats/${encodeURIComponent(chat)}/files`);
    request.setRequestHeader('x-cackled-panel', '1');
    request.setRequestHeader('content-type', blob.type || 'application/octet-stream');
    request.timeout = 180_000;
    request.upload.onprogress = event => event.lengthComputable && progress(event.loaded / event.total);
    request.onloadend = () => {
      let answer;
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        answer = {};
      }
      if (request.status === 200 || request.status === 201) done(answer);
      else
        failed(
          new Refused(
            request.status,
            request.status ? answer : {type: 'unreachable'},
            Number(request.getResponseHeader('retry-after')) || 0,
          ),
        );
    };
    request.send(blob);
  });
}

/**
 * The pictures that are chosen for a chat; kept by it, so that they go on while another one is looked at.
 * @param {string} site
 * @param {import('./talk.js').Talk} talk
 * @returns {PictureList}
 */
export function filesOf(site, talk) {
  talk.list ??= new PictureList(
    MOST,
    async (blob, progress) => upload(site, talk.id, await shrink(blob), progress),
    error => ({why: reason(error), again: !error.status || error.status >= 500 || error.status === 429}),
    () => {
      talk.files.value = [...talk.list.all];
    },
  );
  return talk.list;
}

/** @param {{list: PictureList, files: any[]}} props */
export function Chosen({list, files}) {
  if (!files.length) return null;
  return html`<ul class="chosen-files" aria-label=${t('chat.attached')}>
    ${files.map(
      (one, n) =>
        html`<li key=${one.key}>
          <bdi>${one.blob?.name || `${t('chat.picture')} ${n + 1}`}</bdi>
          ${one.state === 'sending' && html`<progress max="1" value=${one.share} aria-label=${percent(one.share)}></progress>`}
          ${one.why && html`<span class="wrong" role="alert">${one.why}</span>`}
          ${one.state === 'failed' && html`<button type="button" class="link" onClick=${() => list.again(one)}>${t('again')}</button>`}
          <button type="button" class="icon" aria-label=${t('chat.file.remove')} onClick=${() => list.remove(one)}>
            ×
          </button>
        </li>`,
    )}
  </ul>`;
}
