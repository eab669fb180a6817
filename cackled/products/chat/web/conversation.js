/* The panel of the chat: what it holds, and what its modules and the page call. frame.js makes its nodes, listening.js
   learns, writing.js and sending.js send, view.js and talk.js draw, duty.js does what goes on beside the words. */
import {makeDuty} from './duty.js';
import {makeFrame} from './frame.js';
import {forget, heard} from './leaving.js';
import {look, resume, seen} from './listening.js';
import {flush} from './sending.js';
import {ChatStore} from './store.js';
import {Talk} from './talk.js';
import {draw, drawStatus} from './view.js';
import {submit, write} from './writing.js';
import {Draft} from '../../../web/lib/drafts.js';
import {el} from '../../../web/lib/dom.js';
import {makeWords} from '../../../web/lib/i18n.js';
import {loader, Promise} from '../../../web/lib/loader.js';
import {late, untilThere} from '../../../web/lib/late.js';
import {readOptions} from '../../../web/lib/options.js';
import {openSession} from '../../../web/lib/session.js';
import {Unsent} from '../../../web/lib/unsent.js';
import {asObject} from '../../../web/lib/values.js';

/** @typedef {import('./chat.js').Core} Core */
/** @typedef {import('./store.js').Message} Message */
/** @typedef {import('./store.js').Pending} Pending */

export class ChatPanel {
  /** @param {Core} core */
  constructor(core) {
    this.core = core;
    this.site = core.site;
    this.o = readOptions(core.options);
    this.t = makeWords(core.lang, this.o.msg, 'chat');
    this.full = new Intl.DateTimeFormat(this.t.lang, {dateStyle: 'full', timeStyle: 'short'});
    this.clock = new Intl.DateTimeFormat(this.t.lang, {hour: 'numeric', minute: '2-digit'});
    this.day = new Intl.DateTimeFormat(this.t.lang, {weekday: 'long', day: 'numeric', month: 'long'});
    this.session = openSession(this.site, this.o.token, this.o.renew, this.o.said);
    this.store = new ChatStore();
    this.duty = makeDuty(this);
    /** @type {any} what the server says of the site's chat */
    this.info = {status: core.status, before: [], offline: [], consent: '', departments: [], edit_seconds: 0};
    this.loaded = false;
    this.line = '';
    this.error = '';
    /** @type {import('../../../web/lib/live.js').Subscription | null} */
    this.sub = null;
    /** @type {import('../../../web/lib/live.js').Subscription | null} whether somebody is there */
    this.presence = null;
    /** @type {import('./files.js').Files | null} */
    this.files = null;
    /** @type {Promise<import('./files.js').Files | null> | null} */
    this.opening = null;
    this.token = '';
    this.busy = false;
    this.pause = 1000;
    /** @type {Message | null} */
    this.editing = null;
    /** @type {any} the invitation that was taken */
    this.invited = null;
    this.score = 0;
    this.copied = false;
    this.asked = '';
    this.hasForm = false;
    this.formKind = '';
    /** @type {ReturnType<typeof import('./forms.js').makeForm> | null} */
    this.form = null;
    /** @type {number | undefined} */
    this.again = undefined;
    /** @type {number | undefined} until it opens */
    this.opens = undefined;
    this.offline = false;
    /** @type {HTMLElement | null} */
    this.bubble = null;
    this.draft = new Draft('chatdraft:' + this.site, () => (this.editing ? '' : this.field.value));
    this.unsent = new Unsent(() => 'chatunsent:' + this.site);
    const frame = makeFrame(this);
    this.node = frame.node;
    this.head = frame.head;
    this.sound = frame.sound;
    this.finish = frame.finish;
    this.hello = frame.hello;
    this.older = frame.older;
    this.log = frame.log;
    this.ask = frame.ask;
    this.scroll = frame.scroll;
    this.down = frame.down;
    this.status = frame.status;
    this.alert = frame.alert;
    this.field = frame.field;
    this.emoji = frame.emoji;
    this.smile = frame.smile;
    this.composer = frame.composer;
    this.clip = frame.clip;
    this.staged = frame.staged;
    this.notify = frame.notify;
    this.talk = new Talk(this, this.log);
    this.scroll.addEventListener('scroll', () => {
      if (this.atBottom()) this.down.hidden = true;
      this.seen();
    });
    core.root.prepend(this.node);
    core.label = loader.text(core.options.launcherTitle) || this.t('chatOpen');
    core.name();
    this.field.value = this.draft.stored;
    this.store.pending = this.unsent.stored().map(one => ({...one, state: 'wait', why: ''}));
    this.timer = setInterval(() => this.tick(), 1000);
    this.listeners = new AbortController();
    const {signal} = this.listeners;
    addEventListener('online', () => this.flush(), {signal});
    addEventListener('pagehide', () => (this.draft.flush(), this.keepUnsent()), {signal});
    document.addEventListener('visibilitychange', () => this.seen(), {signal});
    const view = window.visualViewport;
    if (view) view.addEventListener('resize', () => this.fit(), {signal});
    addEventListener('hashchange', () => this.redeem(), {signal});
    // Back on a page that was kept whole: what other pages did meanwhile was not heard.
    addEventListener('pageshow', event => event.persisted && core.heard(this.kept()), {signal});
    core.keep({}, true);
    /** @type {Promise<unknown>} calls of the page, in their order */
    this.calls = Promise.resolve();
    this.begin();
  }

  async begin() {
    if (loader.text(this.core.options.cookieDomain))
      await import('./sharing.js').then(
        one => one.adopt(this),
        () => {},
      );
    if (this.redeem()) return;
    if (this.core.state().chat) this.resume();
    else this.look();
  }
  /** What is stored for all tabs. */
  kept() {
    return {chat: null, ...asObject(loader.load('chat:' + this.site))};
  }
  /** A link from a letter goes on with its conversation. Gives whether the page was opened by one. */
  redeem() {
    const here = /#cackled-chat=/.test(location.hash);
    if (here) this.late(() => import('./redeem.js')).then(one => one.redeem(this));
    return here;
  }
  /**
   * A file that the visitor waits for; they are told where it can't be had, and may try again.
   * @template T
   * @param {() => Promise<T>} fetch
   */
  late(fetch) {
    return late(fetch, again => {
      this.say(this.t('network'), again);
      this.core.toggle(true);
    }).then(one => (this.say(''), one));
  }

  // Opening, closing.

  /** @param {boolean} [quiet] another tab, or the page before, opened it */
  show(quiet) {
    this.node.hidden = false;
    if (this.bubble) this.bubble.remove();
    this.fit();
    this.draw();
    this.bottom();
    this.seen();
    if (!quiet)
      (this.composer.hidden
        ? /** @type {HTMLElement} */ (this.node.querySelector('.ask button, button'))
        : this.field
      ).focus();
  }
  /** @param {boolean} [quiet] */
  hide(quiet) {
    const inside = this.node.contains(this.core.shadow.activeElement);
    this.node.hidden = true;
    this.draft.flush();
    if (!quiet || inside) this.core.button.focus();
  }
  end() {
    this.keepUnsent();
    this.draft.flush();
    clearTimeout(this.opens);
    clearInterval(this.timer);
    this.listeners.abort();
    if (this.sub) this.sub.close();
    if (this.presence) this.presence.close();
    if (this.files) this.files.close();
    this.duty.end();
    this.node.remove();
  }
  /** The keyboard of a phone takes its part of the screen. */
  fit() {
    const view = window.visualViewport;
    const phone = innerWidth <= 500 || innerHeight <= 420;
    this.node.classList.toggle('whole', phone);
    this.node.style.height = phone && view ? view.height + 'px' : '';
    this.node.style.insetBlockStart = phone && view ? view.offsetTop + 'px' : '';
  }
  atBottom() {
    const {scrollHeight, scrollTop, clientHeight} = this.scroll;
    return scrollHeight - scrollTop - clientHeight < 60;
  }
  bottom() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
    this.down.hidden = true;
  }

  // The conversation.

  /**
   * A call about the conversation.
   * @param {string} method
   * @param {string} [path]
   * @param {import('../../../web/lib/session.js').CallOptions} [options]
   */
  call1(method, path = '', options) {
    return this.session.call(method, '/chats/' + this.core.state().chat + path, {token: this.token, ...options});
  }

  look() {
    return look(this);
  }
  resume() {
    return resume(this);
  }
  seen() {
    seen(this);
  }

  // Writing.

  /**
   * @param {string} words
   * @param {() => void} [again] does once more what failed
   */
  say(words, again) {
    const button = again && el('button.quiet', {onclick: again}, this.t('tryAgain'));
    this.alert.replaceChildren(words, ...(button ? [' ', button] : []));
  }
  /** @param {string} text */
  write(text) {
    write(this, text);
  }
  /** Makes ready for pictures. */
  open() {
    return (this.opening =
      this.opening ||
      import('./files.js')
        .then(one => one.openFiles(this))
        .then(
          files => (this.files = files),
          () => (this.opening = null),
        ));
  }
  keepUnsent() {
    this.unsent.keep(this.store.pending);
  }

  /** Sends what waits, one after another. */
  flush() {
    return flush(this);
  }
  forget() {
    forget(this);
  }

  /**
   * An address that may be opened.
   * @param {unknown} address
   */
  safe(address) {
    try {
      const url = new URL(loader.text(address), loader.base() || location.href);
      return /^https?:$/.test(url.protocol) ? url.href : undefined;
    } catch {
      return undefined;
    }
  }

  // Drawing.

  draw() {
    draw(this);
  }
  /** Answers that the newest message offers. */
  quick() {
    const {messages, pending} = this.store;
    const last = messages[messages.length - 1];
    return (!pending.length && last && !this.store.own(last) && last.quick) || [];
  }
  drawStatus() {
    drawStatus(this);
  }
  tick() {
    if (this.talk.outdated()) this.draw();
    this.drawStatus();
    this.duty.moved();
  }

  // From outside.

  /**
   * What another tab did.
   * @param {Record<string, any>} values
   */
  heard(values) {
    heard(this, values);
  }
  /** The visitor ends the conversation. */
  endChat() {
    this.late(() => import('./ending.js')).then(one => one.finishChat(this));
  }
  /**
   * A proactive invitation beside the launcher; there when this ends.
   * @param {import('./rules.js').Rule} rule
   */
  offer(rule) {
    return import('./offer.js').then(one => one.drawOffer(this, rule));
  }
  /**
   * A call of the page: its name, and what it gave.
   * @param {any[]} call
   */
  push(call) {
    const [name, given] = call;
    const text = loader.text(given);
    if (name === 'send' && text) {
      if (this.form || !this.loaded) {
        // What is asked first stays asked first.
        this.field.value = text;
        this.core.toggle(true);
        if (!this.loaded) this.look().then(() => this.form || submit(this));
      } else this.write(text);
    } else if (name === 'prefill') {
      if (!this.field.value) this.field.value = text;
      this.draft.touch();
      this.core.toggle(true);
    } else if (name === 'endChat') this.endChat();
    else if (name === 'mute') this.duty.mute(given !== false);
    else
      this.calls = Promise.all([untilThere(() => import('./calls.js')), this.calls]).then(([one]) =>
        one.callPage(this, call),
      );
  }
  /** Another language. */
  speak() {
    this.late(() => import('./calls.js')).then(one => one.speakAnew(this));
  }
}
/** @type {any} */ (loader).chatPanel = (/** @type {Core} */ core) => new ChatPanel(core);
