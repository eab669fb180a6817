/* Writing: the box, drafts that survive a reload and a failure, sending that shows the comment at once. */
(function (Cackle) {
  'use strict';
  var el = Cackle.el, press = Cackle.press, P = Cackle.Comments.prototype;

  /* {parent: item} a reply, {edit: item, text, send, done} an edit, {} the main box. -> {node, input, set(text)} */
  P.composer = function (how) {
    var self = this, t = this.t, max = this.settings.max_length || 8000, parent = how.parent && how.parent.c;
    var draft = how.edit ? '' : ['draft', this.site, this.key, parent ? parent.id : ''].join(':'), saving, busy = false;
    var label = parent ? t('replyTo', {name: (how.to || how.parent).c.author.name || t('guest')}) : how.edit ? t('edit') : t('join');
    if (this.channel.locked && !how.edit) return {node: el('div.mc-empty', null, t('closed'))};
    var input = el('textarea.mc-input', {rows: 1, placeholder: label, 'aria-label': label, dir: 'auto', name: 'mc-text', oninput: typed, onkeydown: keys});
    var name = el('input.mc-nick', {type: 'text', placeholder: t('name'), 'aria-label': t('name'), autocomplete: 'nickname', maxlength: 50, dir: 'auto', name: 'mc-name', onkeydown: keys,
      onchange: () => { self.session.set('name', name.value.trim()); }});
    var left = el('span.mc-left', {'aria-live': 'polite'}), error = el('div.mc-error', {role: 'alert'});
    var submit = el('button.mc-formbtn', {disabled: true}, t(how.edit ? 'save' : parent ? 'reply' : 'post'));
    var tool = press('mc-act.mc-tool', {'aria-label': t('format'), title: t('format'), onclick: tools}, 'Aa');
    var box = el('div.mc-box', null, input, el('div.mc-foot', null, !how.edit && name, tool, left,
      (parent || how.edit) && press('mc-act.mc-cancel', {onclick: done}, t('cancel')), submit));
    var node = el('form.mc-form', {onsubmit: send, onfocusin: open, novalidate: true}, box, error);
    submit.type = 'submit';
    name.value = this.session.get('name') || '';
    set(how.text != null ? how.text : draft && Cackle.load(draft) || '');
    if (parent || how.edit) node.classList.add('mc-open');

    function open() {
      if (node.classList.contains('mc-open') && self.warm) return;
      node.classList.add('mc-open');
      // The session is there when the first words are written.
      self.warm = true;
      self.session.open().catch(() => {});
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
      var length = Array.from(input.value.trim()).length, rest = max - length;
      submit.disabled = !length || rest < 0 || busy;
      left.textContent = rest > Math.min(200, max / 5) ? '' : rest < 0 ? t('over', {n: -rest}) : t('left', {n: rest});
      left.classList.toggle('mc-bad', rest < 0);
    }
    function typed() {
      grow();
      count();
      error.textContent = '';
      clearTimeout(saving);
      if (draft) saving = setTimeout(keep, 250);
      if (!how.edit && input.value && self.tell) self.tell(name.value.trim());
    }
    function keep() { Cackle.save(draft, input.value || null); }
    function keys(event) {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) { event.preventDefault(); if (!submit.disabled) send(); }
      else if (event.key === 'Escape' && !event.isComposing) {
        event.stopPropagation();
        if (parent || how.edit) done();
        else { input.blur(); name.blur(); if (!input.value) node.classList.remove('mc-open'); }
      }
    }
    function done() {
      if (draft) keep();
      if (how.done) how.done();
    }
    function tools() {
      Cackle.lazy('editor.js').then(() => {
        if (node.editor) { node.editor.remove(); node.editor = null; } else node.editor = Cackle.editor(input, t, typed);
        if (node.editor) box.insertBefore(node.editor, input.nextSibling);
        tool.setAttribute('aria-expanded', '' + !!node.editor);
        input.focus();
      }, () => { error.textContent = t('network'); });
    }
    function send(event) {
      var text = input.value.trim();
      if (event) event.preventDefault();
      if (submit.disabled || !text) return;
      error.textContent = '';
      if (how.edit) {
        busy = true;
        count();
        how.send(text).catch(e => { error.textContent = Cackle.reason(t, e); }).finally(() => { busy = false; count(); });
        return;
      }
      clearTimeout(saving);
      // The draft stays stored until the server has acknowledged it.
      Cackle.save(draft, text);
      self.session.set('name', name.value.trim());
      var entry = {key: Cackle.uid(), parent: parent ? parent.id : null, text: text, name: name.value.trim() || t('guest'), at: Date.now(), draft: draft};
      busy = true;
      count();
      self.later(() => {
        busy = false;
        self.fire('submit', {text: text, parent: entry.parent});
        input.value = '';
        count();
        grow();
        if (how.done) how.done();
        self.send(entry, true);
        if (!parent) { node.classList.remove('mc-open'); input.blur(); }
      }).finally(() => { busy = false; count(); });
    }
    return {node: node, input: input, set: set};
  };

  P.reply = function (item) {
    var self = this, form, parent = item;
    if (item.form) return item.form.input.focus();
    // Deeper than the site allows: an answer beside the comment, that names whom it answers.
    while (parent.parent && parent.depth >= this.settings.level) parent = parent.parent;
    form = item.form = this.composer({parent: parent, to: item, text: parent === item ? null : '@' + item.c.author.name + ' ', done: () => {
      form.node.remove();
      item.form = null;
      self.focus(item.reply);
    }});
    item.slot.append(form.node);
    form.input.focus();
    this.fire('reply', {id: item.c.id});
  };

})(window.Cackle);
