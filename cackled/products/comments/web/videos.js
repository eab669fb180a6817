/* Videos that a comment names by a line that is nothing but their address: a button below it. Nothing foreign is loaded before it is pressed. */
import {el, press} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';

/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./widget.js').Comments} Comments */
/** @typedef {{name: string, url: string}} Video whose it is, and its player */

// Videos of one comment.
const MOST = 3;
const PLAY = 'M7 4.5l8 5.5-8 5.5z';
const YOUTUBE = /^(www\.|m\.)?youtube(-nocookie)?\.com$/;

/**
 * @param {string | null | undefined} id
 * @returns {Video | null}
 */
const youtube = id =>
  /^[\w-]{11}$/.test(id || '')
    ? {name: 'YouTube', url: 'https://www.youtube-nocookie.com/embed/' + id + '?autoplay=1&playsinline=1'}
    : null;

/**
 * The video that an address is of; null: of none that we know. (The same addresses as cackled/domain/videos.py.)
 * @param {string} address
 * @returns {Video | null}
 */
export function videoAt(address) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  const path = url.pathname.split('/').filter(Boolean);
  const host = url.hostname;
  if (!/^https?:$/.test(url.protocol)) return null;
  if (/^(www\.)?youtu\.be$/.test(host)) return youtube(path[0]);
  if (YOUTUBE.test(host)) {
    if (path[0] === 'watch') return youtube(url.searchParams.get('v'));
    return path.length === 2 && /^(embed|shorts|live|v)$/.test(path[0]) ? youtube(path[1]) : null;
  }
  if (!/^((www|player)\.)?vimeo\.com$/.test(host)) return null;
  const [id, secret = url.searchParams.get('h') || ''] = path[0] === 'video' ? path.slice(1) : path;
  if (!/^\d{1,12}$/.test(id || '') || !/^([\da-f]{6,20})?$/.test(secret)) return null;
  return {
    name: 'Vimeo',
    url: 'https://player.vimeo.com/video/' + id + '?dnt=1&autoplay=1' + (secret ? '&h=' + secret : ''),
  };
}

/**
 * What the button of a video says: the name that its site gives it, where that is known and wanted.
 * @param {Comments} w
 * @param {Item} item
 * @param {string} href
 * @param {string} site
 */
function title(w, {c}, href, site) {
  const known = w.settings.previews && (c.links || []).find((/** @type {any} */ one) => one.video && one.url === href);
  return (known && loader.text(known.title)) || site;
}

/** @param {Node | null} node */
const isEnd = node => !node || node.nodeName === 'BR';

/**
 * Puts the buttons below the text of a comment.
 * @param {Comments} w
 * @param {Item} item
 */
export function showVideos(w, item) {
  const links = [...item.text.querySelectorAll('p > a')].filter(
    link => isEnd(link.previousSibling) && isEnd(link.nextSibling),
  );
  const found = links.flatMap(link => {
    const {href} = /** @type {HTMLAnchorElement} */ (link);
    const video = videoAt(href);
    return video ? [{...video, href}] : [];
  });
  if (!found.length) return;
  const place = el('div.mc-videos');
  found.slice(0, MOST).forEach(video => {
    const name = title(w, item, video.href, video.name);
    const words = w.t('playVideo', {name});
    /** @type {HTMLElement} */
    const button = press(
      'mc-video',
      {
        onclick: () => {
          const frame = el('iframe.mc-video', {
            src: video.url,
            title: name,
            allow: 'autoplay; fullscreen; picture-in-picture; encrypted-media',
            allowfullscreen: true,
            referrerpolicy: 'strict-origin-when-cross-origin',
            sandbox: 'allow-scripts allow-same-origin allow-popups allow-presentation',
          });
          button.replaceWith(frame);
          frame.focus();
        },
      },
      play(),
      el('span', {dir: 'auto'}, words),
    );
    place.append(button);
  });
  item.acts.before(place);
}

function play() {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  Object.entries({viewBox: '0 0 20 20', width: 28, height: 28, 'aria-hidden': 'true'}).forEach(([key, value]) =>
    svg.setAttribute(key, '' + value),
  );
  path.setAttribute('d', PLAY);
  path.setAttribute('fill', 'currentColor');
  svg.append(path);
  return svg;
}
