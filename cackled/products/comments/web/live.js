/* Live: events in place where that moves nothing, else behind "3 new comments"; presence, typing, the state of the line. */
// @ts-nocheck
import {isAbove} from './reckon.js';
import {Comments} from './widget.js';
import {el} from '../../../web/lib/dom.js';
import {safeHtml} from '../../../web/lib/html.js';
import {loader} from '../../../web/lib/loader.js';
import {subscribe} from '../../../web/lib/live.js';
import {learnClock} from '../../../web/lib/time.js';

const P = Comments.prototype;
// Pixels a frame; browsers take less than 3 for no movement.
const STEP = 2.8;

P.begin = function (position) {
  const self = this;
  this.come();
  this.release();
  this.rove();
  this.forms();
  this.restore();
  this.arrive();
  this.listen(window, 'hashchange', () => {
    self.arrive();
  });
  // The live line may have outlasted what a request did not.
  this.listen(window, 'online', () => {
    self.resend();
  });
  this.follow(position);
  this.closers.push(() => {
    self.sub.close();
  });
};
/* What opens a locked conversation; or, where nobody has written and so the server knows no more than a number, its key. */
P.pass = function () {
  return (
    this.session.grant() ||
    (this.session.get('level') && this.session.view()) ||
    (this.settings.sections && !this.seq ? 'key:' + this.key : undefined)
  );
};
P.follow = function (position) {
  const self = this;
  this.sub = subscribe(
    position,
    {
      event: m => {
        self.event(m);
      },
      status: state => {
        self.state = state;
        self.connection();
        if (state === 'refused' && !loader.refused) {
          loader.refused = true;
          loader.warn('origin', self.site);
        }
        if (state === 'refused') self.readonly(true);
        if (state === 'live') {
          loader.refused = false;
          self.readonly(false);
          self.resend();
        }
      },
      reset: seq => self.reload(seq),
      renew: this.session.renew || (this.session.get('level') && (() => this.session.anew().then(() => this.pass()))),
    },
    this.pass(),
  );
};

/* The height that was held before the first render is let go. Where that would pull what stands below into the reader's view, it
   comes in small steps, which count as no shift, and never while a pointer is down: no click misses. */
P.release = function () {
  let node = this.node,
    widget = this.widget,
    self = this,
    down = false,
    height = parseFloat(widget.held),
    end,
    beyond,
    reduced;
  function free() {
    if (widget.held) node.style.minHeight = '';
    widget.held = false;
  }
  function step() {
    const box = node.getBoundingClientRect();
    if (self.closed || !widget.held) return;
    if (beyond === undefined) beyond = box.height - height;
    end = node.lastElementChild.getBoundingClientRect().bottom + parseFloat(getComputedStyle(node).paddingBottom);
    if (document.hidden || reduced || end >= Math.min(box.bottom, innerHeight) - 1 || box.height - beyond > height + 1)
      return free();
    if (!down) {
      // What is held below the window's edge goes at once.
      height = Math.min(height - STEP, innerHeight - box.top - beyond);
      node.style.minHeight = height + 'px';
    }
    requestAnimationFrame(step);
  }
  if (!widget.held) return;
  reduced = matchMedia('(prefers-reduced-motion: reduce)').matches;
  this.listen(
    window,
    'pointerdown',
    () => {
      down = true;
    },
    true,
  );
  // A click follows the pointer's going up.
  ['pointerup', 'pointercancel'].forEach(type => {
    self.listen(
      window,
      type,
      () => {
        setTimeout(() => {
          down = false;
        }, 50);
      },
      true,
    );
  });
  step();
};

/* What moderators pinned stands above all others. What is pinned and not loaded is asked for. */
P.pin = function (ids) {
  const self = this;
  this.items.forEach(item => {
    const pinned = ids.includes(item.c.id);
    if (pinned !== !!item.pinned) self.draw(Object.assign(item, {pinned: pinned}));
  });
  [...ids].reverse().forEach(id => {
    const item = self.items.get(id);
    if (item && !item.parent) self.list.prepend(item.node);
    else if (!item && !self.waiting.has(id))
      self.api('GET', '/comments/' + id).then(
        answer => {
          const c = answer.comment;
          if (c.parent || c.deleted || self.items.has(id)) return;
          self.draw(Object.assign(self.append(Object.assign({replies: [], more: 0}, c), null, true), {pinned: true}));
        },
        () => {},
      );
  });
};

P.event = function (m) {
  let data = m.data || {},
    c = data.comment,
    id = c ? c.id : data.id,
    item = this.items.get(id),
    waits = this.waiting.get(id),
    root;
  if (m.type === 'presence') return this.presence(data.count, data.names);
  if (m.type === 'typing') return this.someone(data.name);
  if (this.pauses) return this.paused.push(m);
  // The page that was loaded since has it already.
  if (m.seq <= this.seq) return;
  this.seq = m.seq;
  this.number(m, data);
  switch (m.type) {
    case 'comment.created':
      root = c.parent && this.items.get(c.root);
      if (c.author) this.wrote(c.author.name);
      // It came with a page of replies, of those that were there before: it was none of them.
      if (item && item.grafted && root && root.asof < m.seq) this.hidden(root, 1);
      // Its author saw it already, and now everybody does.
      if (item && item.c.state) {
        delete item.c.state;
        this.updated(item, c, m.seq);
        this.draw(item);
        this.flash(item);
      }
      if (item) break;
      // It is among those that the page said there were more.
      if (root && m.seq <= root.asof) break;
      // Deleted since: shown only where answers hang on it.
      if (c.deleted) {
        this.ghosts.set(id, c);
        break;
      }
      // Perhaps the one being posted from here: its answer, on the way, will tell.
      if ((this.me(c) && this.posting()) || this.held.some(h => h.id === c.parent)) this.held.push(c);
      else this.arrived(c);
      break;
    case 'comment.updated':
      if (item) {
        this.updated(item, c, m.seq);
        this.flash(item);
      }
      if (waits) Object.assign(waits, c);
      break;
    case 'comment.voted':
      if (item) this.scored(item, data, m.seq);
      if (waits) Object.assign(waits, {up: data.up, down: data.down, score: data.score});
      // Votes have lifted it over what is loaded: no further page has it.
      if (!item && !waits && this.edge && this.sort === 'best' && isAbove(data, this.edge)) this.lifted = true;
      if (!item && !waits && !this.cursor) this.rest();
      break;
    case 'comment.deleted':
      this.deleted(m, data);
      this.showPill();
      this.counts();
      break;
    case 'channel.updated':
      // Conversations of one page became one, here or under another key.
      if (data.moved) return this.moved(data.moved, m.seq);
      if (data.locked != null && data.locked !== this.channel.locked) {
        this.channel.locked = data.locked;
        this.main.node.replaceWith((this.main = this.composer({})).node);
        this.items.forEach(function (i) {
          if (!i.edit) this.draw(i);
        }, this);
      }
      if (data.pinned || this.channel.pinned) this.pin((this.channel.pinned = data.pinned || []));
      // A comment of our own with that very number, answered before or after: what others count does not hold it.
      this.quiet = [m.seq].concat(this.quiet || []).slice(0, 9);
      this.items.forEach(function (i) {
        if (i.seq === m.seq && this.me(i.c) && !i.c.state) this.extra = (this.extra || 0) + 1;
      }, this);
      this.counts();
  }
};

/* The page is loaded anew, with the live line of where it is now; once for all that comes together. */
P.moved = function (key, seq) {
  const self = this,
    other = key !== this.key;
  clearTimeout(this.moving);
  this.moving = setTimeout(() => {
    if (self.closed) return;
    self.key = key;
    self
      .reload(other ? 0 : seq)
      .then(() => {
        if (!other || self.closed) return;
        self.sub.close();
        self.follow(self.site + '/' + self.channel.id + '@' + self.seq);
      })
      .catch(() => {
        /* the next page tells */
      });
  }, this.RECOUNT);
};
/* How many comments there are after an event. */
P.number = function (m, data) {
  if (data.comments != null) this.tally.set(data.comments, m.seq);
  else if (m.type === 'comment.created') this.tally.move(1, m.seq);
  // Servers of before put this in the place of whatever was said of a comment that is gone: nobody knows what it was.
  else if (m.type === 'comment.deleted' && data.id === '0') this.recount();
  else if (m.type === 'comment.deleted') this.tally.move(-1, m.seq);
  this.counts();
};
P.recount = function () {
  const self = this;
  if (this.recounting) return;
  this.recounting = setTimeout(() => {
    self.recounting = 0;
    self.pause(1);
    self
      .api('GET', self.query({size: 1}))
      .then(data => {
        self.tally.set(data.channel.comments, self.at(data));
        self.counts();
        self.rest();
      })
      .catch(() => {
        /* the next event or page tells */
      })
      .finally(() => {
        self.pause(-1);
      });
  }, this.RECOUNT);
};
P.RECOUNT = 500;
/* So many more (fewer) answers of a root are there, and not shown. */
P.hidden = function (root, by) {
  root.c.more = Math.max(0, (root.c.more || 0) + by);
  this.moreReplies(root);
};
/* Takes an item out of the page; a comment that others answered leaves its place. */
P.remove = function (item, tombstone) {
  let focused = item.node.contains(document.activeElement),
    next;
  if (!tombstone) item.gone = true;
  if (item.going) {
    clearTimeout(item.going.timer);
    item.going = null;
  }
  if (tombstone || (item.list && item.list.firstChild)) {
    item.c.deleted = true;
    this.draw(item);
    if (focused) this.focus(item.node);
    return;
  }
  next =
    item.node.nextElementSibling ||
    item.node.previousElementSibling ||
    (item.parent ? item.parent.node : this.node.querySelector('.mc-input'));
  if (focused) this.focus(next);
  item.node.remove();
  this.items.delete(item.c.id);
  if (item.parent && item.parent.list && !item.parent.list.firstChild && !item.parent.c.more) {
    item.parent.nest.remove();
    item.parent.list = item.parent.nest = null;
    item.parent.node.classList.remove('mc-has');
    // A tombstone leaves when the server has said so: answers may hang on it that are not shown here.
    if (item.parent.gone) this.remove(item.parent);
  }
};

P.deleted = function (m, data) {
  let ids = [data.id].concat(data.removed || []),
    root = this.items.get(data.root),
    unknown = 0;
  ids.forEach(function (id, i) {
    const item = this.items.get(id),
      waits = this.waiting.get(id) || this.held.find(h => h.id === id),
      stays = !i && data.tombstone;
    if (item) this.remove(item, stays);
    else if (waits && stays) Object.assign(waits, {deleted: true, author: null});
    else if (!waits && !stays && !this.ghosts.has(id)) unknown++;
    if (waits && !stays) {
      this.waiting.delete(id);
      this.held = this.held.filter(h => h !== waits);
    }
    if (!stays) this.ghosts.delete(id);
    // Perhaps our own, whose answer is still on its way.
    if (!stays && this.posting()) this.gone.add(id);
  }, this);
  if (root && data.root !== data.id && unknown && root.asof < m.seq) this.hidden(root, -unknown);
  root = this.waiting.get(data.root);
  if (root && data.root !== data.id) root.more = Math.max(0, root.more - unknown);
};
/* While a page is on its way events wait: it may be older than they are. */
P.pause = function (by) {
  this.pauses = (this.pauses || 0) + by;
  this.paused = this.paused || [];
  if (!this.pauses) this.paused.splice(0).forEach(this.event, this);
};
P.posting = function () {
  let yes = false;
  this.items.forEach(item => {
    if (item.c.pending && item.busy) yes = true;
  });
  return yes;
};
P.unhold = function () {
  if (this.posting()) return;
  this.gone.clear();
  this.held.splice(0).forEach(function (c) {
    if (!this.items.has(c.id)) this.arrived(c);
  }, this);
  this.rest();
};

P.arrived = function (c) {
  let parent = c.parent ? this.items.get(c.parent) : null,
    root,
    where,
    lost = null;
  if (this.waiting.has(c.id)) return;
  // A post of ours that seemed to fail may have come through: asking again with its key settles it.
  if (this.me(c))
    this.items.forEach(i => {
      if (i.c.pending && i.error && i.entry.parent === c.parent) lost = i;
    });
  if (lost) {
    this.held.push(c);
    return this.post(lost);
  }
  if (c.parent && !parent && this.ghosts.has(c.parent)) {
    lost = this.ghosts.get(c.parent);
    this.ghosts.delete(lost.id);
    this.arrived(lost);
    return this.arrived(c);
  }
  if (c.parent && !parent && !this.waiting.has(c.parent)) {
    root = this.items.get(c.root);
    if (root) this.hidden(root, 1);
    else if (this.waiting.has(c.root)) this.waiting.get(c.root).more++;
    return;
  }
  if (c.author && this.blocked.has(c.author.id)) return this.insert(c);
  where = this.where(c, parent);
  if (where === 'above') this.waiting.set(c.id, Object.assign({more: 0}, c));
  else if (where === 'below') this.watch(this.insert(c));
  else this.flash(this.insert(c));
  this.showPill();
  if (!c.deleted) this.announce(c);
};

P.insert = function (c) {
  const ref = !c.parent && this.sort !== 'best' && this.following(c.id);
  const item = this.append(
    Object.assign({replies: [], more: 0}, c),
    c.parent ? this.items.get(c.parent) : null,
    !c.parent && this.sort === 'best',
  );
  if (ref) ref.before(item.node);
  this.counts();
  return item;
};

/* Where it would come for the reader: 'here', 'below' the window's edge, where it moves nothing, or 'above', where it would. */
P.where = function (c, parent) {
  let active = document.activeElement,
    list = this.list.getBoundingClientRect(),
    place,
    last;
  if (c.parent && !parent) return 'above';
  // Who hasn't reached the comments yet reads none of them.
  if (list.top > innerHeight || !this.list.firstChild) return 'here';
  if (parent) {
    if (this.folded(parent)) return 'here';
    last = parent.list && parent.list.lastElementChild;
    place = (last || parent.body).getBoundingClientRect().bottom;
  } else if (this.sort === 'old') {
    // It belongs on a page that isn't loaded.
    if (this.cursor) return 'above';
    place = list.bottom;
  } else place = list.top;
  if (place < 0) return 'above';
  if (place > innerHeight) return 'below';
  // Nothing is pushed away under the hands of somebody who writes below that place.
  return active &&
    this.node.contains(active) &&
    /^(TEXTAREA|INPUT)$/.test(active.tagName) &&
    active.getBoundingClientRect().top > place
    ? 'above'
    : 'here';
};
/* Told of until it has been seen. */
P.watch = function (item) {
  const self = this;
  this.unseen = this.unseen || new Set();
  if (!this.eye && window.IntersectionObserver) {
    this.eye = new IntersectionObserver(entries => {
      entries.forEach(entry => {
        const seen = self.items.get(entry.target.id.slice(3));
        if (!entry.isIntersecting) return;
        self.eye.unobserve(entry.target);
        self.unseen.delete(seen);
        if (seen) self.flash(seen);
      });
      self.showPill();
    });
    this.closers.push(() => {
      self.eye.disconnect();
    });
  }
  if (!this.eye) return;
  this.unseen.add(item);
  this.eye.observe(item.node);
};
P.folded = item => {
  for (; item; item = item.parent) if (item.node.classList.contains('mc-collapsed')) return true;
  return false;
};

P.showPill = function () {
  let n = 0,
    self = this;
  this.waiting.forEach(c => {
    if (!c.deleted) n++;
  });
  (this.unseen || []).forEach(item => {
    if (self.items.get(item.c.id) === item) n++;
    else self.unseen.delete(item);
  });
  this.pill.hidden = !n;
  if (n)
    this.pill.textContent =
      n === 1 && this.own && this.unseen && this.unseen.has(this.own) ? this.t('below') : this.t('fresh', {n: n});
};
P.flush = function () {
  let first = null,
    self = this;
  function earlier(item) {
    if (!first || item.node.compareDocumentPosition(first.node) & 4) first = item;
  }
  this.waiting.forEach(c => {
    let item,
      root = c.parent && self.items.get(c.root);
    if (self.items.has(c.id)) return;
    if (c.parent && !self.items.has(c.parent)) {
      if (root) self.hidden(root, 1);
      return;
    }
    item = self.insert(c);
    self.flash(item);
    earlier(item);
  });
  (this.unseen || []).forEach(earlier);
  this.waiting.clear();
  if (this.unseen) this.unseen.clear();
  this.showPill();
  this.counts();
  if (first) this.reveal(first);
};

/* Spoken in one breath, however many came. */
P.announce = function (c) {
  const self = this;
  this.unsaid = this.unsaid || [];
  this.unsaid.push(c);
  if (this.sayTimer) return;
  this.sayTimer = setTimeout(() => {
    let all = self.unsaid.filter(c => !c.deleted && c.author),
      n = all.length;
    self.unsaid = [];
    self.sayTimer = 0;
    if (!n) return;
    // The first three by their authors and how they begin.
    all = all
      .slice(0, 3)
      .map(c => [
        self.named(c.author),
        el('div', null, safeHtml(c.html.replace(/<\/(p|li|pre)>|<br>/g, ' $&')))
          .textContent.trim()
          .replace(/\s+/g, ' '),
      ])
      .map(c => [c[0], c[1].length > 90 ? c[1].slice(0, 90).replace(/\s\S*$/, '') + '…' : c[1]]);
    self.say(
      n === 1
        ? self.t('freshBy', {name: all[0][0]}) + ': ' + all[0][1]
        : self.t('fresh', {n: n}) + '. ' + all.map(c => c.join(': ')).join(' '),
    );
  }, 1500);
};
P.say = function (text) {
  this.live.textContent = text;
};

/* The server can't replay what was missed: the first page anew, at least as new as `seq`. */
P.reload = function (seq) {
  const self = this;
  return loader
    .get(this.address(seq))
    .then(answer => {
      learnClock(answer);
      if (!answer.ok) throw answer;
      return answer.json();
    })
    .then(data => {
      const anchor = document.activeElement,
        top = self.node.contains(anchor) && anchor.getBoundingClientRect().top,
        open = [];
      if (self.closed) return seq;
      // Open forms keep their place: only a page nobody writes in is replaced whole.
      self.items.forEach(item => {
        if (item.form || item.edit) open.push(item);
      });
      if (open.length) self.merge(data);
      else self.replace(data);
      if (top !== false && anchor.isConnected) scrollBy(0, anchor.getBoundingClientRect().top - top);
      return self.seq;
    });
};
P.merge = function (data) {
  const self = this,
    there = new Map(),
    walk = c => {
      const item = self.items.get(c.id);
      there.set(c.id, c);
      if (item) self.updated(item, c, self.seq);
      else if (!self.waiting.has(c.id)) self.waiting.set(c.id, Object.assign({}, c, {replies: []}));
      (c.replies || []).forEach(walk);
    };
  this.page(data);
  data.page.comments.forEach(walk);
  // What isn't on this page is gone, or comes again with the next one; but where somebody writes it stays.
  [...this.items.values()].reverse().forEach(item => {
    if (item.c.pending || there.has(item.c.id) || self.items.get(item.c.id) !== item) return;
    if (!item.form && !item.edit && !(item.list && item.list.firstChild)) return self.remove(item);
    self
      .api('GET', '/comments/' + item.c.id)
      .then(
        answer => answer.comment,
        error => {
          if (error.status === 404) return {deleted: true, lost: true};
        },
      )
      .then(c => {
        const root = item.parent && self.items.get(item.c.root);
        if (!c || !c.deleted || self.items.get(item.c.id) !== item) return;
        // Another one was taken for it.
        if (c.lost && root) self.hidden(root, 1);
        item.gone = c.lost;
        self.remove(item, true);
      });
  });
  this.waiting.forEach((c, id) => {
    if (!there.has(id)) self.waiting.delete(id);
  });
  data.page.comments.forEach(c => {
    if (self.items.has(c.id)) self.measure(self.items.get(c.id), c, self.seq);
  });
  this.footer();
  this.showPill();
  this.counts();
};

P.presence = function (count, names) {
  const many = count > 1 && this.settings.presence !== false,
    online = this.online;
  online.classList.toggle('mc-on', many);
  if (!many) return;
  online.firstChild.textContent = this.t('online', {n: count});
  online.title =
    online.firstChild.textContent + (names ? ': ' + names.join(', ') + (count > names.length ? ' …' : '') : '');
  online.lastChild.textContent = this.t.number(count);
};

P.tell = function (name) {
  if (this.settings.typing === false || !this.sub || Date.now() - (this.told || 0) < 3000) return;
  this.told = Date.now();
  this.sub.send({type: 'typing', name: name || 'Guest'});
};
/* Who has written is not writing any more, under their name or before they gave one. */
P.wrote = function (name) {
  if (!this.writers) return;
  delete this.writers[name];
  delete this.writers.Guest;
  this.someone();
};
P.someone = function (name) {
  let self = this,
    names,
    now = Date.now();
  this.writers = this.writers || {};
  if (name) this.writers[name] = now + 5000;
  names = Object.keys(this.writers)
    .filter(n => self.writers[n] > now || !delete self.writers[n])
    .filter(n => n !== self.session.get('name'))
    .map(n => self.named({name: n}));
  this.typing.textContent = !names.length
    ? ''
    : names.length === 1
      ? this.t('typing1', {name: names[0]})
      : names.length === 2
        ? this.t('typing2', {name: names[0], other: names[1]})
        : this.t('typingMany');
  this.typing.classList.toggle('mc-on', !!names.length);
  clearTimeout(this.writersTimer);
  if (names.length)
    this.writersTimer = setTimeout(() => {
      self.someone();
    }, 1500);
};

/* Short breaks aren't worth a word. */
P.connection = function () {
  const self = this;
  clearTimeout(this.lineTimer);
  if (this.state !== 'down') {
    if (this.bar.textContent === this.t('offline')) this.bar.classList.remove('mc-on');
    return;
  }
  this.lineTimer = setTimeout(() => {
    if (self.closed || self.state !== 'down') return;
    self.bar.textContent = self.t('offline');
    self.bar.classList.add('mc-on');
  }, 2500);
};
