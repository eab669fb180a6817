/* The comments widget: first render, header, list. Other files of this folder add to its prototype. It keeps `items`: comment id -> {c: data, node, ...}, everything that stands in the page. */
// @ts-nocheck
import {makeTally, voteRank} from './reckon.js';
import {openSession} from '../../../web/lib/session.js';
import {el, press} from '../../../web/lib/dom.js';
import {makeWords} from '../../../web/lib/i18n.js';
import {loader} from '../../../web/lib/loader.js';
import {readOptions} from '../../../web/lib/options.js';
import {tabStorage} from '../../../web/lib/storage.js';
import {watchTheme} from '../../../web/lib/theme.js';
import {learnClock, makeTimes} from '../../../web/lib/time.js';
import {asObject} from '../../../web/lib/values.js';

// What guests were named in each language.
const GUESTS = ['Guest', 'Гость', 'ゲスト', 'אורח', 'ضيف'];

loader.Comments = Comments;
export function Comments(widget) {
  const o = readOptions(widget.options),
    self = this;
  this.widget = widget;
  this.o = o;
  this.site = widget.site;
  this.node = widget.node;
  widget.held = this.node.style.minHeight;
  this.sort = widget.ask.sort;
  this.t = makeWords(widget.lang, o.msg);
  this.times = makeTimes(this.t);
  this.session = openSession(this.site, o.token, o.renew, o.said);
  this.items = new Map();
  this.waiting = new Map();
  this.seq = 0;
  this.closers = [];
  this.blocked = new Set();
  this.votes = {};
  this.tally = makeTally();
  this.ghosts = new Map();
  this.gone = new Set();
  this.node.classList.add('mc-root');
  this.node.lang = this.t.lang;
  this.closers.push(watchTheme(this.node, o.theme));
  this.fit();
  this.skeleton();
  this.first(widget.first);
  this.every(30000, () => {
    if (!document.hidden) self.times.refresh(self.node);
  });
  this.listen(window, 'pagehide', () => {
    self.keep();
  });
  this.session.onopen((visitor, person) => {
    self.fire('loggedin', Object.assign({id: visitor}, person));
  });
}
const P = Comments.prototype;
/* The style of what comes later stands behind ours, and so before the page's own. */
export const lateStyle = () => {
  let first = document.querySelector('link[href*="/comments.css"], link[href*="/comments/comments.css"]'),
    link;
  if (!first || loader.styled) return;
  loader.styled = link = first.cloneNode();
  link.href = loader.base() + loader.config.lazy['later.css'][0];
  link.onerror = () => {
    link.remove();
    loader.styled = null;
  };
  first.after(link);
};
P.orders = ['best', 'new', 'old'];
let mounted = [];
loader.widgets.Comment = widget => {
  const short = loader.locales[widget.lang.slice(0, 2)],
    needs = {
      'color-mix()': window.CSS && CSS.supports('color', 'color-mix(in srgb, red, red)'),
      'replaceChildren()': Element.prototype.replaceChildren,
      AbortController: window.AbortController,
      'Intl.PluralRules': window.Intl && Intl.PluralRules,
      'Intl.RelativeTimeFormat': window.Intl && Intl.RelativeTimeFormat,
    },
    lacks = Object.keys(needs).find(name => !needs[name]);
  if (lacks) {
    loader.warn('old', lacks);
    widget.node.style.minHeight = '';
    // What the site printed for search engines can be read.
    if (!widget.node.querySelector('#mc-content')) widget.node.textContent = (short || loader.locales.en).outdated;
    return;
  }
  // Closed are those in the same place, and those that are no longer in the page.
  mounted = mounted.filter(other => (other.node !== widget.node && other.node.isConnected) || other.close());
  mounted.push(new Comments(widget));
};

P.every = function (ms, f) {
  const timer = setInterval(f, ms);
  this.closers.push(() => {
    clearInterval(timer);
  });
};
P.listen = function (target, type, f, options) {
  target.addEventListener(type, f, options);
  this.closers.push(() => {
    target.removeEventListener(type, f, options);
  });
};
P.close = function () {
  this.keep();
  this.closed = true;
  this.closers.forEach(f => {
    f();
  });
  this.node.classList.remove('mc-root', 'mc-dark', 'mc-light', 'mc-forced', 'mc-sheet', 'mc-narrow');
  this.node.replaceChildren();
};
/* Narrow is what the column is, not the window. */
P.fit = function () {
  let node = this.node,
    observer,
    set = () => {
      node.classList.toggle('mc-narrow', node.clientWidth < 520);
    };
  set();
  if (!window.ResizeObserver) return;
  observer = new ResizeObserver(set);
  observer.observe(node);
  this.closers.push(() => {
    observer.disconnect();
  });
};
/* The page's own functions; what they throw is theirs. */
P.fire = function (name, data) {
  [].concat((this.o.callback || {})[name] || []).forEach(f => {
    try {
      if (typeof f === 'function') f(data);
    } catch (e) {
      setTimeout(() => {
        throw e;
      });
    }
  });
};
P.api = function (method, path, options) {
  return this.session.call(method, path, options);
};
/* Who gave no name is called what the reader calls a guest. */
P.named = function (author) {
  const name = author && author.name;
  return !name || GUESTS.indexOf(name) >= 0 ? this.t('guest') : name;
};
P.me = function (c) {
  return !!c.author && c.author.id === this.session.visitor();
};

/* ---- Who it is; more in identity.js ---- */
P.maySign = function () {
  const sso = asObject(this.o.sso);
  return this.settings.signIn || asObject(this.o.ssoProvider).url || sso.loginURL || sso.loginCallback;
};
/* Whether the visitor may read alone: the page's origin is none of the site's, or who writes here has to sign in. */
P.mute = function () {
  const level = this.session.get('level');
  return this.reading || (this.writers && (this.writers === 'signed-in' ? !level : level !== 'site'));
};
P.signButton = function (slab) {
  const onclick = event => this.later(() => this.ways(event));
  const control = slab
    ? (...what) => el('button.mc-formbtn' + what[0], what[1], what[2])
    : (...what) => press('mc-act' + what[0], what[1], what[2]);
  return el('div.mc-sign', null, control('.mc-signin', {'aria-expanded': 'false', onclick}, this.t('signIn')));
};
P.badge = function (name) {
  const own = {staff: 'staff', verified: 'verified', 'first-week': 'firstWeek'}[name];
  return el('span.mc-badge' + (own ? '.mc-' + name : ''), null, own ? this.t(own) : loader.text(name));
};

/* ---- First render ---- */
P.skeleton = function () {
  // What the site printed for search engines is read until the live comments stand. Else the style sheet draws quiet shapes.
  if (!this.node.querySelector('#mc-content')) this.node.replaceChildren();
};

P.first = function (promise, renewed) {
  const self = this;
  promise
    .then(answer => {
      learnClock(answer);
      if (answer.ok) return answer.json();
      // The page may be older than its grant holds.
      if (answer.status === 401 && self.session.renew && !renewed) {
        return self.session
          .renew()
          .catch(() => {})
          .then(() => {
            if (!self.closed) self.first(loader.get(self.address()), true);
          });
      }
      const failure = {status: answer.status, retry: +answer.headers.get('Retry-After')};
      if (answer.status !== 401 && answer.status !== 403) throw failure;
      return answer
        .json()
        .catch(() => ({}))
        .then(problem => {
          if (!/(sign-in-first|not-in-group)$/.test(problem.type)) throw failure;
          // Who is signed in may have come with a ticket that has run out.
          if (renewed || !(self.session.get('level') || self.session.stale()))
            return self.later(() => self.invite(problem));
          return self.session.anew().then(() => {
            if (!self.closed) self.first(loader.get(self.address()), true);
          });
        });
    })
    .then(data => {
      if (data && !self.closed) self.render(data);
    })
    .catch(error => {
      if (self.closed) return;
      if (!error || error.status === undefined) console.error('cackle', error);
      self.failed(error);
    });
};

P.failed = function (error) {
  const status = error && error.status;
  if (status === 400 || status === 404 || status === 422) {
    // Asking again wouldn't help: there is no such site.
    loader.warn('site', this.site);
    this.node.style.minHeight = '';
    this.widget.held = false;
    if (!this.node.querySelector('#mc-content'))
      this.node.replaceChildren(el('div.mc-empty', {role: 'status'}, this.t('unavailable')));
    return;
  }
  if (status === 401 || status === 403) loader.warn('grant', this.site);
  const self = this,
    wait =
      (error && error.retry ? error.retry * 1000 : (this.pause = Math.min(60000, (this.pause || 2000) * 2))) *
      (1 + Math.random() / 2);
  function again() {
    clearTimeout(timer);
    removeEventListener('online', again);
    if (!self.closed) self.first(loader.get(self.address()));
  }
  var timer = setTimeout(again, wait);
  addEventListener('online', again);
  if (!this.node.querySelector('#mc-content')) {
    this.node.replaceChildren(
      el(
        'div.mc-empty',
        {role: 'status'},
        this.t('loadFailed') + ' ',
        press('mc-more', {onclick: again}, this.t('tryAgain')),
      ),
    );
  }
};

P.address = function (after) {
  const query = {widget: 'Comment', site: this.site, sort: this.sort, size: this.widget.ask.size};
  Object.assign(query, this.key ? {channel: this.key} : this.widget.page);
  if (after) query.after = after;
  if (this.session.grant()) query.token = this.session.grant();
  if (this.session.view()) query.me = this.session.view();
  return '/bootstrap?' + new URLSearchParams(query);
};

P.render = function (data) {
  const self = this,
    t = this.t,
    s = data.site.settings || {};
  this.settings = s;
  this.writers = asObject(data.access).write;
  this.reading = tabStorage.get('readonly:' + this.site);
  // Deeper replies than this stop moving inwards and say whom they answer.
  this.level = Math.min(this.o.level == null ? 3 : +this.o.level, 3);
  this.page(data);
  this.title = el('div.mc-title', {role: 'heading', 'aria-level': 2});
  this.online = el('span.mc-online', null, el('span.mc-long'), el('span.mc-short'));
  this.sorts = el(
    'div.mc-sorts',
    {role: 'group', 'aria-label': t('sort')},
    this.orders.map(name => {
      return press(
        'mc-sort',
        {
          'aria-pressed': '' + (name === self.sort),
          onclick: () => {
            self.later(() => self.resort(name));
          },
        },
        t(name),
      );
    }),
  );
  this.bar = el('div.mc-bar', {role: 'status'});
  this.pill = el('button.mc-pill', {
    hidden: true,
    onclick: () => {
      self.flush();
    },
  });
  this.typing = el('div.mc-typing', {'aria-hidden': 'true'});
  this.live = el('div.mc-hidden', {'aria-live': 'polite', role: 'log', 'aria-relevant': 'additions'});
  this.list = el('div.mc-list', {role: 'list', 'aria-label': t('title'), hidden: true});
  this.foot = el('div.mc-listfoot', {tabindex: -1});
  this.skip = press(
    'mc-skip',
    {
      hidden: true,
      onclick: () => {
        self.foot.focus();
      },
    },
    t('skip'),
  );
  this.main = this.composer({});
  // Another tab has named the visitor.
  this.listen(window, 'storage', event => {
    const name = event.key === 'cackle:' + self.site && loader.text(asObject(loader.load(self.site)).name);
    if (name) self.sign(name, document.activeElement);
  });
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
  this.fill(data.page.comments);
  this.wake(data.position);
  this.fire('ready', {channel: this.channel});
};

/* In a page of an origin that the site does not name everything can be read, and nothing else. */
P.readonly = function (yes) {
  tabStorage.set('readonly:' + this.site, yes);
  if (!this.main || !!yes === !!this.reading) return;
  this.reading = yes;
  this.main.node.replaceWith((this.main = this.composer({})).node);
  this.items.forEach(function (item) {
    this.draw(item);
  }, this);
};

/* What reading doesn't wait for: the live line, sending, paging, the rarer actions. */
P.wake = function (position) {
  const self = this;
  lateStyle();
  import('./later.js').then(
    () => {
      if (!self.closed) self.begin(position);
    },
    () => {
      setTimeout(() => {
        if (!self.closed) self.wake(position);
      }, 1e4);
    },
  );
};
P.later = function (f) {
  const self = this;
  return import('./later.js').then(
    () => {
      if (!self.closed) f();
    },
    () => {
      self.notice(self.t('network'));
    },
  );
};

P.page = function (data) {
  const me = data.me || {};
  this.channel = data.channel;
  this.key = data.channel.key;
  this.seq = this.at(data);
  this.tally.begin(data.channel.comments, this.seq);
  // What waited for an answer is on this page, or on one that comes later.
  this.held = [];
  this.ghosts.clear();
  this.ends(data.page);
  this.votes = Object.assign(this.votes, me.votes);
  (me.blocked || []).forEach(function (id) {
    this.blocked.add(id);
  }, this);
  this.mine = me.own || [];
};
/* What only its author sees, or sees another way than others: it stands where it will, and counts for them. */
P.overlay = function () {
  this.extra = 0;
  this.mine
    .sort((a, b) => a.id.length - b.id.length || (a.id < b.id ? -1 : 1))
    .forEach(function (c) {
      const item = this.items.get(c.id),
        parent = c.parent && this.items.get(c.parent);
      if (!item && !c.state && !c.deleted) this.extra++;
      if (item) this.draw(Object.assign(item, {c: Object.assign(item.c, c)}));
      else if (!c.parent || parent)
        this.append(Object.assign({replies: [], more: 0}, c), parent || null, !parent && this.sort !== 'old');
    }, this);
};

P.at = data => +data.position.split('@')[1];
/* Where what is loaded ends: the next page's cursor, and the last comment as it stood then. */
P.ends = function (page) {
  const last = page.comments[page.comments.length - 1];
  this.cursor = page.cursor;
  this.edge = page.cursor && last ? {rank: voteRank(last), id: last.id} : null;
  this.lifted = false;
};

P.fill = function (comments) {
  this.items.clear();
  this.list.replaceChildren();
  comments.forEach(function (c) {
    this.append(c);
  }, this);
  this.overlay();
  const pinned = this.channel.pinned;
  if (pinned) this.later(() => this.pin(pinned));
  this.counts();
  this.footer();
};

P.counts = function () {
  let n = (this.channel.comments = this.tally.value() + (this.extra || 0)),
    o = this.o.countContainer && document.getElementById(this.o.countContainer);
  this.title.textContent = n ? this.t('comments', {n: n}) : this.t('title');
  this.sorts.hidden = n < 2;
  this.list.hidden = this.skip.hidden = !this.list.firstChild;
  if (o) o.textContent = this.t.number(n);
  if (loader.counters && (o = loader.counters[this.site])) o(this.key, n);
  if (!this.list.firstChild && !this.waiting.size) {
    if (!this.empty) this.list.before((this.empty = el('div.mc-empty', null, this.t('empty'))));
  } else if (this.empty) {
    this.empty.remove();
    this.empty = null;
  }
};

P.footer = function () {
  const self = this;
  this.foot.replaceChildren();
  this.moreButton = null;
  if (this.cursor || this.lifted)
    this.foot.append(
      (this.moreButton = el(
        'button.mc-more',
        {
          onclick: () => {
            self.later(() => self.next());
          },
        },
        this.t('loadMore'),
      )),
    );
};

P.focus = node => {
  if (node) node.focus({preventScroll: true});
};
P.flash = item => {
  const list = item.body.classList;
  list.remove('mc-fresh');
  void item.body.offsetWidth;
  list.add('mc-fresh');
  setTimeout(() => {
    list.remove('mc-fresh');
  }, 2200);
};

/* A short word at the top edge of the reader's view; also spoken. */
P.notice = function (text, ms) {
  const self = this;
  clearTimeout(this.noticeTimer);
  this.bar.textContent = text;
  this.bar.classList.add('mc-on');
  this.noticeTimer = setTimeout(() => {
    self.bar.classList.remove('mc-on');
    if (self.connection) self.connection();
  }, ms || 4000);
};
