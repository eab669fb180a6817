/* Sending: the comment stands there at once, dimmed until acknowledged. Its entry carries one idempotency key through
   every retry, and through a reload of the tab. */
// @ts-nocheck
import {Comments} from './widget.js';
import {el, press} from '../../../web/lib/dom.js';
import {mayPass, reason} from '../../../web/lib/reasons.js';
import {Promise, loader} from '../../../web/lib/loader.js';
import {save, tabStorage} from '../../../web/lib/storage.js';
import {serverNow} from '../../../web/lib/time.js';

const P = Comments.prototype;
// An answer may have run out, or been used, before it came.
const MOST_PROOFS = 3;

P.outbox = function () {
  return ['out', this.site, this.key].join(':');
};
P.keepOutbox = function () {
  const entries = [];
  this.items.forEach(item => {
    if (item.c.pending) entries.push(item.entry);
  });
  tabStorage.set(this.outbox(), entries);
};
P.restore = function () {
  const entries = tabStorage.get(this.outbox());
  // Whatever was stored there, and by whom.
  (Array.isArray(entries) ? entries : [])
    .filter(entry => entry && entry.key && typeof entry.text === 'string')
    .forEach(function (entry) {
      if (this.main.input && !entry.parent && this.main.input.value.trim() === entry.text) this.main.set('');
      if (Date.now() - entry.at < 864e5) this.send(entry);
    }, this);
};

/* How long each box is open, from an empty one on; and a field in it that people don't see, and machines fill in. */
P.forms = function () {
  this.listen(this.node, 'focusin', event => {
    const form = event.target.closest('.mc-form'),
      input = form && form.querySelector('.mc-input');
    if (!input || form.begun) return;
    form.begun = input.value ? 0 : Date.now();
    if (!form.trap) form.append((form.trap = el('input', {hidden: true, name: 'website', autocomplete: 'off'})));
  });
};

P.send = function (entry, scroll, form) {
  let parent = entry.parent ? this.items.get(entry.parent) : null,
    item = this.items.get(entry.key),
    c;
  if (item) return;
  if (entry.parent && !parent) return;
  if (form && form.trap) {
    entry.website = form.trap.value || undefined;
    if (form.begun) entry.seconds = Math.round((Date.now() - form.begun) / 100) / 10;
    form.begun = 0;
  }
  c = {
    id: entry.key,
    parent: entry.parent,
    author: {id: this.session.visitor() || '', name: entry.name},
    text: entry.text,
    pending: true,
    created: new Date(serverNow()).toISOString(),
    depth: parent ? (parent.c.depth || 0) + 1 : 0,
    score: 0,
    up: 0,
    down: 0,
  };
  item = this.append(c, parent, !parent && this.sort !== 'old');
  item.entry = entry;
  item.whole = true;
  this.counts();
  this.keepOutbox();
  this.flash(item);
  if (scroll && !parent && this.sort === 'old' && item.node.getBoundingClientRect().top > innerHeight * 1.5) {
    // Far below: no jump there, but a word, and the way.
    this.own = item;
    this.watch(item);
    this.showPill();
    this.say(this.t('below'));
    this.focus(this.pill);
  } else if (scroll) {
    item.node.scrollIntoView({block: 'nearest'});
    this.focus(item.node);
  }
  this.post(item);
};

/* What is not acknowledged, into a page that was loaded anew. */
P.put = function (item) {
  let parent = item.entry.parent ? this.items.get(item.entry.parent) : null,
    list;
  if (item.entry.parent && !parent) return;
  this.items.set(item.entry.key, item);
  item.parent = parent;
  list = parent ? this.branch(parent) : this.list;
  if (parent || this.sort === 'old') list.append(item.node);
  else list.prepend(item.node);
  this.counts();
};

P.post = function (item) {
  const self = this,
    entry = item.entry;
  item.error = null;
  item.busy = true;
  this.draw(item);
  this.api('POST', '/comments', {
    key: entry.key,
    body: {
      channel: {key: this.key, url: this.o.url || undefined, title: this.o.title || document.title},
      parent: entry.parent,
      text: entry.text,
      name: entry.name,
      anyway: entry.anyway || undefined,
      website: entry.website,
      seconds: entry.seconds,
      proof: item.proof,
    },
  }).then(
    data => {
      self.sent(item, data);
    },
    error => {
      if (self.prove(item, error)) return;
      const problem = String((error.problem || {}).type)
        .split('/')
        .pop();
      item.error = error;
      // Asked to change it: sending it again says that they don't want to.
      entry.anyway = problem === 'nudge';
      item.again = entry.anyway;
      if (problem === 'warned') self.warned(item);
      item.busy = false;
      self.draw(item);
      self.say(self.t('unsent'));
      self.unhold();
    },
  );
};

/* Refused until the browser has worked for it: it does, while the comment stands there as being sent, and the same is sent
   again. A few times at most; true where that is under way. */
P.prove = function (item, error) {
  if (error.status !== 428 || (item.proofs = (item.proofs || 0) + 1) > MOST_PROOFS) return false;
  // The part could not be loaded, most likely: as a call that did not reach the server.
  const failed = () => {
    item.proofs = 0;
    item.error = {status: 0};
    item.busy = false;
    this.draw(item);
    this.say(this.t('unsent'));
    this.unhold();
  };
  import('../../../web/lib/proof.js').then(m => {
    m.solve(
      error.problem,
      proof => {
        item.proof = proof;
        this.post(item);
      },
      failed,
    );
  }, failed);
  return true;
};

/* Acknowledged. Another way (an event, another tab) may have brought the comment already. */
P.sent = function (item, data) {
  let c = data.comment,
    told,
    root,
    other = this.items.get(c.id),
    focused = item.node.contains(document.activeElement),
    entry = item.entry;
  const here = this.items.get(entry.key) === item;
  item.busy = false;
  if (loader.load(entry.draft) === entry.text) save(entry.draft, null);
  if (!c.state) this.tally.own(1, this.at(data));
  if (!c.state && (this.quiet || []).includes(this.at(data))) this.extra = (this.extra || 0) + 1;
  // Deleted before its answer came: what there is to see of it, events have told or will.
  told = this.held.find(h => h.id === c.id) || this.waiting.get(c.id);
  if (told && told.deleted) c = Object.assign(c, told);
  else if (c.deleted || this.gone.has(c.id) || this.ghosts.has(c.id)) {
    if (here) this.remove(item);
    this.keepOutbox();
    this.counts();
    return this.unhold();
  }
  if (here) this.items.delete(entry.key);
  this.waiting.delete(c.id);
  if (other) {
    item.node.remove();
    item = other;
    item.c.source = c.source;
    this.draw(item);
  } else if (!here) {
    // The page was loaded anew without what it answers.
    this.arrived(c);
  } else {
    item.c = Object.assign(c, {more: 0});
    // A page that was loaded since said that it is there, and not that it is this one.
    root = c.parent && this.items.get(c.root);
    if (root && this.at(data) <= root.asof) this.hidden(root, -1);
    item.seq = item.asof = this.at(data);
    item.node.id = 'mc-' + c.id;
    this.items.set(c.id, item);
    this.draw(item);
  }
  this.keepOutbox();
  if (focused) this.focus(item.node);
  this.counts();
  this.fire('create', c);
  this.unhold();
  this.showPill();
};

/* What moderators have to say: who sends again has read it. */
P.warned = function (item) {
  const self = this;
  this.api('GET', '/warnings').then(
    answer => {
      item.again = answer.warnings;
      self.draw(item);
      self.say(answer.warnings.map(w => w.body).join(' '));
    },
    () => {},
  );
};
P.again = function (item) {
  const self = this;
  Promise.all(
    [].concat(item.again.map ? item.again : []).map(w => self.api('POST', '/warnings/' + w.id + '/read')),
  ).then(
    () => {
      item.again = null;
      self.post(item);
    },
    () => {},
  );
};

P.pendingRow = function (item) {
  const self = this,
    t = this.t;
  if (!item.error) return item.acts.append(el('span.mc-note', null, t('sending')));
  item.acts.append(
    el('span.mc-error', {role: 'alert'}, t('unsent') + ' ' + reason(t, item.error, true)),
    ...[]
      .concat((item.again && item.again.map && item.again) || [])
      .map(w => el('blockquote.mc-told', {dir: 'auto'}, w.body)),
    // Refused for good: asking again would be refused again.
    mayPass(item.error) || item.again
      ? press(
          'mc-act.mc-retry',
          {
            onclick: () => {
              if (item.again) self.again(item);
              else self.post(item);
            },
          },
          t('retry'),
        )
      : '',
  );
  function gone() {
    self.remove(item);
    if (loader.load(item.entry.draft) === item.entry.text) save(item.entry.draft, null);
    self.keepOutbox();
    self.counts();
  }
  // Where the conversation was closed there is no box to take it back to.
  if (!this.channel.locked)
    item.acts.append(
      press(
        'mc-act',
        {
          onclick: () => {
            let form = self.main,
              to = self.items.get(item.entry.to) || item.parent;
            gone();
            if (to) {
              self.reply(to);
              form = to.form;
            }
            form.set(item.entry.text);
            form.input.focus();
          },
        },
        t('edit'),
      ),
    );
  item.acts.append(
    press(
      'mc-act.mc-discard',
      {
        onclick: () => {
          self.away(item, 'discarded', gone);
        },
      },
      t('discard'),
    ),
  );
};
/* Back online: what failed for want of a connection is tried again by itself; the key makes that safe. */
P.resend = function () {
  const self = this;
  this.items.forEach(item => {
    if (item.c.pending && item.error && !item.going && (!item.error.status || item.error.status >= 500))
      self.post(item);
  });
};

P.reply = function (item) {
  let self = this,
    form,
    parent = item;
  if (item.form) return item.form.input.focus();
  // Deeper than the site allows: an answer beside the comment, that names whom it answers.
  while (parent.parent && parent.depth >= this.settings.level) parent = parent.parent;
  form = item.form = this.composer({
    parent: parent,
    to: item,
    text: parent === item ? '' : '@' + this.named(item.c.author) + ' ',
    done: () => {
      form.node.remove();
      item.form = null;
      self.focus(item.reply);
    },
  });
  item.slot.append(form.node);
  form.input.focus();
  this.fire('reply', {id: item.c.id});
};
