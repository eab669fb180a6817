/* Draws the rows of a conversation: nodes of before are kept, so that only what is new is read out. */
import {el} from '../../../web/lib/dom.js';
import {safeHtml} from '../../../web/lib/html.js';
import {untilThere} from '../../../web/lib/late.js';
import {loader} from '../../../web/lib/loader.js';
import {serverNow} from '../../../web/lib/time.js';
import {discard, retry} from './sending.js';
import {side, time} from './store.js';

/** @typedef {import('./store.js').Row} Row */
/** @typedef {import('./store.js').Message} Message */
/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */

/** @type {Record<string, string>} */
const EVENTS = {
  joined: 'chatJoined',
  left: 'chatLeft',
  transferred: 'chatTransferred',
  closed: 'chatClosed',
  reopened: 'chatReopened',
};

/**
 * A picture, else initials.
 * @param {ChatPanel} w
 * @param {{id?: string, name: string, avatar?: string | null}} person
 */
export function face(w, {id = '', name, avatar}) {
  const initials = name
    .split(/\s+/)
    .map(one => [...one][0] || '')
    .slice(0, 2)
    .join('')
    .toUpperCase();
  const hue = [...(id || name)].reduce((sum, one) => (sum * 31 + /** @type {number} */ (one.codePointAt(0))) % 360, 7);
  const node = el('span.face', {'aria-hidden': 'true'}, initials);
  node.style.setProperty('--hue', '' + hue);
  if (avatar) {
    const image = el('img', {src: w.safe(avatar), alt: '', loading: 'lazy', onerror: () => image.remove()});
    node.append(image);
  }
  return node;
}

/**
 * Have a file, or a picture whose address may have run out: its address is asked for.
 * @param {ChatPanel} w
 * @param {any} file
 * @param {HTMLElement} [image]
 */
const fetchFile = (w, file, image) =>
  (image ? untilThere : w.late.bind(w))(() => import('./files.js')).then(
    (/** @type {typeof import('./files.js')} */ one) => one.fetchFile(w, file.id, image),
  );

/**
 * Pictures; their place is there before they are.
 * @param {ChatPanel} w
 * @param {any[]} files
 */
const shown = (w, files) =>
  files.map(file => {
    const name = loader.text(file.name);
    if (name) return saving(w, file, name);
    const href = w.safe(file.url || file.src);
    const image = el('img', {
      src: href,
      alt: loader.text(file.alt) || w.t('chatPicture'),
      width: +file.width || null,
      height: +file.height || null,
      loading: 'lazy',
      // One that is on its way has no size yet.
      onload: () => file.width || w.bottom(),
      // Its address holds for an hour or two.
      onerror: () => fetchFile(w, file, image),
    });
    if (/^#[\da-f]{6}$/.test(file.color)) image.style.background = file.color;
    return el('a.picture', {href, target: '_blank', rel: 'noopener'}, image);
  });

/**
 * A file to be saved.
 * @param {ChatPanel} w
 * @param {any} file
 * @param {string} name
 */
function saving(w, file, name) {
  return el(
    'button.file',
    {onclick: () => fetchFile(w, file)},
    el('bdi', null, name),
    ' · ' + w.t.number(Math.ceil(file.bytes / 1000 || 1)) + ' kB',
  );
}

/**
 * @param {ChatPanel} w
 * @param {Row} row
 */
function content(w, row) {
  const {t} = w;
  const {message, pending} = row;
  if (pending) return [pending.text && el('div.text', null, pending.text), shown(w, pending.files || [])];
  const m = /** @type {Message} */ (message);
  if (m.deleted) return [el('div.text.gone', null, t('chatDeleted'))];
  const text = el('div.text', {dir: 'auto'});
  text.append(m.html ? safeHtml(m.html) : m.text);
  return [(m.text || m.html) && text, shown(w, m.files || [])];
}

/**
 * Until when a message can be changed.
 * @param {ChatPanel} w
 * @param {Row} row
 */
const ends = (w, row) => time(row) + w.info.edit_seconds * 1000;

/**
 * Whether a message is young enough to be changed.
 * @param {ChatPanel} w
 * @param {Row} row
 */
const editable = (w, row) => serverNow() < ends(w, row);

/**
 * @param {ChatPanel} w
 * @param {Row} row
 */
function draw(w, row) {
  const {t} = w;
  const {message: m, pending} = row;
  const by = side(row);
  const iso = m ? m.created : new Date(time(row)).toISOString();
  const when = el('time.when', {datetime: iso, title: w.full.format(time(row))}, w.clock.format(time(row)));
  if (m && by === 'event') {
    const name = m.author && m.author.name;
    const key = EVENTS[(m.event && m.event.name) || ''];
    return el('p.event', null, key ? t(key, {name: name || t('staff')}) : m.text);
  }
  const mine = by === 'me';
  const author = m && !mine ? m.author : null;
  const bubble = el('div.bubble', null, content(w, row));
  const able = mine && m && !m.deleted && editable(w, row) && w.store.chat.state !== 'closed';
  /** @param {'edit' | 'remove'} what */
  const change = what => w.late(() => import('./editing.js')).then(one => one[what](w, /** @type {Message} */ (m)));
  return el(
    'div.row' + (mine ? '.mine' : '') + (row.first ? '.lead' : ''),
    null,
    author && (row.first ? face(w, author) : el('span.face.none')),
    el(
      'div.col',
      null,
      el('span.who' + (row.first && author ? '' : '.sr'), {dir: 'auto'}, author ? author.name : t('chatYou')),
      bubble,
      el(
        'div.foot',
        null,
        when,
        m && m.edited && !m.deleted && el('span', null, t('edited')),
        able && [
          el('button.quiet', {onclick: () => change('edit')}, t('edit')),
          el('button.quiet', {onclick: () => change('remove')}, t('delete')),
        ],
        row.mark === 'sending' && el('span.mark', null, t('sending') + '…'),
        row.mark === 'sent' && el('span.mark', null, t('chatSent')),
        row.mark === 'read' && el('span.mark', null, t('chatRead')),
        pending &&
          row.mark === 'failed' && [
            el('span.err', null, pending.why || t('unsent')),
            el('button.quiet', {onclick: () => retry(w, pending)}, t('retry')),
            el('button.quiet', {onclick: () => discard(w, pending)}, t('discard')),
          ],
      ),
    ),
  );
}

/** The rows on the screen. */
export class Talk {
  /**
   * @param {ChatPanel} panel
   * @param {HTMLElement} node
   */
  constructor(panel, node) {
    this.panel = panel;
    this.node = node;
    /** @type {Map<string, {said: string, node: HTMLElement}>} */
    this.drawn = new Map();
    /** When the first of those that can be changed is too old for that. */
    this.until = Infinity;
  }
  outdated() {
    return serverNow() >= this.until;
  }
  draw() {
    const {drawn, node, panel} = this;
    const {t} = panel;
    /** @type {Map<string, {said: string, node: HTMLElement}>} */
    const now = new Map();
    const closed = panel.store.chat.state === 'closed';
    /** @param {string} key @param {string} said @param {() => HTMLElement} make */
    const keep = (key, said, make) => {
      const old = drawn.get(key);
      if (old && old.said === said) return now.set(key, old);
      const made = make();
      if (old) old.node.replaceWith(made);
      now.set(key, {said, node: made});
    };
    this.until = Infinity;
    panel.store.rows().forEach(row => {
      const m = row.message;
      if (row.day) {
        const date = new Date(time(row)).toDateString();
        keep('day' + date, date, () => el('p.day', null, el('span', null, panel.day.format(time(row)))));
      }
      const fresh = side(row) === 'me' && editable(panel, row);
      if (fresh) this.until = Math.min(this.until, ends(panel, row));
      const said = [
        m ? m.id + m.edited + m.deleted : (row.pending || {}).why,
        row.mark,
        row.first,
        closed,
        fresh,
      ].join();
      keep(row.key, said, () => draw(panel, row));
    });
    drawn.forEach((one, key) => now.has(key) || one.node.remove());
    let before = /** @type {ChildNode | null} */ (node.firstChild);
    now.forEach(one => {
      if (one.node === before) before = before.nextSibling;
      else node.insertBefore(one.node, before);
    });
    this.drawn = now;
    node.setAttribute('aria-label', t('chatLog'));
  }
}
