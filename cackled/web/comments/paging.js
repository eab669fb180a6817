/* Other pages of comments: another order, the next page, more replies, the one comment an address names. */
(function (Cackle) {
  'use strict';
  var P = Cackle.Comments.prototype, Promise = Cackle.Promise;

  P.query = function (values) {
    return '/comments?' + new URLSearchParams(Object.assign({channel: this.key, sort: this.sort, size: this.widget.size, after: this.seq}, values));
  };

  P.resort = function (name) {
    var self = this, old = this.sort;
    if (name === old) return;
    this.pause(1);
    this.sort = name;
    this.marks();
    this.list.classList.add('mc-busy');
    this.api('GET', this.query()).then(data => {
      if (self.sort !== name) return;
      self.session.set('sort', name);
      self.replace(data);
    }).catch(error => {
      self.sort = old;
      self.marks();
      self.notice(Cackle.reason(self.t, error));
    }).finally(() => {
      self.list.classList.remove('mc-busy');
      self.pause(-1);
    });
  };
  P.marks = function () {
    this.orders.forEach(function (name, i) { this.sorts.children[i].setAttribute('aria-pressed', '' + (name === this.sort)); }, this);
  };

  /* A new first page in place of everything; the visitor's own unsent comments stay. */
  P.replace = function (data) {
    var unsent = [];
    this.items.forEach(item => { if (item.c.pending) unsent.push(item); });
    this.page(data);
    this.waiting.clear();
    this.fill(data.page.comments);
    unsent.forEach(this.put, this);
    this.restore();
    this.showPill();
  };

  P.next = function () {
    var self = this, button = this.moreButton, known = this.list.lastElementChild;
    button.disabled = true;
    this.api('GET', this.query({cursor: this.cursor})).then(data => {
      // Another order has come meanwhile.
      if (self.moreButton !== button) return;
      self.cursor = data.page.cursor;
      data.page.comments.forEach(c => { if (!self.items.has(c.id)) self.append(c); });
      self.footer();
      self.showPill();
      self.focus(known && known.nextElementSibling);
    }).catch(error => {
      button.disabled = false;
      self.notice(Cackle.reason(self.t, error));
    });
  };

  P.replies = function (item, button) {
    var self = this;
    if (button.hasAttribute('aria-disabled')) return;
    button.setAttribute('aria-disabled', 'true');
    // The first replies are here already: on until there is a new one.
    (function next() {
      return self.api('GET', self.query({parent: item.c.id, sort: 'old', size: 100, cursor: item.cursor || ''})).then(data => {
        var before = self.items.size;
        if (self.items.get(item.c.id) !== item) return;
        item.cursor = data.page.cursor;
        self.graft(data.page.comments, item);
        item.c.more = item.cursor ? Math.max(1, item.c.more - self.items.size + before) : 0;
        if (item.cursor && self.items.size === before) return next();
        self.moreReplies(item);
      });
    })().catch(error => {
      button.removeAttribute('aria-disabled');
      self.notice(Cackle.reason(self.t, error));
    });
  };
  P.graft = function (comments, root) {
    comments.forEach(function (c) {
      var nested = c.replies || [];
      if (!this.items.has(c.id) && c.id !== root.c.id) this.append(Object.assign({}, c, {replies: []}), this.items.get(c.parent) || root);
      this.graft(nested, root);
    }, this);
  };

  /* ---- #mc-<id>: to the comment, fetched if it isn't on this page ---- */
  P.arrive = function () {
    var self = this, id = (/^#mc-c?(\d+)$/.exec(location.hash) || [])[1], item;
    if (!id) return;
    item = this.items.get(id);
    if (item) return this.reveal(item);
    function get(number) { return self.api('GET', '/comments/' + number).then(data => data.comment); }
    function put(c, parent) { return self.items.get(c.id) || self.append(Object.assign({replies: [], more: 0}, c), parent, !parent); }
    // Behind the first hundred replies of its thread: only what it hangs on.
    function climb(c) {
      var parent = self.items.get(c.parent);
      return parent || !c.parent ? put(c, parent) : get(c.parent).then(climb).then(above => put(c, above));
    }
    get(id).then(c => {
      if (!c.root || c.root === id) return put(c);
      return (self.items.has(c.root) ? Promise.resolve(self.items.get(c.root).c) : get(c.root)).then(root => {
        var parent = put(root);
        return self.api('GET', self.query({parent: root.id, sort: 'old', size: 100})).then(data => {
          self.graft(data.page.comments, parent);
          if (data.page.cursor && !parent.c.more) {
            parent.c.more = 1;
            self.moreReplies(parent);
          }
          return self.items.get(id) || climb(c);
        });
      });
    }).then(found => { if (found) self.reveal(found); }, error => {
      self.notice(error.status === 404 || error.status === 410 ? self.t('dead') : Cackle.reason(self.t, error));
    });
  };
  P.reveal = function (item) {
    for (var p = item.parent; p; p = p.parent) if (p.node.classList.contains('mc-collapsed')) this.collapse(p, false);
    item.node.scrollIntoView({block: 'center', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth'});
    this.flash(item);
    this.focus(item.node);
  };
})(window.Cackle);
