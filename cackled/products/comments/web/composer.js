/* Writing: the box, drafts that survive a reload and a failure, sending that shows the comment at once. */
// @ts-nocheck
import {Comments} from './widget.js';
import {el, icon, press} from '../../../web/lib/dom.js';
import {Promise, loader} from '../../../web/lib/loader.js';
import {save} from '../../../web/lib/storage.js';
import {uid} from '../../../web/lib/values.js';

const P = Comments.prototype;

/* {parent: item, to: item} a reply (`to`: whom it answers, where that is deeper than replies may hang), {edit: item, text, send, done}
   an edit, {} the main box. -> {node, input, set(text)} */
P.composer = function (how) {
  const self = this,
    t = this.t,
    max = this.settings.max_length || 8000,
    parent = how.parent && how.parent.c,
    about = how.edit || how.to;
  let draft = [how.edit ? 'edit' : 'draft', this.site, this.key, about ? about.c.id : ''].join(':'),
    saving = 0,
    busy = false;
  const label = parent ? t('replyTo', {name: this.named(how.to.c.author)}) : how.edit ? t('edit') : t('join');
  if (this.reading) return {node: el('div.mc-empty', null, t('readonly'))};
  if (this.channel.locked && !how.edit) return {node: el('div.mc-empty', null, t('closed'))};
  const person = this.session.person();
  if (this.mute())
    return {node: el('div.mc-empty.mc-invite', null, el('div', null, t('toWrite')), this.signButton(true))};
  const input = el('textarea.mc-input', {
    rows: 1,
    placeholder: label,
    'aria-label': label,
    dir: 'auto',
    name: 'mc-text',
    oninput: typed,
    onkeydown: keys,
  });
  var name = el('input.mc-nick', {
    type: 'text',
    placeholder: t('name'),
    'aria-label': t('name'),
    autocomplete: 'nickname',
    maxlength: 50,
    dir: 'auto',
    name: 'mc-name',
    onkeydown: keys,
    oninput: () => {
      self.session.set('name', name.value.trim());
      self.sign(name.value, name);
    },
  });
  const left = el('span.mc-left', {'aria-live': 'polite'}),
    error = el('div.mc-error', {role: 'alert'});
  const submit = el('button.mc-formbtn', {disabled: true}, t(how.edit ? 'save' : parent ? 'reply' : 'post'));
  const foot = el(
    'div.mc-foot',
    null,
    el(
      'span.mc-tools',
      {role: 'toolbar', 'aria-label': t('format')},
      tool('bar', 'format'),
      tool('emoji', 'emoji'),
      tool('preview', 'preview'),
    ),
    left,
    (parent || how.edit) && press('mc-act.mc-cancel', {onclick: done}, t('cancel')),
    submit,
  );
  const box = el('div.mc-box', null, !how.edit && el('div.mc-who', null, who()), input, foot);
  const node = el('form.mc-form', {onsubmit: send, onfocusin: open, novalidate: true}, box, error);
  /* Who writes: a person, or a guest's name and the way to sign in. */
  function who() {
    if (!person) return [name, self.maySign() && self.signButton()];
    return el(
      'div.mc-person',
      null,
      self.avatar(person),
      el('span.mc-name', {dir: 'auto'}, person.name),
      press('mc-act', {onclick: () => self.signOut()}, t('signOut')),
    );
  }
  name.site = this.site;
  name.value = loader.text(this.session.get('name'));
  node.keep = () => {
    if (saving) keep();
  };
  const kept = loader.load(draft);
  set((typeof kept === 'string' && kept) || how.text || '');
  if (parent || how.edit) node.classList.add('mc-open');

  function open() {
    node.classList.add('mc-open');
  }
  function set(text) {
    input.value = text;
    if (text) node.classList.add('mc-open');
    requestAnimationFrame(grow);
    count();
  }
  function grow() {
    if (window.CSS && CSS.supports('field-sizing', 'content')) return;
    input.style.height = 'auto';
    input.style.height = input.scrollHeight + 2 + 'px';
  }
  function count() {
    const length = [...input.value.trim()].length,
      rest = max - length;
    submit.disabled = !length || rest < 0 || busy;
    left.textContent = rest > Math.min(200, max / 5) ? '' : rest < 0 ? t('over', {n: -rest}) : t('left', {n: rest});
    left.classList.toggle('mc-bad', rest < 0);
  }
  function typed() {
    grow();
    count();
    error.textContent = '';
    clearTimeout(saving);
    saving = setTimeout(keep, 250);
    if (!input.value) return;
    // The session is there when the words are written; who only looks in needs none.
    if (!self.warm)
      self.warm = self.session.open().catch(() => {
        self.warm = null;
      });
    if (!how.edit && self.tell) self.tell(name.value.trim());
  }
  function changed() {
    return input.value !== (how.text || '');
  }
  function keep() {
    clearTimeout(saving);
    saving = 0;
    save(draft, (changed() && input.value) || null);
  }
  function keys(event) {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (!submit.disabled) send();
    } else if (event.key === 'Escape' && !event.isComposing) {
      event.stopPropagation();
      if (parent || how.edit) done();
      else {
        input.blur();
        name.blur();
        if (!input.value) node.classList.remove('mc-open');
      }
    }
  }
  function done() {
    keep();
    if (changed() && input.value) self.notice(t('kept'));
    if (how.done) how.done();
  }
  /* A button that opens a part of the editor, and shuts it. */
  function tool(kind, word) {
    var button = press(
      'mc-act.mc-tool',
      {
        'aria-label': t(word),
        title: t(word),
        'aria-expanded': 'false',
        onclick: () => {
          import('../../../web/editor/editor.js').then(
            editor => {
              editor.openEditorPart(kind, {
                input: input,
                foot: foot,
                button: button,
                t: t,
                api: (...what) => self.api(...what),
              });
            },
            () => {
              error.textContent = t('network');
            },
          );
        },
      },
      icon(kind),
    );
    return button;
  }
  function send(event) {
    if (event) event.preventDefault();
    if (submit.disabled || busy) return;
    error.textContent = '';
    busy = true;
    count();
    if (how.edit) {
      how
        .send(input.value.trim())
        .then(() => {
          clearTimeout(saving);
          saving = 0;
          save(draft, null);
        })
        .catch(e => {
          error.textContent = how.why(e);
        })
        .finally(() => {
          busy = false;
          count();
        });
      return;
    }
    keep();
    // Who it is decides the colour of the face: mostly known by now, and not worth a longer wait.
    Promise.race([
      self.session.visitor() || self.session.open().catch(() => {}),
      new Promise(go => {
        setTimeout(go, 500);
      }),
    ])
      .then(() =>
        self.later(() => {
          const text = input.value.trim(),
            who = person ? person.name : name.value.trim();
          const entry = {
            key: uid(),
            parent: parent ? parent.id : null,
            to: about && about.c.id,
            text: text,
            name: who || 'Guest',
            at: Date.now(),
            draft: draft,
          };
          clearTimeout(saving);
          saving = 0;
          busy = false;
          if (!text) return;
          // The draft stays stored until the server has acknowledged it.
          save(draft, text);
          if (!person) self.session.set('name', who);
          self.fire('submit', {text: text, parent: entry.parent});
          input.value = '';
          count();
          grow();
          if (how.done) how.done();
          self.send(entry, true, node);
          node.querySelectorAll('.mc-tool[aria-expanded=true]').forEach(button => {
            button.click();
          });
          if (!parent) {
            node.classList.remove('mc-open');
            input.blur();
          }
        }),
      )
      .finally(() => {
        busy = false;
        count();
      });
  }
  return {node: node, input: input, set: set};
};

/* The visitor's name in all forms of the page but one. */
P.sign = function (name, but) {
  document.querySelectorAll('.mc-nick').forEach(input => {
    if (input !== but && input.site === this.site) input.value = name;
  });
};
/* The page may go: what was typed last is stored, what was taken away is sent. */
P.keep = function () {
  this.node.querySelectorAll('.mc-form').forEach(form => {
    if (form.keep) form.keep();
  });
  this.items.forEach(item => {
    if (item.going) this.finish(item, true);
  });
};
