/* The panel of the chat: what it knows, sends and hears. talk.js draws the conversation, forms.js what comes before it. */
import {makeDuty} from './duty.js';
import {ChatStore} from './store.js';
import {flush, remove, saveEdit, start} from './sending.js';
import {Talk} from './talk.js';
import {draw, drawAsk, drawStatus, MUTED} from './view.js';
import {el, icon} from '../../../web/lib/dom.js';
import {Draft} from '../../../web/lib/drafts.js';
import {makeWords} from '../../../web/lib/i18n.js';
import {subscribe} from '../../../web/lib/live.js';
import {loader, Promise} from '../../../web/lib/loader.js';
import {readOptions} from '../../../web/lib/options.js';
import {reason} from '../../../web/lib/reasons.js';
import {openSession} from '../../../web/lib/session.js';
import {Unsent} from '../../../web/lib/unsent.js';
import {asObject, uid} from '../../../web/lib/values.js';

/** @typedef {import('./chat.js').Core} Core */
/** @typedef {import('./store.js').Message} Message */
/** @typedef {import('./store.js').Pending} Pending */

const CROSS = 'M5 5l10 10M15 5L5 15';
const SEND = 'M4 10h11M10 5l5 5-5 5';
const SMILE = 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM7.5 8h.01M12.5 8h.01M7 11.5a3.6 3.6 0 0 0 6 0';
const EMOJI = [...'😀😂😊😍🤔😅😢😡👍👎🙏👏💪🎉❤️🔥✨✅❌⏰📎📦💳🚚'].filter(one => one !== '\ufe0f');

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
    this.info = {status: core.status, before: [], offline: [], consent: '', departments: []};
    this.loaded = false;
    this.line = '';
    this.error = '';
    /** @type {import('../../../web/lib/live.js').Subscription | null} */
    this.sub = null;
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
    /** @type {HTMLElement | null} */
    this.bubble = null;
    this.draft = new Draft('chatdraft:' + this.site, () => (this.editing ? '' : this.field.value));
    this.unsent = new Unsent(() => 'chatunsent:' + this.site);
    const {t} = this;
    const press = (
      /** @type {string} */ spec,
      /** @type {string} */ path,
      /** @type {string} */ words,
      /** @type {() => void} */ onclick,
    ) => el('button.tool.' + spec, {onclick, 'aria-label': words, title: words}, icon(path));
    this.head = el('div.about');
    this.sound = press('sound', MUTED, t('chatSoundOff'), () => this.duty.mute());
    this.finish = el('button.quiet.finish', {onclick: () => this.finishChat()}, t('chatEnd'));
    this.hello = el('div.hello');
    this.older = el('button.quiet.older', {onclick: () => this.earlier()}, t('chatEarlier'));
    this.log = el('div.log', {role: 'log', 'aria-live': 'polite', 'aria-relevant': 'additions', tabindex: 0});
    this.ask = el('div.ask');
    this.scroll = el('div.scroll', null, this.hello, this.older, this.log, this.ask);
    this.down = el('button.down', {onclick: () => this.bottom(), hidden: true});
    this.status = el('div.status', {role: 'status'});
    this.alert = el('div.alert', {role: 'alert'});
    this.field = el('textarea.field', {
      rows: 1,
      maxlength: 4000,
      dir: 'auto',
      'aria-label': t('chatWrite'),
      placeholder: t('chatWrite'),
      enterkeyhint: 'send',
      oninput: () => this.typed(),
      onkeydown: event => {
        if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
          event.preventDefault();
          this.submit();
        }
      },
    });
    this.emoji = el(
      'div.emoji',
      {hidden: true},
      EMOJI.map(one => el('button', {onclick: () => this.insert(one)}, one)),
    );
    this.smile = press('smile', SMILE, t('emoji'), () => {
      this.emoji.hidden = !this.emoji.hidden;
      this.smile.setAttribute('aria-expanded', '' + !this.emoji.hidden);
    });
    this.smile.setAttribute('aria-expanded', 'false');
    this.go = press('send', SEND, t('chatSend'), () => this.submit());
    this.composer = el('div.composer', null, this.smile, this.field, this.go);
    this.talk = new Talk(this, this.log);
    this.node = el(
      'section.panel',
      {
        role: 'dialog',
        'aria-label': t('chatTitle'),
        hidden: true,
        part: 'panel',
        onkeydown: event => {
          if (event.key !== 'Escape') return;
          event.stopPropagation();
          if (this.editing) this.stopEditing();
          else if (!this.emoji.hidden) this.smile.click();
          else core.toggle(false);
        },
      },
      el(
        'div.head',
        null,
        this.head,
        this.sound,
        press('shut', CROSS, t('chatClose'), () => core.toggle(false)),
      ),
      this.scroll,
      this.down,
      this.status,
      this.alert,
      this.emoji,
      this.composer,
      el('div.under', null, this.finish),
    );
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
    if (core.state().chat) this.resume();
    else this.look();
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
    clearInterval(this.timer);
    this.listeners.abort();
    if (this.sub) this.sub.close();
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

  async look() {
    try {
      this.info = {...this.info, ...(await this.core.ask())};
      this.loaded = true;
      this.form = null;
    } catch (error) {
      this.error = this.t(asObject(error).status < 500 ? 'unavailable' : 'network');
      setTimeout(() => !this.loaded && this.look(), 5000 * (1 + Math.random()));
    }
    this.draw();
  }

  /** Goes on with the conversation of before. */
  async resume() {
    const kept = this.core.state();
    const {chat} = kept;
    this.token = loader.text(kept.token);
    this.look();
    try {
      const [one, page] = await Promise.all([this.call1('GET'), this.call1('GET', '/messages?size=50')]);
      if (this.core.state().chat !== chat) return;
      this.store.learn(one.chat);
      this.log.setAttribute('aria-live', 'off');
      this.store.take(page, true);
      this.follow(one.channel || kept.channel);
      this.draw();
      this.bottom();
      setTimeout(() => this.log.setAttribute('aria-live', 'polite'), 500);
      this.seen();
      this.flush();
      this.duty.visit();
    } catch (e) {
      const error = /** @type {any} */ (e);
      if (error.status === 404 || error.status === 401 || error.status === 410) return this.forget();
      setTimeout(() => this.core.panel === this && this.resume(), 3000 * (1 + Math.random()));
    }
  }

  /** @param {string} channel */
  follow(channel) {
    if (this.sub) this.sub.close();
    const sub = /\//.test(channel) ? channel : this.site + '/' + channel;
    this.sub = subscribe(
      sub + '@' + this.store.seq,
      {
        event: m => this.heardEvent(m),
        status: line => {
          this.line = line;
          this.drawStatus();
          if (line === 'live') this.flush();
        },
        reset: () => this.catchUp(),
        renew: null,
      },
      this.token,
    );
  }

  /** Loads what the live line could not give. Gives the seq that is reached. */
  async catchUp() {
    for (;;) {
      const page = await this.call1('GET', '/messages?since=' + this.last() + '&size=100');
      this.store.take(page).forEach(one => this.store.own(one) || this.arrived(one));
      if (!page.more || !page.messages.length) break;
    }
    const one = await this.call1('GET');
    this.store.learn(one.chat);
    this.store.seq = Math.max(this.store.seq, one.seq);
    this.draw();
    return this.store.seq;
  }
  last() {
    const {messages} = this.store;
    return messages.length ? messages[messages.length - 1].seq : 0;
  }
  async earlier() {
    const {messages} = this.store;
    const height = this.scroll.scrollHeight;
    try {
      this.log.setAttribute('aria-live', 'off');
      this.store.take(await this.call1('GET', '/messages?size=50&before=' + (messages[0] ? messages[0].seq : 0)), true);
      this.draw();
      this.scroll.scrollTop += this.scroll.scrollHeight - height;
    } catch (error) {
      this.say(reason(this.t, /** @type {any} */ (error)));
    }
    this.log.setAttribute('aria-live', 'polite');
  }

  /** @param {import('../../../web/lib/live.js').Message} m */
  heardEvent(m) {
    const state = this.store.chat.state;
    const fresh = this.store.event(m, Date.now());
    if (fresh) this.arrived(fresh);
    if (m.type === 'chat.assigned' && this.store.chat.operator) this.core.fire('agent:join', this.store.chat.operator);
    if (this.store.chat.state === 'closed' && state !== 'closed')
      this.core.fire('chat:end', {by: this.store.chat.closed_by});
    this.keepUnsent();
    this.draw();
    this.seen();
  }
  /** @param {Message} message */
  arrived(message) {
    if (message.kind !== 'text')
      return message.event && message.event.name === 'left' && this.core.fire('agent:leave', message.author);
    this.core.fire('message:in', message);
    this.duty.ring(message.seq);
  }

  /** Tells the server what was seen, and shows how much was not. */
  seen() {
    const {store, core} = this;
    const {hidden} = document;
    if (core.open && !hidden && this.atBottom()) {
      const seq = store.toRead();
      if (seq) {
        store.chat.read.visitor = seq;
        this.call1('PUT', '/read', {body: {seq}}).catch(() => {});
      }
    }
    const n = store.unread();
    core.setUnread(n);
    this.duty.title(n);
    this.down.hidden = !n || this.atBottom();
    this.down.textContent = this.t('chatNew', {n});
  }

  // Writing.

  typed() {
    this.grow();
    this.error = '';
    this.alert.textContent = '';
    this.draft.touch();
    if (this.token && this.field.value && this.store.chat.state !== 'closed') this.duty.typing();
  }
  grow() {
    this.field.style.height = '0';
    this.field.style.height = Math.min(132, this.field.scrollHeight) + 'px';
  }
  /** @param {string} text */
  insert(text) {
    this.field.setRangeText(text, this.field.selectionStart, this.field.selectionEnd, 'end');
    this.smile.click();
    this.field.focus();
    this.typed();
  }
  /** @param {string} words */
  say(words) {
    this.alert.textContent = words;
  }

  submit() {
    const text = this.field.value.trim();
    if (this.editing) return this.saveEdit(text);
    if (this.form && !this.form.check()) return;
    if (!text) return this.field.focus();
    this.field.value = '';
    this.draft.drop();
    this.grow();
    this.write(text);
  }
  /** @param {string} text */
  write(text) {
    this.store.write(text, uid(), Date.now());
    this.keepUnsent();
    this.draw();
    this.bottom();
    this.flush();
  }
  keepUnsent() {
    this.unsent.keep(this.store.pending);
  }
  /** @param {Pending} pending */
  retry(pending) {
    pending.state = 'wait';
    this.draw();
    this.flush();
  }
  /** @param {Pending} pending */
  discard(pending) {
    this.store.discard(pending.key);
    this.keepUnsent();
    this.draw();
    this.field.focus();
  }

  /** Sends what waits, one after another. */
  flush() {
    return flush(this);
  }

  /**
   * Starts a conversation with its first message; where another tab has just done so, that one is joined.
   * @param {Pending} first
   */
  start(first) {
    return start(this, first);
  }

  /** The conversation is over; what is typed or failed goes into another. */
  startAgain() {
    this.forget();
    this.store.pending.forEach(one => (one.state = 'wait'));
    if (this.store.pending.length && !this.form) this.flush();
    this.draw();
    this.field.focus();
  }
  /** Another conversation may begin. */
  forget() {
    if (this.sub) this.sub.close();
    this.sub = null;
    this.token = '';
    this.store.clear();
    this.score = 0;
    this.core.keep({chat: null, token: null, channel: null});
    this.duty.share();
    this.form = null;
    this.core.first = null;
    this.look();
  }
  async finishChat() {
    try {
      await this.call1('POST', '/close', {body: {}});
      if (this.store.chat.state !== 'closed')
        this.heardEvent(/** @type {any} */ ({type: 'chat.closed', data: {by: 'visitor'}}));
    } catch (error) {
      this.say(reason(this.t, /** @type {any} */ (error)));
    }
  }

  /** @param {Message} message */
  edit(message) {
    if (!this.editing) this.draft.flush();
    this.editing = message;
    this.field.value = message.text;
    this.node.classList.add('editing');
    this.grow();
    this.field.focus();
  }
  stopEditing() {
    this.editing = null;
    this.node.classList.remove('editing');
    this.field.value = this.draft.stored;
    this.grow();
  }
  /** @param {string} text */
  saveEdit(text) {
    return saveEdit(this, text);
  }
  /** @param {Message} message */
  remove(message) {
    return remove(this, message);
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
    return draw(this);
  }

  /**
   * The form before a conversation, or what is asked at its end.
   * @param {boolean} running
   * @param {boolean} offline
   */
  drawAsk(running, offline) {
    return drawAsk(this, running, offline);
  }
  /** Answers that the newest message offers. */
  quick() {
    const {messages, pending} = this.store;
    const last = messages[messages.length - 1];
    return (!pending.length && last && !this.store.own(last) && last.quick) || [];
  }

  drawStatus() {
    return drawStatus(this);
  }
  tick() {
    this.drawStatus();
    this.duty.moved();
  }

  // From outside.

  /**
   * What another tab did.
   * @param {Record<string, any>} values
   */
  heard(values) {
    if (!('chat' in values)) return;
    if (values.chat && values.chat !== this.store.chat.id) {
      this.store.clear();
      this.resume();
    } else if (!values.chat && this.store.chat.id) {
      this.store.clear();
      if (this.sub) this.sub.close();
      this.sub = null;
      this.look();
    }
  }
  /**
   * A proactive invitation beside the launcher.
   * @param {any} rule
   */
  offer(rule) {
    const {core, t} = this;
    if (core.open || core.state().chat) return;
    const {greeting} = this.info;
    const name = loader.text(asObject(greeting).name);
    const shut = el('button.tool.shut', {'aria-label': t('cancel'), onclick: () => bubble.remove()}, icon(CROSS));
    const bubble = el(
      'aside.invite',
      {'aria-label': t('chatTitle')},
      el('button.words', {onclick: () => {
        this.invited = rule;
        core.toggle(true);
      }}, name && el('strong', null, name), el('span', {dir: 'auto'}, loader.text(rule.text))),
      shut,
    ); // prettier-ignore
    this.bubble = bubble;
    core.root.prepend(bubble);
    core.fire('invitation', {id: rule.id, name: rule.name});
  }
  /**
   * A call of the page.
   * @param {string} name
   * @param {any[]} args
   */
  call(name, args) {
    if (name === 'send' && loader.text(args[0])) {
      if (this.form || !this.loaded) {
        // What is asked first stays asked first.
        this.field.value = loader.text(args[0]);
        this.core.toggle(true);
        if (!this.loaded) this.look().then(() => this.form || this.submit());
      } else this.write(loader.text(args[0]));
    } else if (name === 'prefill') {
      if (!this.field.value) this.field.value = loader.text(args[0]);
      this.draft.touch();
      this.core.toggle(true);
    } else if (name === 'endChat') this.finishChat();
    else this.duty.call(name, args);
  }
}
/** @type {any} */ (loader).chatPanel = (/** @type {Core} */ core) => new ChatPanel(core);
