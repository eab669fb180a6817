/* One review: its nodes. */
import {lines} from './store.js';
import {stars} from './stars.js';
import {outOf} from './summary_words.js';
import {whenReady} from './widget.js';
import {el, icon, press} from '../../../web/lib/dom.js';
import {safeHtml} from '../../../web/lib/html.js';
import {loader} from '../../../web/lib/loader.js';

/** @typedef {import('./store.js').Review} Review */
/** @typedef {import('./store.js').Said} Said */
/** @typedef {import('./widget.js').Reviews} Reviews */

// From about so many characters on a text is folded; a paragraph counts as fifty.
const LONG = 700;
const AWAY = 'noopener noreferrer nofollow ugc';

/**
 * @param {Reviews} w
 * @param {any} author
 */
export const nameOf = (w, author) => {
  const name = author && loader.text(author.name);
  return !name || name === 'Guest' ? w.t('guest') : name;
};

/**
 * @param {Reviews} w
 * @param {Review} review
 */
export const isMine = (w, review) => w.store.own.has(review.id);

/**
 * A mark with what it means, which is read on focus and by pointer.
 * @param {string} kind
 * @param {string} words
 * @param {string} help
 */
const badge = (kind, words, help) => {
  const tip = el('span.mcr-tip', {role: 'tooltip'}, help);
  return el(
    'span.mcr-badge.mcr-is-' + kind,
    {tabindex: 0, role: 'note', 'aria-label': words + '. ' + help},
    words,
    tip,
  );
};

/**
 * What the reader should know of where it comes from.
 * @param {Reviews} w
 * @param {Review} r
 */
export function badges(w, r) {
  const {t} = w;
  const source = r.source || '';
  return [
    r.verified === 'order' && badge('verified', t('reviewVerified'), t('reviewVerifiedHelp')),
    r.verified === 'source' &&
      badge('source', t('reviewVerifiedBy', {name: source}), t('reviewVerifiedByHelp', {name: source})),
    source && r.verified !== 'source' && badge('source', t('reviewImported', {name: source}), t('reviewImportedHelp')),
    r.incentivized && badge('paid', t('reviewPaid'), t('reviewPaidHelp')),
    r.staff && badge('staff', t('staff'), t('reviewStaffHelp')),
    r.featured && badge('featured', t('reviewFeatured'), t('reviewFeaturedHelp')),
  ];
}

/** A day as people write it. @param {Reviews} w @param {string} day */
export const dayOf = (w, day) =>
  new Intl.DateTimeFormat(w.t.lang, {dateStyle: 'medium', timeZone: 'UTC'}).format(new Date(day));

/**
 * @param {Reviews} w
 * @param {Review} r
 * @param {number} at
 */
function photo(w, r, at) {
  const {url, alt, link} = r.media[at];
  const address = /^\/[^/]/.test(url) ? loader.base() + url : url;
  const words = alt || w.t('reviewPhoto', {n: at + 1});
  // At another server, which nobody's browser asks unasked.
  if (link && /^https:/.test(link)) return el('a.mcr-away', {href: link, target: '_blank', rel: AWAY}, words + ' ↗');
  if (!/^https?:/.test(address)) return null;
  const image = /** @type {HTMLImageElement} */ (
    el('img.mcr-image', {
      alt: words,
      loading: 'lazy',
      decoding: 'async',
      referrerpolicy: 'no-referrer',
      width: 88,
      height: 88,
      onerror: () => button.classList.add('mcr-broken'),
    })
  );
  image.src = address;
  const button = el('button.mcr-photo', {onclick: () => whenReady(w, later => later.openViewer(w, r, at))}, image);
  return button;
}

/** The photos of a review. @param {Reviews} w @param {Review} r */
export const photos = (w, r) => (r.media || []).slice(0, 20).map((_, at) => photo(w, r, at));

/**
 * @param {string} mark
 * @param {string} kind
 * @param {string} label
 * @param {string} text
 */
const points = (mark, kind, label, text) => {
  const all = lines(text);
  return (
    all.length > 0 &&
    el(
      'div.mcr-points.mcr-' + kind,
      null,
      el('span.mcr-hidden', null, label),
      all.map(one => el('div.mcr-point', {dir: 'auto'}, el('span.mcr-mark', {'aria-hidden': 'true'}, mark), one)),
    )
  );
};

/**
 * That it was changed; opens what it said before where the site shows that.
 * @param {Reviews} w
 * @param {Review} r
 * @param {string} at
 */
function edited(w, r, at) {
  const title = w.t('editedAt', {time: w.times.full(at)});
  return w.settings.history
    ? el('button.mcr-edited', {title, onclick: () => whenReady(w, later => later.showVersions(w, r))}, w.t('edited'))
    : el('span.mcr-when', {title}, w.t('edited'));
}

/**
 * A long text is folded, and opens by its button or when something within it is focused.
 * @param {Reviews} w
 * @param {HTMLElement} text
 */
function fold(w, text) {
  const all = /** @type {string} */ (text.textContent);
  if (all.length + 50 * text.querySelectorAll('p, br, li').length < LONG) return null;
  const open = () => {
    text.classList.remove('mcr-cut');
    button.remove();
  };
  const button = press('mcr-link', {'aria-expanded': 'false', onclick: open}, w.t('all'));
  text.classList.add('mcr-cut');
  text.addEventListener('focusin', open, {once: true});
  return button;
}

/**
 * @param {string} html
 * @param {string} spec
 */
export function rich(html, spec) {
  const node = el(spec, null, safeHtml(html));
  [...node.children].forEach(one => {
    /** @type {HTMLElement} */ (one).dir = 'auto';
  });
  return node;
}

/**
 * Stars and title.
 * @param {Reviews} w
 * @param {Said} r
 */
export const heading = (w, r) =>
  el(
    'div.mcr-top',
    null,
    r.star !== null && stars(r.star, outOf(w.t, r.star)),
    r.title && el('span.mcr-name', {role: 'heading', 'aria-level': 3, dir: 'auto'}, r.title),
  );

/**
 * What it says below its text: points for and against, criteria, attributes.
 * @param {Reviews} w
 * @param {Said} r
 */
export function details(w, r) {
  const {t, settings} = w;
  const facts = [
    ...(settings.criteria || []).map(
      (/** @type {any} */ c) => r.criteria[c.id] && [c.name, t.number(r.criteria[c.id]) + ' / ' + t.number(5)],
    ),
    ...(settings.attributes || []).map((/** @type {any} */ a) => r.attributes[a.id] && [a.name, r.attributes[a.id]]),
    r.variant && [t('reviewVariant'), r.variant],
  ].filter(one => one);
  return [
    points('+', 'pros', t('reviewPros'), r.pros),
    points('−', 'cons', t('reviewCons'), r.cons),
    r.recommend !== null && el('div.mcr-recommends', null, t(r.recommend ? 'reviewRecommends' : 'reviewRecommendsNot')),
    facts.length > 0 &&
      el(
        'div.mcr-facts',
        null,
        facts.map(([label, value]) =>
          el('span', null, el('span.mcr-label', {dir: 'auto'}, label), ' ', el('bdi', null, value)),
        ),
      ),
  ];
}

/**
 * @param {Reviews} w
 * @param {Review} r
 * @returns {HTMLElement} which also stands in `w.nodes`
 */
export function drawItem(w, r) {
  const {t} = w;
  const name = nameOf(w, r.author);
  const text = rich(r.html, 'div.mcr-text');
  const here = document.querySelector('base[href]') ? location.href.split('#')[0] : '';
  const node = el(
    'div.mcr-c' + (r.state ? '.mcr-waits' : ''),
    {role: 'listitem', id: 'cr-' + r.id, tabindex: -1},
    heading(w, r),
    el(
      'div.mcr-by',
      null,
      el('bdi.mcr-who', {dir: 'auto'}, name),
      isMine(w, r) && el('span.mcr-badge', null, t('you')),
      badges(w, r),
      el('a.mcr-time', {href: here + '#cr-' + r.id}, w.times.node(r.created)),
      r.experienced && el('span.mcr-when', null, t('reviewExperienced', {time: dayOf(w, r.experienced)})),
      r.edited && edited(w, r, r.edited),
    ),
    r.state && el('div.mcr-note', null, stateWords(w, r)),
    r.revision && el('div.mcr-note', null, t('reviewRevision')),
    text,
    fold(w, text),
    details(w, r),
    r.media.length > 0 && el('div.mcr-photos', null, photos(w, r)),
    r.reply &&
      el(
        'div.mcr-reply',
        null,
        el(
          'div.mcr-by',
          null,
          el('bdi.mcr-who', null, r.reply.name),
          el('span.mcr-badge', null, t('reviewOwner')),
          w.times.node(r.reply.created),
          r.reply.edited && el('span.mcr-when', null, t('edited')),
        ),
        rich(r.reply.html, 'div.mcr-text'),
      ),
    acts(w, r, name),
  );
  w.nodes.set(r.id, node);
  if (/youtu|vimeo\.com/.test(r.html))
    import('./videos.js').then(
      videos => text.isConnected && videos.showVideos(w, r, text),
      () => {},
    );
  return node;
}

/**
 * Why others don't see it.
 * @param {Reviews} w
 * @param {Review} r
 */
function stateWords(w, r) {
  if (r.state === 'pending') return w.t('reviewWaits');
  const why = REASONS[loader.text(r.reason)];
  return why ? w.t('reviewHidden', {reason: w.t(why)}) : w.t('reviewHiddenOnly');
}
/** @type {Record<string, string>} */
export const REASONS = {
  offtopic: 'reasonOfftopic',
  offensive: 'reasonOffensive',
  'personal-data': 'reasonPersonalData',
  advertising: 'reasonAdvertising',
  fake: 'reasonFake',
  'conflict-of-interest': 'reasonConflict',
  illegal: 'reasonIllegal',
  duplicate: 'reasonDuplicate',
  'not-experienced': 'reasonNotExperienced',
};

/**
 * @param {Reviews} w
 * @param {Review} r
 * @param {string} name
 */
function acts(w, r, name) {
  const {t} = w;
  const mine = isMine(w, r);
  const of = {name};
  const value = w.store.votes[r.id] || 0;
  /**
   * @param {'up' | 'down'} kind
   * @param {number} by
   * @param {string} words
   * @param {string} label
   */
  const vote = (kind, by, words, label) =>
    press(
      'mcr-act.mcr-' + kind,
      {
        'aria-pressed': '' + (value === by),
        'aria-label': label + ' (' + t.number(r[kind]) + ')',
        onclick: () => whenReady(w, later => later.castVote(w, r, by)),
      },
      icon(kind),
      words + (r[kind] ? ' (' + t.number(r[kind]) + ')' : ''),
    );
  /** @type {HTMLElement} */
  const more = press(
    'mcr-act.mcr-menu',
    {
      'aria-label': t('reviewActs', of),
      title: t('more'),
      'aria-haspopup': 'menu',
      'aria-expanded': 'false',
      onclick: () => whenReady(w, later => later.openActs(w, r, more)),
    },
    icon('more'),
  );
  return el(
    'div.mcr-acts',
    null,
    !r.state &&
      w.settings.votes !== false &&
      (mine
        ? r.up > 0 && el('span', null, t('reviewFoundHelpful', {n: r.up}))
        : [
            vote('up', 1, t('reviewHelpfulDo'), t('reviewHelpfulOf', of)),
            vote('down', -1, '', t('reviewNotHelpfulOf', of)),
          ]),
    mine && press('mcr-act', {onclick: () => whenReady(w, later => later.openForm(w))}, icon('edit'), t('edit')),
    el('span.mcr-morebox', null, more),
  );
}
