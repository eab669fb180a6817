/* The reviews widget: its first render. Figures, filters, the list; what comes later is in reviewing.js. Functions of the
   other files take it as `w`. */
import {drawItem} from './item.js';
import {drawSummary} from './summary.js';
import {SORTS, Store} from './store.js';
import {el, press} from '../../../web/lib/dom.js';
import {asObject} from '../../../web/lib/values.js';
import {register, Widget} from '../../../web/lib/widget.js';

/** @typedef {import('./store.js').Review} Review */
/** @typedef {typeof import('./reviewing.js')} Later */

export class Reviews extends Widget {
  /**
   * @param {string} name
   * @param {import('../../../web/lib/loader.js').Mounted} mounted
   */
  constructor(name, mounted) {
    super(name, mounted, 'reviews');
    const {t} = this;
    /** What is known, without its nodes. */
    this.store = new Store();
    /** @type {Record<string, any>} of the site, without `review_` before their names */
    this.settings = {};
    /** @type {any} */
    this.channel = {};
    /** Who may write: nothing, everybody; 'signed-in', or those whom the site vouches for. */
    this.write = '';
    /** @type {Map<string, HTMLElement>} by the review's id */
    this.nodes = new Map();
    /** @type {import('../../../web/lib/live.js').Subscription | null} */
    this.sub = null;
    /** @type {any} the form, where it is open */
    this.form = null;
    /** The token of an order that a link brought. */
    this.order = '';
    /** A page of the list is on its way: what was asked for last counts. */
    this.asked = 0;
    /** @type {any} */
    this.timer = undefined;
    /** @type {any} */
    this.told = undefined;

    this.figures = el('div.mcr-figures');
    this.desk = el('div.mcr-desk');
    this.strip = el('div.mcr-strip', {hidden: true});
    this.tools = el('div.mcr-tools', {role: 'search'});
    this.bar = el('div.mcr-bar');
    this.pill = el('button.mcr-pill', {hidden: true, onclick: () => whenReady(this, later => later.flush(this))});
    this.own = el('div.mcr-own', {hidden: true});
    this.list = el('div.mcr-list', {role: 'list', 'aria-label': t('reviewTitle')});
    this.foot = el('div.mcr-listfoot');
    this.questions = el('div.mcr-questions', {hidden: true});
    this.opener = /** @type {HTMLButtonElement} */ (
      el('button.mcr-btn', {onclick: () => whenReady(this, later => later.openForm(this))}, '')
    );
  }

  /** @override */
  start() {
    this.node.classList.add('mcr-root');
    super.start();
  }

  /** @override */
  close() {
    if (this.sub) this.sub.close();
    clearTimeout(this.timer);
    clearTimeout(this.told);
    super.close();
    this.node.classList.remove('mcr-root');
  }

  /** @override */
  keep() {
    if (this.form) this.form.keep();
  }

  /** @override */
  printed() {
    return this.node.querySelector('#mc-content, .mcr-printed');
  }

  /**
   * @override
   * @param {any} data
   */
  render(data) {
    const {t, store} = this;
    Object.entries(asObject(data.site.settings)).forEach(([name, value]) => {
      if (/^review_/.test(name)) this.settings[name.slice(7)] = value;
      // How large a picture may be, where the site takes some.
      else if (name === 'pictures') this.settings.pictures = value;
    });
    this.write = asObject(data.access).write || '';
    store.sort = SORTS.find(one => one === this.mounted.ask.sort) || this.settings.sort || store.sort;
    takePage(this, data);
    const checked = press(
      'mcr-link',
      {onclick: () => whenReady(this, later => later.showChecks(this))},
      t('reviewChecked'),
    );
    this.node.replaceChildren(
      el(
        'div.mcr-head',
        null,
        el('div.mcr-title', {role: 'heading', 'aria-level': 2}, this.o.title || t('reviewTitle')),
        this.opener,
      ),
      this.figures,
      this.desk,
      this.strip,
      this.tools,
      el('div.mcr-float', {'aria-live': 'polite'}, this.bar, this.pill),
      this.own,
      this.list,
      this.foot,
      el('div.mcr-end', null, checked),
      this.questions,
    );
    this.strip.hidden = !store.summary.with_media;
    drawTools(this);
    drawAll(this);
    loadLater(this, data.position);
    this.fire('ready', {channel: this.channel});
  }

  /**
   * @override
   * @param {any} problem
   */
  invite(problem) {
    whenReady(this, later => later.invite(this, problem));
  }

  /**
   * @override
   * @param {number} [after]
   */
  address(after) {
    const {store, mounted} = this;
    mounted.ask.sort = store.sort;
    return super.address(after);
  }
}
register('Review', Reviews, 'reviews');

/**
 * @param {Reviews} w
 * @param {(later: Later) => void} f
 */
export function whenReady(w, f) {
  return import('./reviewing.js').then(
    later => {
      if (!w.closed) f(later);
    },
    () => notice(w, w.t('network')),
  );
}

/**
 * What reading doesn't wait for.
 * @param {Reviews} w
 * @param {string} position
 */
function loadLater(w, position) {
  import('./reviewing.js').then(
    later => {
      if (!w.closed) later.begin(w, position);
    },
    () => {
      setTimeout(() => {
        if (!w.closed) loadLater(w, position);
      }, 1e4);
    },
  );
}

/**
 * @param {Reviews} w
 * @param {any} data
 */
export function takePage(w, data) {
  w.channel = data.channel;
  w.key = data.channel.key;
  w.store.begin(data);
}

/** Figures, one's own, the list, and the words below it. @param {Reviews} w */
export function drawAll(w) {
  w.nodes.clear();
  drawOwn(w);
  w.list.replaceChildren(...[...w.store.shown.values()].map(one => drawItem(w, one)));
  drawCounts(w);
  drawFoot(w);
}

/** Figures, and what depends on them. @param {Reviews} w */
export function drawCounts(w) {
  const {store, settings} = w;
  const {count} = store.summary;
  const there = w.o.countContainer && document.getElementById(w.o.countContainer);
  drawSummary(w);
  if (there) there.textContent = w.t.number(count);
  w.tools.hidden = count < 2 && !store.narrowed;
  w.opener.hidden = settings.posting === false || w.channel.locked;
  w.opener.textContent = w.t(store.mine ? 'reviewEdit' : 'reviewWrite');
}

/**
 * The visitor's own that nobody else sees, above all others.
 * @param {Reviews} w
 */
export function drawOwn(w) {
  const {pending} = w.store;
  w.own.hidden = !pending.length;
  w.own.replaceChildren(...pending.map(one => drawItem(w, one)));
}

/** @param {Reviews} w */
export function drawFoot(w) {
  const {t, store} = w;
  const none = !store.shown.size;
  w.foot.replaceChildren();
  w.list.hidden = none;
  if (none && !store.waiting.size)
    w.foot.append(
      el(
        'div.mcr-none',
        null,
        t(store.narrowed ? 'reviewNoneFit' : 'reviewNone') + ' ',
        store.narrowed && press('mcr-link', {onclick: () => narrow(w, {stars: [], words: ''})}, t('reviewAll')),
      ),
    );
  if (store.cursor)
    w.foot.append(el('button.mcr-more', {onclick: () => whenReady(w, later => later.nextPage(w))}, t('reviewMore')));
}

/**
 * Another part of the reviews, or another order.
 * @param {Reviews} w
 * @param {{stars?: number[], words?: string, sort?: string}} what
 */
export function narrow(w, what) {
  Object.assign(w.store, what);
  if (w.store.sort === 'media' && what.stars && !what.stars.length && what.words === '')
    w.store.sort = w.settings.sort || 'helpful';
  drawTools(w);
  drawSummary(w);
  whenReady(w, later => later.resort(w));
}

/** Search and order. They stay as they are while somebody types. @param {Reviews} w */
function drawTools(w) {
  const {t, store} = w;
  const field = /** @type {HTMLInputElement | null} */ (w.tools.querySelector('input'));
  const choice = /** @type {HTMLSelectElement | null} */ (w.tools.querySelector('select'));
  if (field && choice) {
    if (field !== document.activeElement) field.value = store.words;
    choice.value = store.sort;
    return;
  }
  const input = el('input.mcr-search', {
    type: 'search',
    name: 'mc-search',
    placeholder: t('reviewSearch'),
    'aria-label': t('reviewSearch'),
    maxlength: 100,
    dir: 'auto',
    oninput: () => {
      clearTimeout(w.timer);
      w.timer = setTimeout(look, 400);
    },
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      look();
    },
  });
  function look() {
    clearTimeout(w.timer);
    const words = input.value.trim();
    if (words !== store.words) narrow(w, {words});
  }
  const orders = el(
    'select.mcr-sort',
    {
      name: 'mc-sort',
      'aria-label': t('sort'),
      onchange: (/** @type {any} */ event) => narrow(w, {sort: event.target.value}),
    },
    SORTS.map(one => el('option', {value: one, selected: one === store.sort}, t(ORDERS[one]))),
  );
  w.tools.replaceChildren(input, orders);
}
const ORDERS = {
  helpful: 'reviewHelpful',
  new: 'reviewNewest',
  high: 'reviewHighest',
  low: 'reviewLowest',
  media: 'reviewPhotos',
};

/**
 * A short word; also spoken.
 * @param {Reviews} w
 * @param {string} text
 */
export function notice(w, text) {
  clearTimeout(w.told);
  w.bar.textContent = text;
  w.bar.classList.add('mcr-on');
  w.told = setTimeout(() => w.bar.classList.remove('mcr-on'), 5000);
}
