/* What can be done with a comment: edit, delete, report, block, copy the link. Loaded after the first render. */
(function (Cackle) {
  'use strict';
  var el = Cackle.el, press = Cackle.press, icon = Cackle.icon, P = Cackle.Comments.prototype, Promise = Cackle.Promise;

  P.openMenu = function (item, mine) {
    var self = this, t = this.t, box = item.more.parentNode, menu, entries, place;
    if (box.querySelector('.mc-menu')) return close(true);
    function entry(kind, label, f) {
      return press('mc-entry', {role: 'menuitem', tabindex: -1, onclick: () => { close(true); f(); }}, icon(kind), el('span', null, label));
    }
    function close(focus) {
      var open = box.querySelector('.mc-menu');
      document.removeEventListener('pointerdown', outside, true);
      if (open) open.remove();
      item.more.setAttribute('aria-expanded', 'false');
      if (focus === true) item.more.focus();
    }
    function outside(event) { if (!box.contains(event.target)) close(); }
    entries = [entry('link', t('copy'), () => { self.copy(item); })];
    if (this.reading) {
      // Only what needs no server.
    } else if (mine) {
      entries.push(entry('trash', t('delete'), () => { self.erase(item); }));
    } else {
      entries.push(entry('flag', t('flag'), () => { self.flag(item); }), entry('block', t('block'), () => { self.block(item, true); }));
    }
    menu = el('div.mc-menu', {role: 'menu', onkeydown: event => {
      var step = {ArrowDown: 1, ArrowUp: -1}[event.key], at = entries.indexOf(document.activeElement);
      if (event.key === 'Escape') { event.stopPropagation(); close(true); }
      else if (event.key === 'Tab') close(true);
      else if (step) { event.preventDefault(); entries[(at + step + entries.length) % entries.length].focus(); }
    }}, entries);
    box.append(menu);
    place = menu.getBoundingClientRect();
    if (place.bottom > innerHeight) menu.classList.add('mc-above');
    // Whole within the window, however narrow that is.
    menu.style.translate = Math.max(8 - place.left, Math.min(0, document.documentElement.clientWidth - 8 - place.right)) + 'px';
    item.more.setAttribute('aria-expanded', 'true');
    document.addEventListener('pointerdown', outside, true);
    entries[0].focus();
  };

  P.copy = function (item) {
    var self = this, url = new URL(location.href);
    url.hash = 'mc-' + item.c.id;
    Promise.resolve(navigator.clipboard && navigator.clipboard.writeText(url.href)).then(() => {
      if (navigator.clipboard) self.notice(self.t('copied'));
      else location.hash = url.hash;
    }, () => { location.hash = url.hash; });
  };

  P.flag = function (item) {
    var self = this;
    this.api('POST', '/comments/' + item.c.id + '/flags', {body: {reason: ''}}).then(() => { self.notice(self.t('flagged')); },
      function (error) { self.notice(Cackle.reason(self.t, error)); });
  };

  P.block = function (item, yes) {
    var self = this, author = item.c.author.id;
    function apply(on) {
      self.blocked[on ? 'add' : 'delete'](author);
      self.items.forEach(other => {
        if (other.c.author && other.c.author.id === author) { other.shown = false; self.draw(other); }
      });
    }
    apply(yes);
    this.focus(item.node);
    this.api(yes ? 'PUT' : 'DELETE', '/blocks/' + author).catch(error => {
      apply(!yes);
      self.notice(Cackle.reason(self.t, error));
    });
  };

  /* Takes an item away for a while in which that can be undone; then, or when the page goes, `commit(leaving)` does it. */
  P.UNDO = 6000;
  P.away = function (item, words, commit) {
    var self = this;
    if (item.going) return;
    item.going = {words: words, commit: commit, timer: setTimeout(() => { self.finish(item); }, this.UNDO)};
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
    var going = item.going, focused = item.body.contains(document.activeElement);
    if (!going || going.sent) return;
    clearTimeout(going.timer);
    going.sent = true;
    if (this.items.get(item.c.id) !== item) return;
    this.draw(item);
    if (focused) this.focus(item.node);
    going.commit(leaving);
  };

  P.erase = function (item) {
    var self = this, id = item.c.id;
    this.away(item, 'deleted', leaving => {
      self.api('DELETE', '/comments/' + id, {keepalive: leaving}).then(data => {
        Cackle.save(['edit', self.site, self.key, id].join(':'), null);
        self.tally.own(-1, self.at(data));
        self.counts();
        self.fire('status', {id: id, status: 'deleted'});
        if (self.items.get(id) !== item || item.c.deleted) return;
        self.remove(item, !!(item.list && item.list.firstChild));
        self.counts();
      }).catch(error => {
        if (!item.going) return;
        item.going = null;
        self.draw(item);
        self.notice(Cackle.reason(self.t, error));
        self.say(Cackle.reason(self.t, error));
      });
    });
  };

  P.openEdit = function (item) {
    var self = this, source;
    if (item.edit) return item.edit.input.focus();
    if (item.opening) return;
    item.opening = true;
    source = item.c.source != null ? Promise.resolve(item.c) : this.api('GET', '/comments/' + item.c.id, {mine: true}).then(data => data.comment);
    source.then(c => {
      var form = self.composer({edit: item, text: c.source, done: close, send: text => {
        return self.api('PATCH', '/comments/' + item.c.id, {body: {text: text}}).then(data => {
          close();
          self.updated(item, data.comment, self.at(data));
          self.fire('edit', data.comment);
        });
      }});
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
    }).catch(error => { self.notice(Cackle.reason(self.t, error)); }).finally(() => { item.opening = false; });
  };

})(window.Cackle);
