/* The bell: what a visitor was told, live; following; letters, and push where the site hosts our service worker. */
import {el, press} from '../../../web/lib/dom.js';
import {safeHtml} from '../../../web/lib/html.js';
import {Promise} from '../../../web/lib/loader.js';
import {save} from '../../../web/lib/storage.js';

const TOLD = {reply: 'answeredYou', mention: 'mentionedYou'};

/**
 * What the widget lends its bell.
 * @typedef {object} Host
 * @property {string} site
 * @property {import('../../../web/lib/session.js').Session} session
 * @property {import('../../../web/lib/i18n.js').Translate} t
 * @property {any} times
 * @property {string} worker the address of the site's service worker; '': it hosts none
 * @property {(() => void)[]} closers called when the widget goes
 * @property {() => string} channel
 * @property {(name: string) => void} [fire] calls the page's own functions
 * @property {(words: string) => void} say
 * @property {(error: any) => void} fail
 * @property {(live: string, handler: any, token?: string) => {close: () => void}} subscribe
 */

const SIZE = 10;
const EMAIL = /^[^\s@<>(),;:\\"[\]]+@[^\s@<>(),;:\\"[\]]+$/;
// One bell a box, however often it is asked for.
/** @type {WeakMap<HTMLElement, Bell>} */
const bells = new WeakMap();

class Bell {
  /**
   * @param {Host} host
   * @param {HTMLElement} box
   */
  constructor(host, box) {
    this.host = host;
    this.box = box;
    this.button = /** @type {HTMLElement} */ (box.querySelector('.mc-belltop'));
    this.unread = 0;
    this.following = false;
    this.stale = false;
    /** @type {any[]} */
    this.notices = [];
    /** @type {Promise<void> | null} */
    this.known = null;
    /** @type {HTMLElement | null} */
    this.open = null;
    /** @type {HTMLElement | null} of this browser's subscription, where it is drawn */
    this.pushButton = null;
    /** @type {Record<string, any> | null} */
    this.settings = null;
    /** The form for letters, what it was drawn from, as text. */
    this.form = {from: '', node: /** @type {HTMLElement | null} */ (null)};
    /** @type {{close: () => void} | null} */
    this.sub = null;
    /** @type {(event: any) => void} */
    this.outside = () => {};
    /** @type {(event: any) => void} */
    this.keys = () => {};
    host.closers.push(() => this.shut());
  }

  /** @param {string} path */
  get(path) {
    return this.host.session.call('GET', path, {mine: true});
  }

  /* How much is new, and every change of it. */
  async ring() {
    if (this.known) return this.known;
    this.known = this.load();
    try {
      await this.known;
    } catch (error) {
      this.known = null;
      throw error;
    }
  }

  async load() {
    const [told, followed] = await Promise.all([this.get('/notices?size=' + SIZE), this.get('/follows')]);
    const channel = this.host.channel();
    this.following = followed.follows.some(
      (/** @type {any} */ one) => one.kind === 'conversation' && one.id === channel,
    );
    this.take(told);
    this.listen(told.live);
  }

  /** @param {any} told */
  take(told) {
    this.stale = false;
    this.notices = told.notices;
    this.unread = told.unread;
    this.draw();
  }

  /** @param {string} live */
  listen(live) {
    if (!live || this.sub) return;
    const {host} = this;
    const handler = {
      event: (/** @type {any} */ m) => {
        if (m.type !== 'notice.created') return;
        const more = m.data.unread > this.unread;
        this.unread = m.data.unread;
        this.draw();
        if (more) host.say(host.t('unread', {n: this.unread}));
        this.stale = true;
        if (this.open) this.again();
      },
      status: () => {
        // The page's own line shows it.
      },
      reset: () => this.again(),
    };
    const sub = host.subscribe(live, handler, host.session.view() || undefined);
    this.sub = sub;
    host.closers.push(() => sub.close());
  }

  async again() {
    const told = await this.get('/notices?size=' + SIZE);
    this.take(told);
    if (this.open) this.fill();
    return told.live ? +told.live.split('@')[1] : 0;
  }

  draw() {
    const {t} = this.host;
    const count = /** @type {HTMLElement} */ (this.box.querySelector('.mc-bellcount'));
    const words = /** @type {HTMLElement} */ (this.box.querySelector('.mc-bellwords'));
    count.hidden = !this.unread;
    count.textContent = this.unread > 99 ? '99+' : t.number(this.unread);
    this.button.title = words.textContent = t(this.following || this.unread ? 'notices' : 'follow');
    this.button.setAttribute('aria-label', this.unread ? t('unread', {n: this.unread}) : words.textContent);
  }

  toggle() {
    if (this.open) return this.shut(true);
    const {t} = this.host;
    this.open = el('div.mc-bellbox', {role: 'dialog', 'aria-label': t('notices'), tabindex: -1});
    this.open.append(el('p.mc-bellquiet', null, '…'));
    this.box.append(this.open);
    this.button.setAttribute('aria-expanded', 'true');
    this.outside = event => {
      if (!this.box.contains(event.target)) this.shut();
    };
    this.keys = event => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        this.shut(true);
      }
    };
    document.addEventListener('pointerdown', this.outside, true);
    this.box.addEventListener('keydown', this.keys);
    this.open.focus();
    this.ring()
      .then(() => (this.stale ? this.again() : 0))
      .then(() => this.get('/notices/settings'))
      .then(settings => {
        this.settings = settings;
        this.fill();
        this.seen();
      })
      .catch((/** @type {any} */ error) => {
        this.shut();
        this.host.fail(error);
      });
  }

  /** @param {boolean} [back] the focus goes to the button */
  shut(back) {
    if (!this.open) return;
    document.removeEventListener('pointerdown', this.outside, true);
    this.box.removeEventListener('keydown', this.keys);
    this.open.remove();
    this.open = null;
    this.button.setAttribute('aria-expanded', 'false');
    if (back) this.button.focus();
  }

  /* What stands there was read. */
  seen() {
    if (!this.unread || !this.notices.length) return;
    this.host.session.call('PUT', '/notices/read', {body: {upto: this.notices[0].id}}).then(
      () => {
        this.unread = 0;
        this.draw();
      },
      () => {
        // Counted as new for longer.
      },
    );
  }

  fill() {
    if (!this.open || !this.settings) return;
    const {t} = this.host;
    const active = document.activeElement;
    const held = this.open.contains(active) && active && active.getAttribute('data-keep');
    this.open.replaceChildren(
      press(
        'mc-act.mc-bellfollow',
        {'aria-pressed': String(this.following), 'data-keep': 'follow', onclick: () => this.follow()},
        t(this.following ? 'followsThis' : 'followThis'),
      ),
      this.list(),
      ...(this.settings.mail ? [this.letters()] : []),
      ...(this.host.worker && this.settings.push && 'serviceWorker' in navigator && 'PushManager' in window
        ? [this.push()]
        : []),
      el(
        'a.mc-bellall',
        {href: this.settings.page, target: '_blank', rel: 'noopener', 'data-keep': 'all'},
        t('allSettings'),
      ),
    );
    const again = held && /** @type {HTMLElement | null} */ (this.open.querySelector('[data-keep="' + held + '"]'));
    (again || this.open).focus();
  }

  list() {
    const {t, times} = this.host;
    if (!this.notices.length) return el('p.mc-bellquiet', {dir: 'auto'}, t('nothingNew'));
    return el(
      'ul.mc-bells',
      null,
      this.notices.map(one => {
        const {author, html, created} = one.comment;
        const text = (el('div', null, safeHtml(html)).textContent || '').trim();
        const name = (author && author.name) || t('guest');
        return el(
          'li.mc-bellitem' + (one.read ? '' : '.mc-new'),
          null,
          el(
            'a.mc-bellone',
            {href: one.permalink || '#mc-' + one.comment.id, dir: 'auto'},
            el('span.mc-bellwho.mc-bellline', null, t(TOLD[/** @type {'reply'} */ (one.reason)] || 'wrote', {name})),
            el('span.mc-belltext', null, text.slice(0, 140)),
            el('span.mc-bellquiet.mc-bellline', null, [
              one.title,
              ' · ',
              times.node ? times.node(created) : created.slice(0, 10),
            ]),
          ),
        );
      }),
    );
  }

  async follow() {
    const {host} = this;
    const path = '/follows/conversation/' + host.channel();
    const was = this.following;
    this.following = !was;
    this.draw();
    this.fill();
    try {
      if (was) await host.session.call('DELETE', path);
      else await host.session.call('PUT', path, {body: {language: host.t.lang.slice(0, 2)}});
      if (host.fire) host.fire(was ? 'unsubscribe' : 'subscribe');
      save('bell:' + host.site, 1);
      if (!this.sub) this.listen((await this.get('/notices?size=1')).live);
    } catch (error) {
      this.following = was;
      this.draw();
      this.fill();
      host.fail(error);
    }
  }

  /* The same form while nothing else is set: news must not take away what somebody types. */
  letters() {
    const from = JSON.stringify(this.settings);
    if (!this.form.node || this.form.from !== from) this.form = {from, node: this.mail()};
    return /** @type {HTMLElement} */ (this.form.node);
  }

  mail() {
    const {t} = this.host;
    const {email, state, digest} = /** @type {Record<string, any>} */ (this.settings);
    const address = el('input.mc-bellmail', {
      type: 'email',
      autocomplete: 'email',
      maxlength: 250,
      'aria-label': t('yourAddress'),
      placeholder: t('yourAddress'),
      'data-keep': 'mail',
    });
    address.value = email;
    const often = el('select.mc-belldigest', {'aria-label': t('byMailHow'), 'data-keep': 'digest'});
    [
      ['off', 'mailOff'],
      ['soon', 'mailSoon'],
      ['hourly', 'mailHourly'],
      ['daily', 'mailDaily'],
    ].forEach(([value, key]) => often.append(el('option', {value, selected: value === digest}, t(key))));
    const told =
      state === 'asked' ? t('confirmByLetter') : state === 'bounced' || state === 'complained' ? t('mailBack') : '';
    const form = el(
      'form.mc-bellform',
      {
        novalidate: true,
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          event.stopPropagation();
        },
      },
      el('span.mc-bellwho', null, t('byMailToo')),
      el(
        'div.mc-bellrow',
        null,
        address,
        often,
        el(
          'button.mc-formbtn',
          {type: 'submit', 'data-keep': 'save', onclick: () => this.keep(address, /** @type {any} */ (often).value)},
          t('save'),
        ),
      ),
      el('span.mc-bellquiet', {role: 'status'}, told),
    );
    return form;
  }

  /**
   * @param {HTMLInputElement} address
   * @param {string} digest
   */
  async keep(address, digest) {
    const {host} = this;
    const settings = /** @type {Record<string, any>} */ (this.settings);
    const email = address.value.trim();
    if (email && !EMAIL.test(email)) {
      address.setAttribute('aria-invalid', 'true');
      return address.focus();
    }
    try {
      /** @type {Record<string, any>} */
      const body = {
        language: host.t.lang.slice(0, 2),
        digest: email && digest === 'off' && !settings.email ? 'soon' : digest,
      };
      const {timeZone} = new Intl.DateTimeFormat().resolvedOptions();
      if (timeZone && settings.zone === 'UTC') body.zone = timeZone;
      if (email !== settings.email) body.email = email;
      this.settings = await host.session.call('PATCH', '/notices/settings', {body});
      save('bell:' + host.site, 1);
      this.fill();
    } catch (error) {
      host.fail(error);
    }
  }

  push() {
    const {t} = this.host;
    /** @type {HTMLElement} */
    const button = press(
      'mc-act.mc-bellpush',
      {'aria-pressed': 'false', 'data-keep': 'push', onclick: () => this.turnPush(button)},
      t('onThisDevice'),
    );
    this.pushButton = button;
    navigator.serviceWorker
      .getRegistration(this.host.worker)
      .then(found => found && found.pushManager.getSubscription())
      .then(sub => button.setAttribute('aria-pressed', String(!!sub)))
      .catch(() => {
        // Asked for when it is pressed.
      });
    return button;
  }

  /* This browser's subscription. It asks the reader, and may refuse. */
  async subscribed() {
    const registration = await navigator.serviceWorker.register(this.host.worker);
    const text = atob(/** @type {Record<string, any>} */ (this.settings).push.replace(/-/g, '+').replace(/_/g, '/'));
    const key = Uint8Array.from(text, one => one.charCodeAt(0));
    return registration.pushManager.subscribe({userVisibleOnly: true, applicationServerKey: key});
  }

  /** @param {HTMLElement} button */
  async turnPush(button) {
    const {host} = this;
    // The one that is there now: what comes meanwhile draws all of it anew.
    const show = (/** @type {boolean} */ on) =>
      this.pushButton && this.pushButton.setAttribute('aria-pressed', '' + on);
    try {
      if (button.getAttribute('aria-pressed') === 'true') {
        const found = await navigator.serviceWorker.getRegistration(host.worker);
        const sub = found && (await found.pushManager.getSubscription());
        if (sub) {
          await host.session.call('POST', '/notices/push/gone', {body: {endpoint: sub.endpoint}});
          await sub.unsubscribe();
        }
        return show(false);
      }
      const sub = await this.subscribed().catch(() => null);
      // Refused by the reader or by the browser, or the site's file is not there.
      if (!sub) return host.say(host.t('noPush'));
      const {endpoint, keys} = sub.toJSON();
      await host.session.call('PUT', '/notices/push', {body: {endpoint, keys}});
      show(true);
      save('bell:' + host.site, 1);
    } catch (error) {
      host.fail(error);
    }
  }
}

/**
 * @param {Host} host
 * @param {HTMLElement} box
 */
function bellOf(host, box) {
  let bell = bells.get(box);
  if (!bell) bells.set(box, (bell = new Bell(host, box)));
  return bell;
}

/**
 * Show what is new, and listen.
 * @param {Host} host
 * @param {HTMLElement} box
 */
export function ring(host, box) {
  bellOf(host, box)
    .ring()
    .catch(() => {
      // Asked again when it is opened.
    });
}

/**
 * Open the bell's box, or shut it.
 * @param {Host} host
 * @param {HTMLElement} box
 */
export function toggle(host, box) {
  bellOf(host, box).toggle();
}

/**
 * @param {Host} host
 * @param {HTMLElement | null} box
 * @param {{id: string, name?: string}} author
 */
export async function followPerson(host, box, author) {
  try {
    await host.session.call('PUT', '/follows/person/' + author.id, {body: {language: host.t.lang.slice(0, 2)}});
    save('bell:' + host.site, 1);
    host.say(host.t('followsPerson', {name: author.name || host.t('guest')}));
    if (box) ring(host, box);
  } catch (error) {
    host.fail(error);
  }
}
