/* Videos that a text names by a line that is nothing but their address: a button for each. Nothing foreign is loaded before it is pressed. */
import {el, press} from './dom.js';

/** @typedef {{name: string, url: string}} Video whose it is, and its player */

// Videos of one text.
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

/** @param {Node | null} node */
const isEnd = node => !node || node.nodeName === 'BR';

/**
 * The buttons of the videos in a text; null: it names none.
 * @param {HTMLElement} text
 * @param {(href: string) => string} titled the name that its site gives a video, or ''
 * @param {(name: string) => string} words
 * @param {string} prefix of class names
 * @returns {HTMLElement | null}
 */
export function facades(text, titled, words, prefix) {
  const links = [...text.querySelectorAll('p > a')].filter(
    link => isEnd(link.previousSibling) && isEnd(link.nextSibling),
  );
  const found = links.flatMap(link => {
    const {href} = /** @type {HTMLAnchorElement} */ (link);
    const video = videoAt(href);
    return video ? [{...video, href}] : [];
  });
  if (!found.length) return null;
  const place = el(`div.${prefix}-videos`);
  found.slice(0, MOST).forEach(video => {
    const name = titled(video.href) || video.name;
    /** @type {HTMLElement} */
    const button = press(
      prefix + '-video',
      {
        onclick: () => {
          const frame = el(`iframe.${prefix}-video`, {
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
      el('span', {dir: 'auto'}, words(name)),
    );
    place.append(button);
  });
  return place;
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
