/* The launcher of the chat: a round button that is fetched alone, and `Cackle.Chat`, whose calls may stand in a queue
   before anything is loaded. The panel comes at the first opening, or where a conversation goes on. */
import {loader, Promise} from '../../../web/lib/loader.js';

/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */
/** @typedef {ReturnType<typeof makeCore>} Core */
/** @typedef {{name: string, f: (data: any) => void, once?: boolean}} Listener */

/* The launcher's own look: its page may forbid styles in attributes and elements. */
const LOOK = `:host{all:initial}
.r{--accent:var(--mc-accent,#2f5fd0);--on:var(--mc-on-accent,#fff)}
.b{all:unset;position:fixed;z-index:2147483;width:56px;height:56px;border-radius:50%;display:grid;place-items:center;cursor:pointer;background:var(--accent);color:var(--on);box-shadow:0 4px 20px #0005;inset-block-end:var(--y,0px);inset-inline-end:var(--x,0px);margin:20px calc(20px + env(safe-area-inset-right)) calc(20px + env(safe-area-inset-bottom)) calc(20px + env(safe-area-inset-left))}
.start .b{inset-inline:var(--x,0px) auto}
.b:focus-visible{outline:2px solid var(--accent);outline-offset:3px}
svg{width:26px;fill:none;stroke:currentColor;stroke-width:1.7}
.n{white-space:nowrap;position:absolute;inset-block-start:-4px;inset-inline-end:-4px;padding:0 7px;font:12px/22px system-ui;border-radius:11px;background:#c62033;color:#fff}
.b[hidden],.n:empty{display:none}
@media(forced-colors:active){.b{border:2px solid}}`;
const BUBBLE = 'M21 12a8 8 0 0 1-12 7l-5 1 2-4a8 8 0 1 1 15-4z';
const CROSS = 'M6 6l12 12M18 6L6 18';
// "Chat" (chatShort of the catalogues) where it is written otherwise.
const NAMES = {ar: 'محادثة', he: 'צ׳אט', ja: 'チャット', pl: 'Czat', ru: 'Чат', tr: 'Sohbet', uk: 'Чат', zh: '聊天'};
// What the panel does; the rest the launcher does itself. With the first two it is loaded; the next two hold at once.
const CALLS =
  'send prefill logout reset identify setAttributes deleteAttribute addTag removeTag trackEvent setPage setDepartment setTheme mute endChat'.split(
    ' ',
  );

/**
 * What nobody waits for is fetched until it can be had.
 * @param {string} name
 * @param {() => void} f
 */
const surely = (name, f) => loader.lazy(name).then(f, () => setTimeout(surely, 9e3, name, f));

/** @param {import('../../../web/lib/loader.js').Mounted} mounted */
function makeCore(mounted) {
  const {site, options} = mounted;
  const {text} = loader;
  const host = document.createElement('cackle-chat');
  const shadow = host.attachShadow({mode: 'open'});
  const root = document.createElement('div');
  const button = document.createElement('button');
  const badge = document.createElement('span');
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  /** @type {Listener[]} */
  let listeners = [];
  /** @type {Promise<ChatPanel> | null} */
  let loading = null;
  /** @type {any[][]} */
  const waiting = [];
  const key = 'chat:' + site;
  /** @type {Record<string, any>} what all tabs know; here too, for storage may be refused */
  let memory = loader.load(key) || {};
  /** @type {BroadcastChannel | null} */
  let bus = null;
  try {
    (bus = new BroadcastChannel(key)).onmessage = event => heard(event.data);
  } catch {
    // None here, or refused together with storage.
  }

  const core = {
    site,
    options,
    lang: '',
    shadow,
    root,
    button,
    open: false,
    unread: 0,
    status: 'offline',
    started: false,
    /** @type {ChatPanel | null} */
    panel: null,
    /** @type {any} the answer to the first request */
    first: null,
    state: () => memory,
    /**
     * Keeps values for all tabs and the next page.
     * @param {Record<string, any>} values
     * @param {boolean} [quiet] the other tabs need not know
     */
    keep(values, quiet) {
      memory = {...memory, ...(loader.load(key) || {}), ...values};
      try {
        localStorage.setItem('cackle:' + key, JSON.stringify(memory));
      } catch {
        // In memory alone.
      }
      if (bus && !quiet) bus.postMessage(values);
    },
    /**
     * @param {string} name
     * @param {any} [data]
     */
    fire(name, data) {
      const own = Object(options.callback)[name];
      const all = listeners.filter(one => one.name === name);
      listeners = listeners.filter(one => !(one.once && one.name === name));
      []
        .concat(own || [], /** @type {any} */ (all.map(one => one.f)))
        .map((/** @type {any} */ f) => queueMicrotask(() => f(data)));
    },
    /** @param {number} n */
    setUnread(n) {
      if (n !== core.unread) core.fire('unread', (core.unread = n));
      name();
    },
    /** @param {string} status */
    setStatus(status) {
      if (status !== core.status) core.fire('status', (core.status = status));
      button.hidden = !memory.chat && (status === 'off' || (options.hideOffline && status === 'offline'));
    },
    /** What the launcher is called; the panel has it in the visitor's language. */
    label: '',
    heard,
    name,
    /** @param {boolean} on */
    async toggle(on, quiet = false) {
      if (on === core.open) return;
      core.open = on;
      path.setAttribute('d', on ? CROSS : BUBBLE);
      button.setAttribute('aria-expanded', '' + on);
      if (!quiet) core.keep({open: on});
      core.fire(on ? 'open' : 'close');
      if (on) {
        try {
          await load();
          /** @type {ChatPanel} */ (core.panel).show(quiet);
        } catch {
          core.toggle(false, true);
          core.fire('error');
          // Whoever wanted it presses once more. The words of the page's language may have come, unlike the rest.
          name(((loader.locales || 0)[short()] || 0).network || 'Offline');
        }
      } else if (core.panel) core.panel.hide(quiet);
    },
    goOn,
    load,
    speak,
    async ask() {
      if (!core.first) {
        core.first = loader
          .get('/bootstrap?' + new URLSearchParams({widget: 'Chat', site}))
          .then(answer => (answer.ok ? answer.json() : Promise.reject(answer)));
        core.first.catch(() => (core.first = null));
      }
      const {chat} = await core.first;
      core.setStatus(chat.status);
      return chat;
    },
    begin() {
      if (core.started) return;
      core.started = true;
      place();
      // A letter's link (redeem.js), or the cookie of another subdomain (sharing.js).
      if (memory.chat || memory.open || /cackled?.chat/.test(location.hash + (options.cookieDomain && document.cookie)))
        goOn();
      if (memory.open && innerWidth > 500) core.toggle(true, true);
      const ask = () =>
        core.ask().then(
          chat => {
            if (Object(chat.invitations).length && !memory.chat)
              surely('chatrules.js', () => /** @type {any} */ (loader).chatRules(core, chat.invitations));
          },
          () => {},
        );
      // A page that is never idle must not keep the chat from being offered.
      if ('requestIdleCallback' in window) requestIdleCallback(ask, {timeout: 2000});
      else setTimeout(ask);
    },
    /** @param {any[]} call */
    later(call) {
      (core.panel || waiting).push(call);
    },
    /**
     * @param {string} name
     * @param {(data: any) => void} f
     * @param {boolean} [once]
     */
    on(name, f, once) {
      if (name === 'ready' && core.api) f(core.api);
      else listeners.push({name, f, once});
    },
    /**
     * @param {string} name
     * @param {(data: any) => void} [f]
     */
    off(name, f) {
      listeners = listeners.filter(one => one.name !== name || (f && one.f !== f));
    },
    /** @type {Record<string, any> | null} */
    api: null,
    drop() {
      host.remove();
      observer.disconnect();
      away();
      core.open = core.started = false;
    },
  };

  /** @param {number | string} [more] beside its name: what was not read, or went wrong */
  function name(more = core.unread || '') {
    badge.textContent = /** @type {string} */ (more);
    button.setAttribute('aria-label', more ? core.label + ' ' + more : core.label);
  }
  /** @param {Record<string, any>} values what another tab did */
  function heard(values) {
    Object.assign(memory, values);
    if ('open' in values && core.started) core.toggle(values.open, true);
    if ('chat' in values && memory.chat && core.started) goOn();
    if (core.panel) core.panel.heard(values);
  }

  function away() {
    if (core.panel) core.panel.end();
    core.panel = loading = null;
  }
  const short = () => core.lang.slice(0, 2);
  /** @param {string} lang */
  function speak(lang) {
    core.lang = root.lang = text(lang).toLowerCase();
    core.label = text(options.launcherTitle) || /** @type {any} */ (NAMES)[short()] || 'Chat';
    name();
    root.dir = /^(ar|he|fa|ur)/.test(lang) ? 'rtl' : 'ltr';
    if (core.panel) core.panel.speak();
  }
  /** A conversation goes on without anybody's doing, whenever its files can be had. */
  function goOn() {
    if (core.started) load().catch(() => setTimeout(goOn, 9e3));
  }
  /** @returns {Promise<ChatPanel>} */
  function load() {
    if (loading) return loading;
    name();
    const {locales} = loader.config;
    loading = Promise.all([
      loader.lazy('chatpanel.js'),
      locales.includes(short()) && loader.lazy('chatwords-' + short() + '.js'),
      ...loader.paths('chatpanel.css').map(async path => {
        const answer = await loader.get(loader.config.path + path);
        if (!answer.ok) throw answer;
        return answer.text();
      }),
    ]).then(([, , ...sheets]) => {
      sheet.replaceSync(LOOK + sheets.join(''));
      const panel = (core.panel = /** @type {any} */ (loader).chatPanel(core));
      waiting.splice(0).map(panel.push, panel);
      return panel;
    });
    loading.catch(() => (loading = null));
    return loading;
  }

  button.className = 'b';
  badge.className = 'n';
  svg.setAttribute('viewBox', '0 0 24 24');
  path.setAttribute('d', BUBBLE);
  svg.append(path);
  button.append(svg, badge);
  button.setAttribute('aria-expanded', 'false');
  button.onclick = () => core.toggle(!core.open);
  root.className = 'r' + (text(options.position) === 'left' ? ' start' : '');
  speak(mounted.lang);
  root.append(button);
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(LOOK);
  shadow.adoptedStyleSheets = [sheet];
  shadow.append(root);
  // Beside the body, so that pages which swap it, or transform it, don't touch the chat.
  const place = () => {
    if (!host.isConnected) document.documentElement.append(host);
    // Some put another element in the root's place.
    [document, document.documentElement].map(one => observer.observe(one, {childList: true}));
  };
  const observer = new MutationObserver(place);
  return core;
}

/** @type {Core | null} */
let core = null;
loader.widgets.Chat = mounted => {
  // A page that changes without a reload mounts it anew: the conversation goes on.
  if (core && core.site === mounted.site) return core.later(['setPage']);
  if (core) core.drop();
  const chat = (core = makeCore(mounted));
  const old = /** @type {any} */ (loader).Chat;
  /** @type {Record<string, any>} */
  const api = {
    // Names come from the page: it has its own alone.
    __proto__: null,
    start: () => chat.begin(),
    shutdown: () => chat.drop(),
    open: () => (chat.begin(), chat.toggle(true)),
    close: () => chat.toggle(false),
    toggle: () => (chat.begin(), chat.toggle(!chat.open)),
    hide: () => (chat.root.hidden = true),
    show: () => (chat.root.hidden = false),
    isOpen: () => chat.open,
    unreadCount: () => chat.unread,
    getStatus: () => chat.status,
    on: chat.on,
    once: (/** @type {string} */ name, /** @type {any} */ f) => chat.on(name, f, true),
    off: chat.off,
    setLocale: chat.speak,
    setOffset: (/** @type {number[]} */ ...by) =>
      by.map((one, n) => chat.root.style.setProperty(n ? '--y' : '--x', (+one || 0) + 'px')),
    push: (/** @type {any[]} */ ...calls) =>
      calls.map(call => {
        if (typeof call === 'function') return call(api);
        const [name, ...args] = /** @type {any[]} */ ([]).concat(call);
        if (api[name]) api[name](...args);
      }),
  };
  CALLS.map((name, n) => {
    api[name] = (/** @type {any[]} */ ...args) => {
      chat.later([name, ...args]);
      if (n < 2) {
        chat.begin();
        chat.goOn();
      } else if (n < 4 && !chat.panel) surely('chatleave.js', () => /** @type {any} */ (loader).chatLeave(chat));
    };
  });
  chat.api = /** @type {any} */ (loader).Chat = api;
  if (mounted.options.autoStart !== false) chat.begin();
  if (Array.isArray(old)) api.push(...old);
  chat.fire('ready', api);
};
