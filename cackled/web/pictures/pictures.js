/* Pictures beside what is written: chosen, dropped, pasted or taken; made smaller, sent with progress, described, taken
   away. Loaded when somebody adds the first. */
import {PictureList} from './list.js';
import {sendInParts} from './resumable.js';
import {shrink} from './shrink.js';
import {el, icon} from '../lib/dom.js';
import {href, loader, Promise} from '../lib/loader.js';
import {mayPass, reason} from '../lib/reasons.js';
import {Refused} from '../lib/fetching.js';

/** @typedef {import('./list.js').Kept} Kept */
/** @typedef {import('./list.js').Picture} Picture */
/**
 * @typedef {object} Host
 * @property {HTMLElement} node what is written in: files are dropped on it and pasted into it
 * @property {HTMLElement} place where the pictures stand
 * @property {import('../lib/session.js').Session} session
 * @property {import('../lib/i18n.js').Translate} t
 * @property {string} site
 * @property {number} count how many there may be
 * @property {boolean} [files] others than pictures may be added too, where they are sent to `own`
 * @property {() => {path: string, token: string}} [own] whose they are instead of the site's (`files` and `uploads` stand
 * below it), and as whom they are sent
 * @property {() => void} changed the text may be sent now, or not any more; or there is more to keep in its draft
 */

const CROSS = 'M5 5l10 10M15 5L5 15';
const CAMERA = 'M3 6.5h3.5L8 4h4l1.5 2.5H17v9H3zM10 8.2a2.8 2.8 0 1 0 .01 0';
const AGAIN = 'M15.5 8A6 6 0 1 0 16 10M16 4v4h-4';
// Points.
const THUMBNAIL = 480;
// Bytes above which a file is sent so that it can be gone on with.
const LARGE = 1e6;
const FILES = ',.pdf,.txt,.csv,.tsv,.log,.md,.json';
const TYPES = 'image/jpeg,image/png,image/gif,image/webp,image/avif,image/heic';

/**
 * @param {Host} host
 */
export function openPictures(host) {
  const {node, session, t} = host;
  style(host.place);
  const told = el('div.mc-error', {role: 'alert'});
  const strip = el('ul.mc-pics', {'aria-label': t('addPictures')});
  const chooser = (/** @type {`input.${string}`} */ spec, /** @type {import('../lib/dom.js').Attributes} */ how) => {
    const made = el(spec, {
      ...how,
      type: 'file',
      tabindex: -1,
      'aria-hidden': 'true',
      onchange: () => {
        take([.../** @type {FileList} */ (made.files)]);
        made.value = '';
      },
    });
    return made;
  };
  const input = chooser('input.mc-picfile', {accept: TYPES + (host.files ? FILES : ''), multiple: true});
  // Telephones that are asked for files do not all offer their camera.
  const camera =
    matchMedia('(pointer: coarse)').matches && chooser('input.mc-piccam', {accept: TYPES, capture: 'environment'});
  const photo =
    camera && el('button.mc-picphoto', {onclick: () => camera.click()}, icon(CAMERA), el('span', null, t('takePhoto')));
  if (photo) photo.type = 'button';
  const list = new PictureList(
    host.count,
    async (blob, progress, signal) =>
      upload(pictured(blob) ? await shrink(blob) : blob, progress, /** @type {File} */ (blob).name || '', signal),
    error => ({why: reason(t, error), again: mayPass(error)}),
    () => {
      draw();
      host.changed();
    },
  );
  /** @type {Map<number, ReturnType<typeof card>>} */
  const cards = new Map();
  const box = el('div.mc-picbox', null, strip, told, photo || null, camera || null, input);
  host.place.append(box);
  const drop = (/** @type {DragEvent} */ event) => {
    const files = filesOf(event.dataTransfer, host.files);
    node.classList.remove('mc-drop');
    if (!files.length) return;
    event.preventDefault();
    take(files);
  };
  const over = (/** @type {DragEvent} */ event) => {
    if (!event.dataTransfer || ![...event.dataTransfer.types].includes('Files')) return;
    event.preventDefault();
    node.classList.add('mc-drop');
  };
  const leave = (/** @type {DragEvent} */ event) => {
    if (!node.contains(/** @type {Node | null} */ (event.relatedTarget))) node.classList.remove('mc-drop');
  };
  const paste = (/** @type {ClipboardEvent} */ event) => {
    const files = filesOf(event.clipboardData, host.files);
    // What programs put beside text as a picture of it is not meant.
    if (!files.length || (event.clipboardData && event.clipboardData.getData('text/plain'))) return;
    event.preventDefault();
    take(files);
  };
  node.addEventListener('dragover', over);
  node.addEventListener('dragleave', leave);
  node.addEventListener('drop', drop);
  node.addEventListener('paste', paste);

  /** @param {File[]} files */
  function take(files) {
    told.textContent = files.length > list.room ? t.problem('media-many') : '';
    const added = list.add(files);
    const last = added.length && cards.get(added[added.length - 1].key);
    if (last) last.node.scrollIntoView({block: 'nearest'});
  }

  /**
   * @param {Blob} blob
   * @param {(share: number) => void} progress
   * @param {string} name
   * @param {AbortSignal} signal
   * @returns {Promise<Kept>}
   */
  async function upload(blob, progress, name, signal) {
    const own = host.own && host.own();
    const grant = session.grant();
    const called = own && host.files ? name.slice(-200) : '';
    let token = own ? own.token : await session.open();
    /** @type {import('./resumable.js').Ask} */
    const ask = async (method, path, headers, body, sent) => {
      const more = grant ? (path.includes('?') ? '&' : '?') + 'token=' + encodeURIComponent(grant) : '';
      const url = loader.base() + '/api/v1/sites/' + host.site + path + more;
      // What ends an upload is not ended with it.
      const stop = method === 'DELETE' ? undefined : signal;
      const answer = await call(method, url, {Authorization: 'Bearer ' + token, ...headers}, body, sent, stop);
      if (answer.status !== 401 || own) return answer;
      token = await session.anew();
      return call(method, url, {Authorization: 'Bearer ' + token, ...headers}, body, sent, stop);
    };
    const large = blob.size > LARGE;
    const wait = (/** @type {number} */ ms) => new Promise(done => setTimeout(done, ms));
    const answer = large
      ? await sendInParts(ask, blob, progress, wait, {path: (own ? own.path : '') + '/uploads', name: called, signal})
      : await ask(
          'POST',
          own ? own.path + '/files' + (called && '?name=' + encodeURIComponent(called)) : '/media',
          {'Content-Type': blob.type || 'application/octet-stream'},
          blob,
          sent => progress(sent / blob.size),
        );
    const made = large ? answer.body.media : answer.body;
    if (answer.status !== (large ? 200 : 201) || !made)
      throw new Refused(answer.status, answer.body, parseFloat(answer.header('Retry-After')));
    if (made.name) return {id: made.id, src: '', color: '', alt: '', name: made.name};
    if (made.url) return {id: made.id, src: made.url, color: made.color, alt: ''};
    const files = /** @type {any[]} */ (made.files).filter(one => /webp$/.test(one.type));
    const {src} = files.find(one => one.width >= 320) || files[0];
    return {id: made.id, src, color: made.color, alt: ''};
  }

  /** @param {Picture} one */
  function card(one) {
    const name = one.blob ? !pictured(one.blob) && /** @type {File} */ (one.blob).name : one.kept && one.kept.name;
    const picture = name
      ? el('bdi.mc-picname', null, name)
      : one.blob
        ? thumbnail(one.blob)
        : el('img.mc-pic', {alt: '', src: loader.base() + /** @type {Kept} */ (one.kept).src});
    const state = el('div.mc-picstate', {role: 'status'});
    const bar = el('progress.mc-picbar', {max: 1, 'aria-label': t('pictureSending', {n: 0})});
    const words = el('input.mc-picwords', {
      type: 'text',
      maxlength: 1500,
      placeholder: t('pictureWords'),
      'aria-label': t('pictureWords'),
      dir: 'auto',
      onchange: () => describe(one, words.value.trim()),
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key !== 'Enter') return;
        // Not the whole form.
        event.preventDefault();
        describe(one, words.value.trim());
      },
    });
    words.value = one.alt;
    const again = el(
      'button.mc-picact',
      {'aria-label': t('pictureAgain'), onclick: () => list.again(one)},
      icon(AGAIN),
    );
    const gone = el('button.mc-picact', {'aria-label': t('pictureRemove'), onclick: () => remove(one)}, icon(CROSS));
    again.type = gone.type = 'button';
    return {
      node: el('li.mc-picitem', null, picture, bar, state, words, el('span.mc-picacts', null, again, gone)),
      update() {
        const sending = one.state === 'sending';
        bar.hidden = !sending;
        bar.setAttribute('value', '' + one.share);
        state.hidden = !one.why;
        state.textContent = one.why;
        words.hidden = one.state !== 'done' || !!name;
        again.hidden = one.state !== 'failed';
      },
    };
  }

  /** @param {Picture} one */
  function remove(one) {
    const at = list.all.indexOf(one);
    list.remove(one);
    if (one.kept) session.call('DELETE', '/media/' + one.kept.id).catch(() => {});
    const next = list.all[Math.min(at, list.all.length - 1)];
    const card = next && cards.get(next.key);
    const target = card ? card.node.querySelector('button:not([hidden])') : node.querySelector('textarea');
    if (target) /** @type {HTMLElement} */ (target).focus();
  }

  /**
   * @param {Picture} one
   * @param {string} alt
   */
  function describe(one, alt) {
    if (!one.kept || alt === one.alt) return;
    one.alt = alt;
    session.call('PATCH', '/media/' + one.kept.id, {body: {alt}}).catch(error => {
      told.textContent = reason(t, error);
    });
    host.changed();
  }

  function draw() {
    const there = new Set(list.all.map(one => one.key));
    cards.forEach((one, key) => {
      if (there.has(key)) return;
      one.node.remove();
      cards.delete(key);
    });
    list.all.forEach(one => {
      let made = cards.get(one.key);
      if (!made) {
        cards.set(one.key, (made = card(one)));
        strip.append(made.node);
      }
      made.update();
    });
    if (photo) photo.hidden = list.room < 1;
    box.hidden = !photo && !list.all.length && !told.textContent;
  }

  draw();
  return {
    list,
    /** Ask for files. */
    choose: () => input.click(),
    close() {
      node.removeEventListener('dragover', over);
      node.removeEventListener('dragleave', leave);
      node.removeEventListener('drop', drop);
      node.removeEventListener('paste', paste);
      box.remove();
    },
  };
}

/**
 * XMLHttpRequest, because fetch does not tell how much was sent.
 * @param {string} method
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {Blob} [body]
 * @param {(sent: number) => void} [progress] bytes
 * @param {AbortSignal} [signal]
 * @returns {Promise<import('./resumable.js').Answer>}
 */
async function call(method, url, headers, body, progress, signal) {
  const request = new XMLHttpRequest();
  if (signal) signal.addEventListener('abort', () => request.abort());
  const done = new Promise(resolve => {
    request.onloadend = resolve;
  });
  request.open(method, url);
  Object.entries(headers).forEach(([name, value]) => request.setRequestHeader(name, value));
  request.timeout = 180e3;
  if (progress) request.upload.onprogress = event => progress(event.loaded);
  request.send(body);
  await done;
  /** @type {any} */
  let answer = {};
  try {
    answer = JSON.parse(request.responseText) || {};
  } catch {
    // No body, or none of ours.
  }
  return {status: request.status, header: name => request.getResponseHeader(name) || '', body: answer};
}

/**
 * What a picture looks like, drawn: policies of pages mostly forbid images from blobs.
 * @param {Blob} blob
 */
function thumbnail(blob) {
  const canvas = /** @type {HTMLCanvasElement} */ (/** @type {unknown} */ (el('canvas.mc-pic', {width: 1, height: 1})));
  createImageBitmap(blob, {imageOrientation: 'from-image'}).then(
    image => {
      const share = Math.min(1, THUMBNAIL / image.width);
      canvas.width = Math.max(1, image.width * share);
      canvas.height = Math.max(1, image.height * share);
      const context = canvas.getContext('2d');
      if (context) context.drawImage(image, 0, 0, canvas.width, canvas.height);
      image.close();
    },
    () => {},
  );
  return canvas;
}

/**
 * The styles, into the document or shadow tree that the node is in.
 * @param {HTMLElement} node
 */
function style(node) {
  const sheet = href(loader.paths('pictures.css')[0]);
  const root = node.getRootNode();
  const place = root instanceof ShadowRoot ? root : document.head;
  if ([...place.querySelectorAll('link')].some(one => one.href === new URL(sheet, location.href).href)) return;
  place.prepend(Object.assign(document.createElement('link'), {rel: 'stylesheet', href: sheet}));
}

/** @param {Blob} blob */
const pictured = blob => /^image\//.test(blob.type);

/**
 * @param {DataTransfer | null} given
 * @param {boolean} [all] not pictures alone
 * @returns {File[]}
 */
function filesOf(given, all) {
  return given ? [...given.files].filter(file => all || pictured(file)) : [];
}
