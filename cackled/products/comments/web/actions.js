/* What can be done with a comment: edit, delete, report, block, copy the link. Loaded after the first render. */
// @ts-nocheck
import {reason} from '../../../web/lib/reasons.js';
import {Comments} from './widget.js';
import {el, icon, press} from '../../../web/lib/dom.js';
import {Promise, loader} from '../../../web/lib/loader.js';
import {save} from '../../../web/lib/storage.js';

const P = Comments.prototype;

const LINK = 'M8.5 11.5l3-3M9 6l1.5-1.5a3.5 3.5 0 0 1 5 5L14 11M11 14l-1.5 1.5a3.5 3.5 0 0 1-5-5L6 9',
  TRASH = 'M4 6h12M8 6V4h4v2M6 6l.7 10h6.6L14 6',
  FLAG = 'M5 17V4h9l-2 3 2 3H5',
  BLOCK = 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM5 5l10 10';

/* The actions of a comment are one stop of the Tab key, as is each bar of the editor. Arrows move within, Home and End to its ends,
   up and down to the same action of the comment above or below. */
P.rove = function () {
  const node = this.node;
  function all(bar) {
    return [].filter.call(bar.querySelectorAll('.mc-press'), n => !n.closest('.mc-menu'));
  }
  this.listen(node, 'focusin', event => {
    const bar = event.target.closest('[role=toolbar]'),
      mine = bar && all(bar);
    if (mine && mine.includes(event.target))
      mine.forEach(n => {
        n.tabIndex = n === event.target ? 0 : -1;
      });
  });
  this.listen(node, 'keydown', event => {
    let bar = event.target.closest('[role=toolbar]'),
      mine = bar ? all(bar) : [],
      at = mine.indexOf(event.target),
      to,
      rows,
      row;
    const forth = getComputedStyle(node).direction === 'rtl' ? 'ArrowLeft' : 'ArrowRight',
      back = forth === 'ArrowLeft' ? 'ArrowRight' : 'ArrowLeft';
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (event.key === forth) to = mine[(at + 1) % mine.length];
    else if (event.key === back) to = mine[(at + mine.length - 1) % mine.length];
    else if (event.key === 'Home') to = mine[0];
    else if (event.key === 'End') to = mine[mine.length - 1];
    else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && bar.classList.contains('mc-acts')) {
      rows = [].filter.call(node.querySelectorAll('.mc-acts[role=toolbar]'), n => n.getClientRects().length);
      row = rows[rows.indexOf(bar) + (event.key === 'ArrowDown' ? 1 : -1)];
      if (row) to = all(row).find(n => n.className === event.target.className) || all(row)[0];
    }
    if (!to) return;
    event.preventDefault();
    to.focus();
  });
};

P.openMenu = function (item, mine) {
  let self = this,
    t = this.t,
    box = item.more.parentNode,
    menu,
    entries,
    place;
  if (box.querySelector('.mc-menu')) return close(true);
  function entry(kind, label, f) {
    return press(
      'mc-entry',
      {
        role: 'menuitem',
        tabindex: -1,
        onclick: () => {
          close(true);
          f();
        },
      },
      icon(kind),
      el('span', null, label),
    );
  }
  function close(focus) {
    const open = box.querySelector('.mc-menu');
    document.removeEventListener('pointerdown', outside, true);
    if (open) open.remove();
    item.more.setAttribute('aria-expanded', 'false');
    if (focus === true) item.more.focus();
  }
  function outside(event) {
    if (!box.contains(event.target)) close();
  }
  entries = [
    entry(LINK, t('copy'), () => {
      self.copy(item);
    }),
  ];
  if (this.reading) {
    // Only what needs no server.
  } else if (mine) {
    entries.push(
      entry(TRASH, t('delete'), () => {
        self.erase(item);
      }),
    );
  } else {
    entries.push(
      entry(FLAG, t('flag'), () => {
        self.flag(item);
      }),
      entry(BLOCK, t('block'), () => {
        self.block(item, true);
      }),
    );
  }
  menu = el(
    'div.mc-menu',
    {
      role: 'menu',
      onkeydown: event => {
        let step = {ArrowDown: 1, ArrowUp: -1}[event.key],
          at = entries.indexOf(document.activeElement),
          key = event.key.toLowerCase(),
          n = entries.length,
          to;
        if (event.key === 'Home') to = entries[0];
        else if (event.key === 'End') to = entries[n - 1];
        // The next entry that begins with the letter.
        else if (key.length === 1 && key !== ' ' && !event.ctrlKey && !event.metaKey && !event.altKey) {
          to = entries
            .slice(at + 1)
            .concat(entries.slice(0, at + 1))
            .find(e => e.textContent.toLowerCase().indexOf(key) === 0);
        }
        if (event.key === 'Escape') {
          event.stopPropagation();
          close(true);
        } else if (event.key === 'Tab') close(true);
        else if (step) to = entries[(at + step + n) % n];
        if (to) {
          event.preventDefault();
          to.focus();
        }
      },
    },
    entries,
  );
  box.append(menu);
  place = menu.getBoundingClientRect();
  if (place.bottom > innerHeight) menu.classList.add('mc-above');
  // Whole within the window, however narrow that is.
  menu.style.translate =
    Math.max(8 - place.left, Math.min(0, document.documentElement.clientWidth - 8 - place.right)) + 'px';
  item.more.setAttribute('aria-expanded', 'true');
  document.addEventListener('pointerdown', outside, true);
  entries[0].focus();
};

P.copy = function (item) {
  const self = this,
    url = new URL(location.href);
  url.hash = 'mc-' + item.c.id;
  Promise.resolve(navigator.clipboard && navigator.clipboard.writeText(url.href)).then(
    () => {
      if (navigator.clipboard) self.notice(self.t('copied'));
      else location.hash = url.hash;
    },
    () => {
      location.hash = url.hash;
    },
  );
};

P.flag = function (item) {
  const self = this;
  this.api('POST', '/comments/' + item.c.id + '/flags', {body: {reason: ''}}).then(
    () => {
      self.notice(self.t('flagged'));
    },
    function (error) {
      self.notice(reason(self.t, error));
    },
  );
};

P.block = function (item, yes) {
  const self = this,
    author = item.c.author.id;
  function apply(on) {
    self.blocked[on ? 'add' : 'delete'](author);
    self.items.forEach(other => {
      if (other.c.author && other.c.author.id === author) {
        other.shown = false;
        self.draw(other);
      }
    });
  }
  apply(yes);
  this.focus(item.node);
  this.api(yes ? 'PUT' : 'DELETE', '/blocks/' + author).catch(error => {
    apply(!yes);
    self.notice(reason(self.t, error));
  });
};

/* Takes an item away for a while in which that can be undone; then, or when the page goes, `commit(leaving)` does it. */
P.UNDO = 6000;
P.away = function (item, words, commit) {
  const self = this;
  if (item.going) return;
  item.going = {
    words: words,
    commit: commit,
    timer: setTimeout(() => {
      self.finish(item);
    }, this.UNDO),
  };
  this.draw(item);
  this.focus(item.body.querySelector('.mc-undo'));
  this.say(this.t(words));
};
P.undo = function (item) {
  if (!item.going || item.going.sent) return;
  clearTimeout(item.going.timer);
  item.going = null;
  this.draw(item);
  this.focus(item.more || item.node);
};
P.finish = function (item, leaving) {
  const going = item.going,
    focused = item.body.contains(document.activeElement);
  if (!going || going.sent) return;
  clearTimeout(going.timer);
  going.sent = true;
  if (this.items.get(item.c.id) !== item) return;
  this.draw(item);
  if (focused) this.focus(item.node);
  going.commit(leaving);
};

P.erase = function (item) {
  const self = this,
    id = item.c.id;
  this.away(item, 'deleted', leaving => {
    self
      .api('DELETE', '/comments/' + id, {keepalive: leaving})
      .then(data => {
        save(['edit', self.site, self.key, id].join(':'), null);
        self.tally.own(-1, self.at(data));
        self.counts();
        self.fire('status', {id: id, status: 'deleted'});
        if (self.items.get(id) !== item || item.c.deleted) return;
        self.remove(item, !!(item.list && item.list.firstChild));
        self.counts();
      })
      .catch(error => {
        if (!item.going) return;
        item.going = null;
        self.draw(item);
        self.notice(reason(self.t, error));
        self.say(reason(self.t, error));
      });
  });
};

P.openEdit = function (item) {
  let self = this,
    source;
  if (item.edit) return item.edit.input.focus();
  if (item.opening) return;
  item.opening = true;
  source =
    item.c.source != null
      ? Promise.resolve(item.c)
      : this.api('GET', '/comments/' + item.c.id, {mine: true}).then(data => data.comment);
  source
    .then(c => {
      const form = self.composer({
        edit: item,
        text: c.source,
        done: close,
        why: error => reason(self.t, error, true),
        send: text => {
          return self.api('PATCH', '/comments/' + item.c.id, {body: {text: text}}).then(data => {
            close();
            self.updated(item, data.comment, self.at(data));
            self.fire('edit', data.comment);
          });
        },
      });
      function close() {
        form.node.remove();
        item.edit = null;
        if (self.items.has(item.c.id)) self.draw(item);
        self.focus(item.editButton);
      }
      item.edit = form;
      item.text.hidden = item.acts.hidden = true;
      item.text.before(form.node);
      form.input.focus();
    })
    .catch(error => {
      self.notice(reason(self.t, error));
    })
    .finally(() => {
      item.opening = false;
    });
};
