/* One comment: its nodes, where it hangs, and how it changes in place. */
// @ts-nocheck
import {Comments} from './widget.js';
import {el, icon, press} from '../../../web/lib/dom.js';
import {safeHtml} from '../../../web/lib/html.js';
import {loader} from '../../../web/lib/loader.js';
import {serverNow} from '../../../web/lib/time.js';

const P = Comments.prototype;

function hue(text) {
  let h = 0,
    i;
  for (i = 0; i < text.length; i++) h = (h * 31 + text.charCodeAt(i)) >>> 0;
  return (h * 47) % 360;
}
function initial(name) {
  let text = name.trim(),
    first;
  try {
    first = new Intl.Segmenter().segment(text)[Symbol.iterator]().next().value.segment;
  } catch (e) {
    first = [...text][0];
  }
  return (first || '?').toUpperCase();
}

P.avatar = author => {
  let face = el('div.mc-avatar', {'aria-hidden': 'true'}),
    image;
  if (!author) return face;
  face.textContent = initial(author.name || '?');
  if (author.id) face.style.setProperty('--mc-hue', hue(author.id));
  else face.classList.add('mc-nobody');
  // Pictures come by way of the server: whose they are learns nothing of the reader.
  const picture = /^\/avatar\//.test(author.avatar) ? loader.base() + author.avatar : author.avatar;
  if (picture && /^https?:/.test(picture)) {
    image = el('img.mc-face', {
      alt: '',
      loading: 'lazy',
      decoding: 'async',
      referrerpolicy: 'no-referrer',
      onerror: () => {
        image.remove();
      },
    });
    image.src = picture;
    face.append(image);
  }
  return face;
};

/* item: `seq` the event that its text is from, `asof` the one up to which it is known what hangs on it (c.more: how much of that
   is not here). */
/* Adds a comment with its replies under `parent` (null: a root), at the end or `first`. -> item */
P.append = function (c, parent, first) {
  let item = {c: c, parent: parent || null, depth: parent ? parent.depth + 1 : 0, seq: this.seq, asof: this.seq},
    list;
  item.node = el('div.mc-c', {role: 'listitem', id: 'mc-' + c.id, tabindex: -1});
  if (item.depth > this.level) item.node.classList.add('mc-flat');
  this.items.set(c.id, item);
  this.waiting.delete(c.id);
  this.draw(item);
  list = parent ? this.branch(parent) : this.list;
  if (first) list.prepend(item.node);
  else list.append(item.node);
  (c.replies || []).forEach(function (r) {
    this.append(r, item);
  }, this);
  if (c.more) this.moreReplies(item);
  return item;
};

/* The list of replies of an item, with the line that folds it. */
P.branch = function (item) {
  const self = this,
    name = this.named(item.c.author);
  if (!item.list) {
    item.list = el('div.mc-replies', {role: 'list'});
    item.line = press('mc-thread', {
      'aria-expanded': 'true',
      'aria-label': this.t('collapse', {name: name}),
      title: this.t('collapse', {name: name}),
      onclick: () => {
        self.collapse(item, true);
      },
    });
    item.nest = el('div.mc-nest', null, item.line, item.list);
    if (item.depth >= this.level) item.nest.classList.add('mc-flat');
    item.node.append(item.nest);
    item.node.classList.add('mc-has');
  }
  return item.list;
};

P.collapse = function (item, fold) {
  let self = this,
    n;
  item.node.classList.toggle('mc-collapsed', fold);
  if (item.unfold) item.unfold.remove();
  if (!fold) return this.focus(item.line);
  n = item.list.querySelectorAll('.mc-c').length + (item.c.more || 0);
  item.unfold = press(
    'mc-more.mc-unfold',
    {
      'aria-expanded': 'false',
      'aria-label': this.t('expand') + ', ' + this.t('replies', {n: n}),
      onclick: () => {
        self.collapse(item, false);
      },
    },
    this.t('replies', {n: n}),
  );
  item.node.append(item.unfold);
  this.focus(item.unfold);
};

P.moreReplies = function (item) {
  let self = this,
    button;
  if (item.rest) item.rest.remove();
  item.rest = null;
  if (!item.c.more) return;
  this.branch(item);
  button = press(
    'mc-more',
    {
      onclick: () => {
        self.later(() => self.replies(item, button));
      },
    },
    this.t('moreReplies', {n: item.c.more}),
  );
  item.nest.append((item.rest = button));
};

/* (Re)draws the comment itself; replies and an open reply form stay as they are. */
P.draw = function (item) {
  let c = item.c,
    t = this.t,
    self = this,
    name = c.author ? this.named(c.author) : '',
    guest = name === t('guest'),
    body,
    blocked = c.author && this.blocked.has(c.author.id) && !item.shown;
  item.text = item.edit = null;
  item.node.classList.toggle('mc-sending', !!(c.pending && !item.error));
  item.node.classList.toggle('mc-gone', !!(c.deleted || blocked || item.going));
  if (c.deleted || !c.author) {
    body = el('div.mc-body', null, this.avatar(null), el('div.mc-main', null, el('div.mc-note', null, t('deleted'))));
  } else if (item.going) {
    // Taken away, and not yet for good.
    body = el(
      'div.mc-body',
      null,
      this.avatar(null),
      el(
        'div.mc-main',
        null,
        el(
          'div.mc-note',
          null,
          t(item.going.words) + ' ',
          !item.going.sent &&
            press(
              'mc-act.mc-undo',
              {
                onclick: () => {
                  self.undo(item);
                },
              },
              t('undo'),
            ),
        ),
      ),
    );
  } else if (blocked) {
    body = el(
      'div.mc-body',
      null,
      this.avatar(null),
      el(
        'div.mc-main',
        null,
        el(
          'div.mc-note',
          null,
          t('blocked') + ' ',
          press(
            'mc-act',
            {
              onclick: () => {
                item.shown = true;
                self.draw(item);
              },
            },
            t('show'),
          ),
          press(
            'mc-act',
            {
              onclick: () => {
                self.later(() => {
                  self.block(item, false);
                });
              },
            },
            t('unblock'),
          ),
        ),
      ),
    );
  } else {
    item.text = el('div.mc-text', null, c.pending ? this.plain(c.text) : safeHtml(c.html));
    // Each paragraph in its own direction, all beside the face.
    [].forEach.call(item.text.children, node => {
      node.dir = 'auto';
    });
    item.text.querySelectorAll('pre').forEach(node => {
      node.tabIndex = 0;
    });
    item.acts = el('div.mc-acts');
    body = el(
      'div.mc-body',
      {role: 'article', 'aria-label': name},
      this.avatar(c.author),
      el(
        'div.mc-main',
        null,
        el(
          'div.mc-head',
          null,
          this.authorName(c.author, name, guest),
          this.me(c) && el('span.mc-badge', null, t('you')),
          (c.author.badges || []).map(one => this.badge(one)),
          // At the last level an answer hangs beside what it answers, and says in its words whom it means.
          item.depth > this.level &&
            item.parent &&
            item.parent.c.author &&
            !(c.depth >= this.settings.level && /^(<p>)?@/.test(c.html || c.text)) &&
            el('span.mc-to', null, t('to', {name: '\u2068' + this.named(item.parent.c.author) + '\u2069'})),
          el(
            'a.mc-time',
            {href: (document.querySelector('base[href]') ? location.href.split('#')[0] : '') + '#mc-' + c.id},
            this.times.node(c.created),
          ),
          c.state && el('span.mc-waits', null, t('waits')),
          item.pinned && el('span.mc-badge', null, t('pinned')),
          c.featured && el('span.mc-badge', null, t('featured')),
          c.edited && el('span.mc-edited', {title: t('editedAt', {time: this.times.full(c.edited)})}, t('edited')),
        ),
        item.text,
        item.acts,
        item.slot || (item.slot = el('div.mc-slot')),
      ),
    );
    this.actions(item);
    this.shorten(item);
  }
  if (item.body) item.body.replaceWith(body);
  else item.node.prepend(body);
  item.body = body;
};

/* Of people who signed in the name opens their card. */
P.authorName = function (author, name, guest) {
  const node = el(guest ? 'bdi.mc-name.mc-guest' : 'bdi.mc-name', {dir: 'auto'}, name);
  if (!author.badges) return node;
  const open = press(
    'mc-author',
    {'aria-haspopup': 'dialog', onclick: () => this.later(() => this.profile(open, author))},
    node,
  );
  return el('span.mc-who-wrote', null, open);
};

/* A long text is folded, and opens by its button or when something within it is focused. */
P.shorten = function (item) {
  let text = item.text,
    all = text.textContent,
    lines = all.split('\n').length + text.querySelectorAll('p, br, li').length,
    button;
  if (item.whole || item.c.pending || all.length + 50 * lines < 1100) return;
  function open() {
    item.whole = true;
    text.classList.remove('mc-cut');
    if (document.activeElement === button) item.node.focus({preventScroll: true});
    button.remove();
  }
  text.classList.add('mc-cut');
  text.addEventListener('focusin', open, {once: true});
  text.after((button = press('mc-more.mc-all', {'aria-expanded': 'false', onclick: open}, this.t('all'))));
};

P.plain = text => {
  return text
    .trim()
    .split(/\n{2,}/)
    .map(part => {
      const lines = part.split('\n'),
        p = el('p');
      lines.forEach((line, i) => {
        p.append(i ? el('br') : '', line);
      });
      return p;
    });
};

P.actions = function (item) {
  const c = item.c,
    t = this.t,
    self = this,
    value = this.votes[c.id] || 0,
    mine = this.me(c),
    of = {name: this.named(c.author)};
  if (c.pending) return this.pendingRow(item);
  item.acts.setAttribute('role', 'toolbar');
  item.acts.setAttribute('aria-label', t('acts', of));
  function button(kind, label, f, extra) {
    return press(
      'mc-act.mc-' + kind,
      Object.assign({onclick: f}, extra),
      icon(kind),
      label && el('span.mc-label', null, label),
    );
  }
  item.up = item.down = item.score = null;
  if (c.state) {
    // Nobody else sees it yet.
  } else if (this.settings.votes !== false && !this.o.ratingOff && (mine || this.mute())) {
    item.score = el('span.mc-score', {'aria-label': t('score') + ' ' + c.score, role: 'img'}, t.number(c.score));
    item.acts.append(el('span.mc-votes.mc-own', {title: t('score')}, icon('up'), item.score));
  } else if (this.settings.votes !== false && !this.o.ratingOff) {
    item.up = button(
      'up',
      '',
      () => {
        self.voted(item, 1);
      },
      {'aria-label': t('upOf', of), title: t('up'), 'aria-pressed': '' + (value > 0)},
    );
    item.score = el('span.mc-score', {'aria-label': t('score') + ' ' + c.score, role: 'img'}, t.number(c.score));
    item.down = button(
      'down',
      '',
      () => {
        self.voted(item, -1);
      },
      {'aria-label': t('downOf', of), title: t('down'), 'aria-pressed': '' + (value < 0)},
    );
    item.acts.append(el('span.mc-votes', null, item.up, item.score, item.down));
  }
  if (!this.channel.locked && !this.mute() && !c.state && !c.locked) {
    item.reply = button(
      'reply',
      t('reply'),
      () => {
        self.later(() => self.reply(item));
      },
      {'aria-label': t('replyTo', of)},
    );
    item.acts.append(item.reply);
  }
  if (mine && !this.mute() && !this.late(c))
    item.acts.append(
      (item.editButton = button('edit', t('edit'), () => {
        self.edit(item);
      })),
    );
  item.more = button(
    'more',
    '',
    () => {
      self.menu(item, mine);
    },
    {'aria-label': t('acts', of), title: t('more'), 'aria-haspopup': 'menu', 'aria-expanded': 'false'},
  );
  item.acts.append(el('span.mc-morebox', null, item.more));
  // One stop of the Tab key; within it arrows move (actions.js).
  item.acts.querySelectorAll('.mc-press').forEach((node, i) => {
    node.tabIndex = i ? -1 : 0;
  });
};
P.voted = function (item, value) {
  this.later(() => {
    this.vote(item, value);
  });
};
// Rarer actions come with the code that is loaded after the first render.
P.menu = function (item, mine) {
  this.later(() => {
    this.openMenu(item, mine);
  });
};
P.edit = function (item) {
  this.later(() => {
    this.openEdit(item);
  });
};
P.late = function (c) {
  const seconds = this.settings.edit_seconds;
  return seconds != null && serverNow() - new Date(c.created) > seconds * 1000;
};

P.showVotes = function (item) {
  const value = this.votes[item.c.id] || 0;
  if (!item.score) return;
  if (item.up) {
    item.up.setAttribute('aria-pressed', '' + (value > 0));
    item.down.setAttribute('aria-pressed', '' + (value < 0));
  }
  item.score.textContent = this.t.number(item.c.score);
  item.score.setAttribute('aria-label', this.t('score') + ' ' + item.c.score);
};
