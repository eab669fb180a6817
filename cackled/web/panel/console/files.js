// Pictures beside messages: those that are there, and those that are on their way.
import {PictureList} from '../../pictures/list.js';
import {sendInParts} from '../../pictures/resumable.js';
import {shrink} from '../../pictures/shrink.js';
import {get, Refused} from '../api.js';
import {html, useState} from '../libraries.js';
import {bytes, percent, reason, t} from '../words.js';

/** How many a message can have. */
const MOST = 8;
/** Bytes above which a file is sent so that it can be gone on with. */
const LARGE = 1e6;

/** Where a picture of ours is; nothing of strangers. @param {any} one */
const address = one => (/^\/(?!\/)/.test(one.url || '') ? one.url : '');

/**
 * Where a file or picture can be had for some time.
 * @param {string} chat
 * @param {import('./kinds.js').File} file
 * @returns {Promise<{url: string}>}
 */
function found(chat, file) {
  const site = file.id.split('-')[0];
  return get(`/sites/${site}/chats/${encodeURIComponent(chat)}/files/${encodeURIComponent(file.id)}`);
}

// Milliseconds after which the address of a picture is asked for again, should that not have been what was wrong.
const AGAIN = 60e3;
/** @type {WeakMap<EventTarget, number>} */
const asked = new WeakMap();

/**
 * A picture is not there: its address may have run out; another one is asked for.
 * @param {string} chat
 * @param {import('./kinds.js').File} file
 * @param {Event} event
 */
async function renew(chat, file, event) {
  const image = /** @type {HTMLImageElement} */ (event.currentTarget);
  const now = Date.now();
  if (now < (asked.get(image) || 0) + AGAIN) return;
  asked.set(image, now);
  const {url} = await found(chat, file);
  image.src = url;
  if (image.parentNode) /** @type {HTMLAnchorElement} */ (image.parentNode).href = url;
}

/**
 * Save a file that is no picture: where it is has to be asked for, and is known for some minutes only.
 * @param {string} chat
 * @param {import('./kinds.js').File} file
 */
async function save(chat, file) {
  const {url} = await found(chat, file);
  const link = document.createElement('a');
  Object.assign(link, {href: url, target: '_blank', rel: 'noopener'});
  link.click();
}

/** @param {{files: import('./kinds.js').File[], chat: string}} props */
export function Files({files, chat}) {
  const [wrong, setWrong] = useState('');
  const there = files.filter(one => one.name || address(one));
  if (!there.length) return null;
  const press = (/** @type {import('./kinds.js').File} */ one) => {
    setWrong('');
    save(chat, one).catch(error => setWrong(reason(error)));
  };
  return html`<ul class="chat-files">
    ${wrong && html`<li class="wrong" role="alert">${wrong}</li>`}
    ${there.map(one =>
      one.name
        ? html`<li key=${one.id}>
            <button type="button" class="chat-file" onClick=${() => press(one)}>
              <bdi>${one.name}</bdi> ${one.bytes && html`<span class="muted">${bytes(one.bytes)}</span>`}
            </button>
          </li>`
        : html`<li key=${one.id}>
            <a href=${address(one)} target="_blank" rel="noopener noreferrer">
              <img
                src=${address(one)}
                alt=${one.alt || t('chat.picture')}
                width=${one.width || 240}
                height=${one.height || 240}
                loading="lazy"
                onError=${(/** @type {Event} */ event) => renew(chat, one, event).catch(() => {})}
                style=${{backgroundColor: /^#[0-9a-f]{3,8}$/i.test(one.color || '') ? one.color : null}}
              />
            </a>
          </li>`,
    )}
  </ul>`;
}

/**
 * One call of the panel's; XMLHttpRequest, because fetch does not tell how much was sent.
 * @param {string} method
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {Blob} [body]
 * @param {(sent: number) => void} [progress] bytes
 * @param {AbortSignal} [signal]
 * @returns {Promise<import('../../pictures/resumable.js').Answer>}
 */
function call(method, url, headers, body, progress, signal) {
  return new Promise(done => {
    const request = new XMLHttpRequest();
    signal?.addEventListener('abort', () => request.abort());
    request.open(method, url);
    Object.entries({'x-cackled-panel': '1', ...headers}).forEach(([name, value]) =>
      request.setRequestHeader(name, value),
    );
    request.timeout = 180_000;
    if (progress) request.upload.onprogress = event => progress(event.loaded);
    request.onloadend = () => {
      let answer;
      try {
        answer = JSON.parse(request.responseText) || {};
      } catch {
        answer = {};
      }
      done({status: request.status, header: name => request.getResponseHeader(name) || '', body: answer});
    };
    request.send(body);
  });
}

/**
 * Send a picture or file; a large one so that a cut connection costs little.
 * @param {string} chat below the API
 * @param {Blob} blob
 * @param {string} name
 * @param {(share: number) => void} progress
 * @param {AbortSignal} signal
 * @returns {Promise<any>}
 */
async function upload(chat, blob, name, progress, signal) {
  /** @type {import('../../pictures/resumable.js').Ask} */
  const ask = (method, path, headers, body, sent) =>
    // What ends an upload is not ended with it.
    call(method, `/api/v1${path}`, headers, body, sent, method === 'DELETE' ? undefined : signal);
  const large = blob.size > LARGE;
  const wait = (/** @type {number} */ ms) => new Promise(done => setTimeout(done, ms));
  const answer = large
    ? await sendInParts(ask, blob, progress, wait, {path: `${chat}/uploads`, name, signal})
    : await ask(
        'POST',
        `${chat}/files${name && `?name=${encodeURIComponent(name)}`}`,
        {'content-type': blob.type || 'application/octet-stream'},
        blob,
        sent => progress(sent / blob.size),
      );
  const made = large ? answer.body.media : answer.body;
  if (answer.status === (large ? 200 : 201) && made) return made;
  const problem = answer.status ? answer.body : {type: 'unreachable'};
  throw new Refused(answer.status, problem, Number(answer.header('retry-after')) || 0);
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
    async (blob, progress, signal) => {
      const name = /** @type {any} */ (blob).name || '';
      const small = blob.type.startsWith('image/') ? await shrink(blob) : blob;
      return upload(`/sites/${site}/chats/${encodeURIComponent(talk.id)}`, small, name.slice(-200), progress, signal);
    },
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
