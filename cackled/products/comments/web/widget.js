/* The comments widget: its state, first render, header, list. Functions of the other files take it as `w`. */
import {shellOf} from './composer.js';
import {appendItem, drawItem} from './item.js';
import {isByTime, laterId} from './reckon.js';
import {Store} from './store.js';
import {recallVisit} from './visits.js';
import {el, press} from '../../../web/lib/dom.js';
import {href, loader} from '../../../web/lib/loader.js';
import {tabStorage} from '../../../web/lib/storage.js';
import {asObject} from '../../../web/lib/values.js';
import {register, Widget} from '../../../web/lib/widget.js';

/** @typedef {import('./store.js').Comment} Comment */
/** @typedef {import('./store.js').Item} Item */

// What guests were named in each language.
const GUESTS = ['Guest', 'Гость', 'ゲスト', 'אורח', 'ضيف'];

export class Comments extends Widget {
  /**
   * @param {string} name
   * @param {import('../../../web/lib/loader.js').Mounted} mounted
   */
  constructor(name, mounted) {
    super(name, mounted, 'comments');
    /** @type {string} */
    this.sort = mounted.ask.sort;
    this.orders = ['best', 'new', 'old', 'discussed'];
    /** What is known, without its nodes. */
    this.store = new Store();
    /** @type {Record<string, any>} of the site */
    this.settings = {};
    /** @type {any} */
    this.channel = {};
    /** Replies deeper than this stop moving inwards and say whom they answer. */
    this.level = Math.min(this.o.level == null ? 3 : this.o.level, 3);
    /** How many answers a thread may have that stands unfolded; NaN: any number. */
    this.most = parseInt(loader.text(/** @type {any} */ (this.o).replies));
    /** Who may write: nothing, everybody; 'signed-in', or those whom the site vouches for. */
    this.write = '';
    /** Whether it can only be read, as in a page of an origin that the site does not name. */
    this.reading = false;
    /** @type {typeof import('./later.js') | null} what is loaded after the first render */
    this.later = null;
    /** @type {Promise<unknown> | null} the session that is opened while somebody writes */
    this.warm = null;

    const {t} = this;
    this.title = el('div.mc-title', {role: 'heading', 'aria-level': 2});
    this.long = el('span.mc-long');
    this.short = el('span.mc-short');
    this.online = el('span.mc-online', null, this.long, this.short);
    this.sorts = el(
      'div.mc-sorts',
      {role: 'group', 'aria-label': t('sort')},
      this.orders.map(one =>
        press(
          'mc-sort',
          {'aria-pressed': '' + (one === this.sort), onclick: () => whenReady(this, later => later.resort(this, one))},
          t(one),
        ),
      ),
    );
    this.bar = el('div.mc-bar', {role: 'status'});
    this.pill = el('button.mc-pill', {hidden: true, onclick: () => this.later && this.later.flushWaiting(this)});
    this.typing = el('div.mc-typing', {'aria-hidden': 'true'});
    this.live = el('div.mc-hidden', {'aria-live': 'polite', role: 'log', 'aria-relevant': 'additions'});
    this.list = el('div.mc-list', {role: 'list', 'aria-label': t('title'), hidden: true});
    this.foot = el('div.mc-listfoot', {tabindex: -1});
    this.skip = press('mc-skip', {hidden: true, onclick: () => this.foot.focus()}, t('skip'));
    /** @type {HTMLElement | null} the words that stand there while there is no comment */
    this.empty = null;
    /** @type {HTMLButtonElement | null} */
    this.moreButton = null;
    /** @type {import('./composer.js').Composer | null} the main box */
    this.main = null;
    /** @type {Record<string, number | undefined>} */
    this.timers = {};

    // The live line, see live.js.
    /** @type {import('../../../web/lib/live.js').Subscription | null} */
    this.sub = null;
    this.state = '';
    /** Milliseconds in which several reasons to ask again are one. */
    this.recount = 500;
    /** @type {import('./reader.js').Reader} what the reader has seen and heard; there once live.js has come */
    this.reader = /** @type {any} */ (null);
    /** When the reader was here last, in milliseconds; 0: never. */
    this.since = 0;
    /** @type {Set<string>} comments whose branches they folded */
    this.folded = new Set();
    /** @type {(() => void) | null} remembers that they were here */
    this.keepVisit = null;
    /** @type {((item: Item) => void) | null} is told of each comment that comes to stand here */
    this.onItem = null;
    /** @type {HTMLElement | null} */
    this.filtered = null;
    /** @type {{text: string, body: Element, at: number} | null} what of a comment's text is selected, or was until `at` */
    this.chosen = null;
    /** Milliseconds in which a deletion can be undone. */
    this.undo = 6000;
  }

  /**
   * @override
   * @param {any} data
   */
  render(data) {
    this.settings = data.site.settings || {};
    this.write = asObject(data.access).write || '';
    this.reading = !!tabStorage.get('readonly:' + this.site);
    takePage(this, data);
    recallVisit(this);
    // What somebody began to write stands there with the rest: the box needs its full height at once.
    if (loader.load('draft:' + this.site + ':' + this.key + ':')) {
      const draw = () => this.closed || this.draw(data);
      import('./later.js').then(later => {
        this.later = later;
        draw();
      }, draw);
    } else this.draw(data);
  }

  /** @param {any} data */
  draw(data) {
    this.main = shellOf(this, {});
    if (this.later) this.later.dress(this, this.main, {});
    this.node.replaceChildren(
      el('div.mc-header', null, this.title, this.online, this.sorts),
      this.main.node,
      el('div.mc-float', null, this.bar, this.pill),
      this.typing,
      this.skip,
      this.list,
      this.foot,
      this.live,
    );
    fillList(this, data.page.comments);
    loadLater(this, data.position);
    this.fire('ready', {channel: this.channel});
  }

  /**
   * @override
   * @param {any} problem
   */
  invite(problem) {
    lateStyle();
    whenReady(this, later => later.invite(this, problem));
  }

  /** @override */
  keep() {
    this.node.querySelectorAll('.mc-form').forEach(form => {
      const {keep} = /** @type {any} */ (form);
      if (keep) keep();
    });
    if (this.keepVisit) this.keepVisit();
    this.store.items.forEach(item => {
      if (item.going && this.later) this.later.finishAway(this, item, true);
    });
  }

  /**
   * @override
   * @param {number} [after]
   */
  address(after) {
    this.mounted.ask.sort = this.sort;
    return super.address(after);
  }
}
register('Comment', Comments, 'comments');

/** The style of what comes later stands behind ours, and so before the page's own. */
function lateStyle() {
  const first = document.querySelector('link[href*="/comments.css"]');
  if (!first || loader.styled) return;
  const link = /** @type {HTMLLinkElement} */ (first.cloneNode());
  loader.styled = link;
  link.href = href(loader.paths('later.css')[0]);
  link.onerror = () => {
    link.remove();
    loader.styled = null;
  };
  first.after(link);
}

/**
 * Who gave no name is called what the reader calls a guest.
 * @param {Comments} w
 * @param {any} author
 */
export function nameOf(w, author) {
  const name = author && author.name;
  return !name || GUESTS.indexOf(name) >= 0 ? w.t('guest') : name;
}
/**
 * @param {Comments} w
 * @param {Comment} c
 */
export function isMine(w, c) {
  return !!c.author && c.author.id === w.session.visitor();
}

/**
 * Whether there is a way to sign in; more in identity.js.
 * @param {Comments} w
 */
export function maySign(w) {
  const o = /** @type {any} */ (w.o);
  const sso = asObject(o.sso);
  return w.settings.signIn || asObject(o.ssoProvider).url || sso.loginURL || sso.loginCallback;
}

/**
 * Whether the visitor may read alone: the page's origin is none of the site's, or who writes here has to sign in.
 * @param {Comments} w
 */
export function isMute(w) {
  const level = w.session.get('level');
  return w.reading || !!(w.write && (w.write === 'signed-in' ? !level : level !== 'site'));
}

/**
 * @param {Comments} w
 * @param {boolean} [slab] a button that stands out
 */
export function signButton(w, slab) {
  const attributes = {
    'aria-expanded': 'false',
    onclick: (/** @type {Event} */ event) => whenReady(w, later => later.showWays(w, event)),
  };
  const words = w.t('signIn');
  const control = slab
    ? el('button.mc-formbtn.mc-signin', attributes, words)
    : press('mc-act.mc-signin', attributes, words);
  return el('div.mc-sign', null, control);
}

/**
 * @param {Comments} w
 * @param {string} name
 */
export function badgeOf(w, name) {
  const {t} = w;
  /** @type {Record<string, string>} */
  const own = {
    staff: loader.text(/** @type {any} */ (w.o).badge) || t('staff'),
    verified: t('verified'),
    'first-week': t('firstWeek'),
  };
  return (
    !(/** @type {any} */ (w.o).badgeHide) &&
    el('span.mc-badge' + (own[name] ? '.mc-' + name : ''), null, own[name] || loader.text(name))
  );
}

/**
 * What reading doesn't wait for: the live line, sending, paging, the rarer actions.
 * @param {Comments} w
 * @param {string} position
 */
export function loadLater(w, position) {
  lateStyle();
  import('./later.js').then(
    later => {
      w.later = later;
      if (!w.closed) later.beginLive(w, position);
    },
    () => {
      setTimeout(() => {
        if (!w.closed) loadLater(w, position);
      }, 1e4);
    },
  );
}

/**
 * @param {Comments} w
 * @param {(later: typeof import('./later.js')) => void} f
 */
export function whenReady(w, f) {
  return import('./later.js').then(
    later => {
      if (!w.closed) f(later);
    },
    () => notice(w, w.t('network')),
  );
}

/**
 * What a first page says, in place of what was known.
 * @param {Comments} w
 * @param {any} data
 */
export function takePage(w, data) {
  w.channel = data.channel;
  w.key = data.channel.key;
  w.store.begin(data);
}

/**
 * @param {Comments} w
 * @param {Comment[]} comments
 */
export function fillList(w, comments) {
  w.store.items.clear();
  w.list.replaceChildren();
  comments.forEach(c => {
    appendItem(w, c);
  });
  drawMine(w);
  raisePinned(w);
  showCounts(w);
  showFooter(w);
}

/**
 * Ids of what moderators pinned.
 * @param {Comments} w
 * @returns {string[]}
 */
export const pinnedOf = w => w.channel.pinned || [];

/**
 * What is pinned stands above all others.
 * @param {Comments} w
 */
export function raisePinned(w) {
  const {items} = w.store;
  // Below them what is featured, where the order is one of worth.
  const featured = isByTime(w.sort) ? [] : [...items.values()].filter(item => item.c.featured && !item.parent);
  w.list.prepend(...featured.map(item => item.node));
  [...pinnedOf(w)].reverse().forEach(id => {
    const item = w.store.items.get(id);
    if (item && !item.parent) w.list.prepend(item.node);
  });
}

/**
 * What only its author sees, or sees another way than others: it stands where it will, and counts for them.
 * @param {Comments} w
 */
function drawMine(w) {
  const {store} = w;
  store.extra = 0;
  store.mine
    .sort((a, b) => laterId(a.id, b.id))
    .forEach(c => {
      const item = store.items.get(c.id);
      const parent = c.parent ? store.items.get(c.parent) : null;
      if (!item && !c.state && !c.deleted) store.extra++;
      if (item) {
        Object.assign(item.c, c);
        drawItem(w, item);
      } else if (!c.parent || parent) {
        appendItem(w, {replies: [], more: 0, ...c}, parent, !parent && w.sort !== 'old');
      }
    });
}

/** @param {Comments} w */
export function showCounts(w) {
  const n = (w.channel.comments = w.store.count());
  const there = w.o.countContainer && document.getElementById(w.o.countContainer);
  const counter = loader.counters && loader.counters[w.site];
  const any = w.list.firstChild;
  w.title.textContent = n ? w.t('comments', {n}) : w.t('title');
  w.sorts.hidden = n < 2;
  w.list.hidden = w.skip.hidden = !any;
  if (there) there.textContent = w.t.number(n);
  if (counter) counter(w.key, n);
  if (!any && !w.store.waiting.size) {
    if (!w.empty) w.list.before((w.empty = el('div.mc-empty', null, w.t('empty'))));
  } else if (w.empty) {
    w.empty.remove();
    w.empty = null;
  }
}

/**
 * @param {Comments} w
 */
export function showFooter(w) {
  const {cursor, lifted} = w.store;
  w.foot.replaceChildren();
  w.moreButton = null;
  if (!cursor && !lifted) return;
  w.moreButton = el('button.mc-more', {onclick: () => whenReady(w, later => later.nextPage(w))}, w.t('loadMore'));
  w.foot.append(w.moreButton);
  if (cursor)
    w.foot.append(press('mc-act.mc-loadall', {onclick: () => whenReady(w, later => later.loadAll(w))}, w.t('loadAll')));
}

/** @param {any} node */
export function focusOn(node) {
  if (node) node.focus({preventScroll: true});
}
/**
 * A short word at the top edge of the reader's view; also spoken.
 * @param {Comments} w
 * @param {string} text
 * @param {number} [ms]
 */
export function notice(w, text, ms) {
  clearTimeout(w.timers.notice);
  w.bar.textContent = text;
  w.bar.classList.add('mc-on');
  w.timers.notice = setTimeout(() => {
    w.bar.classList.remove('mc-on');
    if (w.later) w.later.showConnection(w);
  }, ms || 4000);
}
