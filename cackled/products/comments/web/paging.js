/* Other pages of comments: another order, the next page, more replies, the one comment an address names. */
// @ts-nocheck
import {countAll, isAbove, laterId} from './reckon.js';
import {reason} from '../../../web/lib/reasons.js';
import {Comments} from './widget.js';
import {el} from '../../../web/lib/dom.js';
import {Promise, loader} from '../../../web/lib/loader.js';

const P = Comments.prototype;

P.query = function (values) {
  return (
    '/comments?' +
    new URLSearchParams(
      Object.assign({channel: this.key, sort: this.sort, size: this.widget.ask.size, after: this.seq}, values),
    )
  );
};

P.resort = function (name) {
  const self = this,
    old = this.sort;
  if (name === old) return;
  this.pause(1);
  this.sort = name;
  this.marks();
  this.list.classList.add('mc-busy');
  this.api('GET', this.query())
    .then(data => {
      if (self.sort !== name) return;
      self.session.set('sort', name);
      self.replace(data);
    })
    .catch(error => {
      self.sort = old;
      self.marks();
      self.notice(reason(self.t, error));
    })
    .finally(() => {
      self.list.classList.remove('mc-busy');
      self.pause(-1);
    });
};
P.marks = function () {
  this.orders.forEach(function (name, i) {
    this.sorts.children[i].setAttribute('aria-pressed', '' + (name === this.sort));
  }, this);
};

/* A new first page in place of everything; the visitor's own unsent comments stay. */
P.replace = function (data) {
  const unsent = [];
  this.items.forEach(item => {
    if (item.c.pending) unsent.push(item);
  });
  this.page(data);
  this.waiting.clear();
  this.fill(data.page.comments);
  unsent.forEach(this.put, this);
  this.restore();
  this.showPill();
};

P.next = function () {
  const self = this,
    button = this.moreButton,
    known = this.list.lastElementChild,
    before = this.items.size;
  button.disabled = true;
  // What is said meanwhile is judged by what is loaded then.
  this.pause(1);
  (this.cursor ? this.api('GET', this.query({cursor: this.cursor})) : Promise.resolve())
    .then(data => {
      const lifted = self.lifted;
      // Another order has come meanwhile.
      if (self.moreButton !== button) return;
      if (data) {
        self.absorb(data);
        self.ends(data.page);
      }
      return lifted ? self.sweep(button) : null;
    })
    .then(() => {
      if (self.moreButton !== button) return;
      self.footer();
      self.showPill();
      if (self.items.size > before) self.focus(known && known.nextElementSibling);
    })
    .catch(error => {
      if (self.moreButton !== button) return;
      // What was to be looked for still is.
      self.lifted = !!self.edge || !self.cursor;
      button.disabled = false;
      self.notice(reason(self.t, error));
    })
    .finally(() => {
      self.pause(-1);
      self.rest();
      self.counts();
    });
};
/* All is loaded, and yet the count says that there is more. Not asked again where nothing was found. */
P.rest = function () {
  const n = this.missing();
  if (n <= 0 || n === this.nothing) return;
  this.lifted = true;
  this.footer();
};

/* A page of roots: those not here are added. Of the others events have told all; to repair, what hangs on them is looked at too, but
   not while events wait that the page may know of. */
P.absorb = function (data, wanted, repair) {
  const at = this.at(data);
  this.tally.set(data.channel.comments, at);
  data.page.comments.forEach(function (c) {
    let item = this.items.get(c.id),
      ref;
    if (!item) {
      if (wanted && !wanted(c)) return;
      ref = this.sort !== 'best' && this.following(c.id);
      item = this.append(c);
      if (ref) ref.before(item.node);
      item.asof = at;
      return;
    }
    if (!repair || at <= item.asof || this.paused.length) return;
    this.graft(c.replies, item);
    this.measure(item, c, at);
  }, this);
};
/* How many answers there are that are not here, by what the server said of the root at `at`. */
P.measure = function (item, c, at) {
  let known = 0;
  this.items.forEach(i => {
    if (i.c.root === c.id && i !== item && !i.c.pending) known++;
  });
  this.waiting.forEach(w => {
    if (w.root === c.id && w.parent) known++;
  });
  item.asof = at;
  item.c.more = Math.max(0, countAll(c.replies) + c.more - known);
  this.moreReplies(item);
};
/* The first root that comes after `id` in an order by time. */
P.following = function (id) {
  let found = null,
    node = this.list.lastElementChild,
    item;
  for (; node; node = node.previousElementSibling) {
    item = this.items.get(node.id.slice(3));
    if (
      item && item.c.pending ? this.sort === 'old' : item && laterId(item.c.id, id) * (this.sort === 'old' ? 1 : -1) > 0
    )
      found = node;
    else if (item && !item.c.pending) break;
  }
  return found;
};
/* How many comments there are that can't be reached from here, once the last page is loaded. */
P.missing = function () {
  let n = this.tally.value() - this.held.filter(c => !c.deleted && !this.items.has(c.id)).length;
  if (this.cursor) return 0;
  this.items.forEach(item => {
    if (!item.c.pending && !item.c.deleted) n--;
    if (!item.parent) n -= item.c.more || 0;
  });
  this.waiting.forEach(c => {
    n -= (c.deleted ? 0 : 1) + (c.more || 0);
  });
  return n;
};
/* From the top again for what votes have lifted over what was loaded: under "best" as far as that goes; at the end, where
   some are missing, in an order that votes don't change. */
P.sweep = function (button) {
  let self = this,
    edge = this.edge,
    sort = edge ? 'best' : 'new',
    cursor = '',
    left = 50;
  return (function on() {
    return self.api('GET', self.query({sort: sort, size: 100, cursor: cursor})).then(data => {
      const roots = data.page.comments,
        last = roots[roots.length - 1];
      if (self.moreButton !== button) return;
      self.absorb(data, edge && (c => isAbove(c, edge)), !edge);
      cursor = data.page.cursor;
      if (cursor && --left && (edge ? isAbove(last, edge) : self.missing() > 0)) return on();
      self.lifted = false;
      if (!edge && !self.paused.length) self.nothing = self.missing();
    });
  })();
};

P.replies = function (item, button) {
  const self = this;
  if (button.hasAttribute('aria-disabled')) return;
  button.setAttribute('aria-disabled', 'true');
  // What is deleted meanwhile may be in the answer.
  this.pause(1);
  // The first replies are here already: on until there is a new one.
  (function next() {
    return self
      .api('GET', self.query({parent: item.c.id, sort: 'old', size: 100, cursor: item.cursor || ''}))
      .then(data => {
        const before = self.items.size + self.waiting.size,
          at = self.at(data);
        if (self.items.get(item.c.id) !== item) return;
        item.cursor = data.page.cursor;
        self.graft(data.page.comments, item, !!item.cursor);
        item.c.more = item.cursor ? item.c.more - self.items.size - self.waiting.size + before : 0;
        // Now it is known what hangs there, up to this.
        if (!item.cursor) item.asof = Math.max(item.asof, at);
        if (item.cursor && (self.items.size + self.waiting.size === before || item.c.more <= 0)) return next();
        self.moreReplies(item);
      });
  })()
    .catch(error => {
      button.removeAttribute('aria-disabled');
      self.notice(reason(self.t, error));
    })
    .finally(() => {
      self.pause(-1);
    });
};
P.graft = function (comments, root, grafted) {
  comments.forEach(function (c) {
    const nested = c.replies || [];
    if (!this.items.has(c.id) && c.id !== root.c.id) {
      this.append(Object.assign({}, c, {replies: []}), this.items.get(c.parent) || root).grafted = grafted;
    }
    this.graft(nested, root, grafted);
  }, this);
};

/* ---- #mc-<id>: to the comment, fetched if it isn't on this page ---- */
P.arrive = function () {
  let self = this,
    id = (/^#mc-c?(\d+)$/.exec(location.hash) || [])[1],
    item;
  if (!id) return;
  item = this.items.get(id);
  if (item) return this.reveal(item);
  this.pause(1);
  function get(number) {
    return self.api('GET', '/comments/' + number).then(data => (number !== id || self.ours(data) ? data.comment : {}));
  }
  function put(c, parent) {
    return self.items.get(c.id) || self.append(Object.assign({replies: [], more: 0}, c), parent, !parent);
  }
  // Behind the first hundred replies of its thread: only what it hangs on.
  function climb(c) {
    const parent = self.items.get(c.parent);
    return parent || !c.parent
      ? put(c, parent)
      : get(c.parent)
          .then(climb)
          .then(above => put(c, above));
  }
  get(id)
    .then(c => {
      if (!c.id) return;
      if (!c.root || c.root === id) return put(c);
      return (self.items.has(c.root) ? Promise.resolve(self.items.get(c.root).c) : get(c.root)).then(root => {
        const parent = put(root);
        return self.api('GET', self.query({parent: root.id, sort: 'old', size: 100})).then(data => {
          self.graft(data.page.comments, parent);
          if (data.page.cursor && !parent.c.more) {
            parent.c.more = 1;
            self.moreReplies(parent);
          }
          return self.items.get(id) || climb(c);
        });
      });
    })
    .then(
      found => {
        if (found) self.reveal(found);
      },
      error => {
        self.notice(error.status === 404 || error.status === 410 ? self.t('dead') : reason(self.t, error));
      },
    )
    .finally(() => {
      self.pause(-1);
    });
};
/* Whether the comment of a permalink is of this conversation; else it is said where it is. */
P.ours = function (data) {
  let here = a => new URL(a).href.split('#')[0],
    link = data.permalink;
  if (!data.channel || data.channel === this.channel.id) return true;
  if (!/^https?:/.test(link)) link = '';
  if (link && here(link) === here(location)) {
    // Another conversation of this page shows it, or one that is no longer here.
    if (document.querySelectorAll('.mc-root').length < 2) this.notice(this.t('dead'));
    return false;
  }
  this.notice(this.t('linked'), link ? 20000 : 0);
  if (link) this.bar.append(' ', el('a', {href: link}, this.t('show')));
  return false;
};
P.reveal = function (item) {
  for (let p = item.parent; p; p = p.parent) if (p.node.classList.contains('mc-collapsed')) this.collapse(p, false);
  item.node.scrollIntoView({
    block: 'center',
    behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth',
  });
  this.flash(item);
  this.focus(item.node);
};
