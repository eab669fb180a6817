/* Formatting for the composer, loaded when first asked for: Markdown marks around the selection, and some emoji. */
(Cackle => {
  'use strict';
  var el = Cackle.el, press = Cackle.press;
  var MARKS = [['B', '**', '**', 'Bold'], ['I', '*', '*', 'Italic'], ['S', '~~', '~~', 'Strikethrough'], ['<>', '`', '`', 'Code'],
    ['❝', '\n> ', '', 'Quote'], ['•', '\n- ', '', 'List'], ['🔗', '[', '](https://)', 'Link']];
  var EMOJI = ['🙂', '😀', '😂', '😍', '🤔', '👍', '🙏', '🎉', '🔥', '❤️'];
  Cackle.editor = (input, t, changed) => {
    function put(before, after) {
      var from = input.selectionStart, to = input.selectionEnd, value = input.value, chosen = value.slice(from, to);
      if (before[0] === '\n' && (!from || value[from - 1] === '\n')) before = before.slice(1);
      input.setRangeText(before + chosen + after, from, to, 'end');
      if (after) input.setSelectionRange(from + before.length, from + before.length + chosen.length);
      input.focus();
      changed();
    }
    return el('div.mc-editor', {role: 'toolbar', 'aria-label': t('format')}, MARKS.map(m => {
      return press('mc-mark', {title: m[3], 'aria-label': m[3], onclick: () => { put(m[1], m[2]); }}, m[0]);
    }), EMOJI.map(e => {
      return press('mc-mark', {'aria-label': e, onclick: () => { put(e, ''); }}, e);
    }));
  };
})(window.Cackle);
