/* What every widget is: a place in the page, options, words, a session; a first request that is made again until it
   succeeds; timers and listeners that end with it. A product's widget extends it. */
import {el, press} from './dom.js';
import {makeWords} from './i18n.js';
import {loader} from './loader.js';
import {readOptions} from './options.js';
import {openSession} from './session.js';
import {watchTheme} from './theme.js';
import {learnClock, makeTimes} from './time.js';

/** @typedef {import('./loader.js').Mounted} Mounted */

// From this many pixels on a widget is not narrow.
const WIDE = 520;

export class Widget {
  /**
   * @param {string} name as the server knows it
   * @param {Mounted} mounted
   * @param {string} space of its words
   */
  constructor(name, mounted, space) {
    const {node} = mounted;
    this.name = name;
    this.mounted = mounted;
    this.node = node;
    /** The class that its style sheet knows it by. */
    this.root = 'mc-root';
    this.site = mounted.site;
    this.o = readOptions(mounted.options);
    /** @type {string | false} the height that is held until the first render */
    this.held = node.style.minHeight;
    this.t = makeWords(mounted.lang, this.o.msg, space);
    this.times = makeTimes(this.t);
    this.session = openSession(this.site, this.o.token, this.o.renew, this.o.said);
    /** What names the conversation, once the server has said it. */
    this.key = '';
    this.closed = false;
    /** @type {(() => void)[]} */
    this.closers = [];
    /** Milliseconds until a failed first request is repeated. */
    this.retry = 2000;
  }

  /** Dresses the place and asks for the first page; called when the widget's own fields are there. */
  start() {
    const {node} = this;
    node.classList.add(this.root);
    node.lang = this.t.lang;
    this.closers.push(watchTheme(node, this.o.theme));
    this.fit();
    // What the site printed for search engines is read until the widget stands. Else the style sheet draws quiet shapes.
    if (!this.printed()) node.replaceChildren();
    this.first(this.mounted.first);
    this.every(30000, () => {
      if (!document.hidden) this.times.refresh(node);
    });
    this.listen(window, 'pagehide', () => this.keep());
    this.session.onopen((visitor, person) => this.fire('loggedin', {id: visitor, ...person}));
  }

  /**
   * Draws the first page.
   * @param {any} _data what /bootstrap answered
   */
  render(_data) {}
  /**
   * Only for people who signed in, or for some of them.
   * @param {any} _problem
   */
  invite(_problem) {}
  /** The page may go: what was typed last is stored, what was taken away is sent. */
  keep() {}

  printed() {
    return this.node.querySelector('#mc-content');
  }
  /**
   * @param {number} ms
   * @param {() => void} f
   */
  every(ms, f) {
    const timer = setInterval(f, ms);
    this.closers.push(() => clearInterval(timer));
  }
  /**
   * @param {EventTarget} target
   * @param {string} type
   * @param {(event: any) => void} f
   * @param {boolean | AddEventListenerOptions} [options]
   */
  listen(target, type, f, options) {
    target.addEventListener(type, f, options);
    this.closers.push(() => target.removeEventListener(type, f, options));
  }
  close() {
    this.keep();
    this.closed = true;
    this.closers.forEach(f => f());
    this.node.classList.remove(this.root, 'mc-dark', 'mc-light', 'mc-forced', 'mc-sheet', 'mc-narrow');
    this.node.replaceChildren();
  }
  /** Narrow is what the column is, not the window. */
  fit() {
    const {node} = this;
    const set = () => node.classList.toggle('mc-narrow', node.clientWidth < WIDE);
    set();
    if (!window.ResizeObserver) return;
    const observer = new ResizeObserver(set);
    observer.observe(node);
    this.closers.push(() => observer.disconnect());
  }
  /**
   * Calls the page's own functions; what they throw is theirs.
   * @param {string} name
   * @param {unknown} data
   */
  fire(name, data) {
    [].concat(this.o.callback[name] || []).forEach((/** @type {any} */ f) => {
      try {
        if (typeof f === 'function') f(data);
      } catch (error) {
        setTimeout(() => {
          throw error;
        });
      }
    });
  }
  /**
   * @param {string} method
   * @param {string} path
   * @param {import('./session.js').CallOptions} [options]
   */
  api(method, path, options) {
    return this.session.call(method, path, options);
  }

  /**
   * The path of a first request as the loader makes it.
   * @param {number} [after] the answer is at least as new
   */
  address(after) {
    const {ask, page} = this.mounted;
    const token = this.session.grant();
    const me = this.session.view();
    /** @type {Record<string, any>} */
    const query = {widget: this.name, site: this.site, ...ask, ...(this.key ? {channel: this.key} : page)};
    if (after) query.after = after;
    if (token) query.token = token;
    if (me) query.me = me;
    return '/bootstrap?' + new URLSearchParams(query);
  }

  /**
   * @param {Promise<Response>} promise
   * @param {boolean} [renewed] another grant was asked for already
   */
  async first(promise, renewed) {
    const {renew} = this.session;
    try {
      const answer = await promise;
      learnClock(answer);
      if (answer.ok) {
        const data = await answer.json();
        if (this.closed) return;
        this.render(data);
        // Not needed before somebody does something; then it is there.
        this.session.reach().catch(() => {});
      } else if (answer.status === 401 && renew && !renewed) {
        // The page may be older than its grant holds.
        try {
          await renew();
        } catch {
          // The answer tells.
        }
        if (!this.closed) this.first(loader.get(this.address()), true);
      } else {
        const {status} = answer;
        const failure = {status, retry: +(/** @type {string} */ (answer.headers.get('Retry-After')))};
        if (status !== 401 && status !== 403) throw failure;
        const problem = await answer.json().catch(() => ({}));
        if (!/(sign-in-first|not-in-group)$/.test(problem.type)) throw failure;
        if (renewed || !(this.session.get('level') || this.session.stale())) return this.invite(problem);
        // Who is signed in may have come with a ticket that has run out.
        await this.session.anew();
        if (!this.closed) this.first(loader.get(this.address()), true);
      }
    } catch (e) {
      const error = /** @type {any} */ (e);
      if (this.closed) return;
      if (!error || error.status === undefined) console.error('cackle', error);
      this.failed(error || {});
    }
  }

  /**
   * Says so, where nothing else stands there, and asks again later.
   * @param {{status?: number, retry?: number}} error
   */
  failed({status, retry}) {
    /** @param {import('./dom.js').Child[]} what */
    const say = (...what) => {
      if (!this.printed()) this.node.replaceChildren(el('div.mc-empty', {role: 'status'}, what));
    };
    if (status === 400 || status === 404 || status === 422) {
      // Asking again wouldn't help: there is no such site.
      loader.warn('site', this.site);
      this.node.style.minHeight = '';
      this.held = false;
      return say(this.t('unavailable'));
    }
    if (status === 401 || status === 403) loader.warn('grant', this.site);
    const again = () => {
      clearTimeout(timer);
      removeEventListener('online', again);
      if (!this.closed) this.first(loader.get(this.address()));
    };
    const wait = retry ? retry * 1000 : (this.retry = Math.min(60000, this.retry * 2));
    const timer = setTimeout(again, wait * (1 + Math.random() / 2));
    addEventListener('online', again);
    say(this.t('loadFailed') + ' ', press('mc-more', {onclick: again}, this.t('tryAgain')));
  }
}

/** What browsers have to have, by name. */
const needs = () => ({
  'color-mix()': window.CSS && CSS.supports('color', 'color-mix(in srgb, red, red)'),
  'replaceChildren()': Element.prototype.replaceChildren,
  AbortController: window.AbortController,
  'Intl.PluralRules': window.Intl && Intl.PluralRules,
  'Intl.RelativeTimeFormat': window.Intl && Intl.RelativeTimeFormat,
});

/**
 * Makes a widget known to the loader.
 * @param {string} name
 * @param {new (name: string, mounted: Mounted) => Widget} Kind
 * @param {string} space of its words
 */
export function register(name, Kind, space) {
  /** @type {Widget[]} */
  let mounted = [];
  loader.widgets[name] = widget => {
    const {node} = widget;
    const lacks = Object.entries(needs()).find(one => !one[1]);
    if (lacks) {
      const words = loader.locales[widget.lang.slice(0, 2)] || loader.locales.en;
      loader.warn('old', lacks[0]);
      node.style.minHeight = '';
      // What the site printed for search engines can be read.
      if (!node.querySelector('#mc-content')) node.textContent = words[space]['outdated'];
      return;
    }
    // Closed are those in the same place, and those that are no longer in the page.
    mounted = mounted.filter(other => (other.node !== node && other.node.isConnected) || other.close());
    const made = new Kind(name, widget);
    mounted.push(made);
    // For whoever looks into a page that doesn't work.
    widget.widget = made;
    made.start();
  };
}
