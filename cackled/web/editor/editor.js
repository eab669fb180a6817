/* Formatting for the composer, loaded when first asked for: Markdown marks around the selection, and some emoji. */
(Cackle => {
  'use strict';
  var el = Cackle.el, press = Cackle.press;
  // Sign, what goes before and after the selection, element that shows it; their names are in `marks` of the locales.
  var MARKS = [['B', '**', '**', 'b'], ['I', '*', '*', 'i'], ['S', '~~', '~~', 's'], ['<>', '`', '`', 'span'],
    ['❝', '\n> ', '', 'span'], ['•', '\n- ', '', 'span'], ['[ ]', '[', '](https://)', 'span']];
  var EMOJI = ['🙂', '😀', '😂', '😍', '🤔', '👍', '🙏', '🎉', '🔥', '❤️'];
  Cackle.editor = (input, t, changed) => {
    var names = t('marks').split('|');
    function put(before, after) {
      var from = input.selectionStart, to = input.selectionEnd, value = input.value, chosen = value.slice(from, to);
      if (before[0] === '\n' && (!from || value[from - 1] === '\n')) before = before.slice(1);
      input.setRangeText(before + chosen + after, from, to, 'end');
      if (after) input.setSelectionRange(from + before.length, from + before.length + chosen.length);
      input.focus();
      changed();
    }
    return el('div.mc-editor', {role: 'toolbar', 'aria-label': t('format')},
      MARKS.map((m, i) => press('mc-mark', {title: names[i], 'aria-label': names[i], onclick: () => { put(m[1], m[2]); }}, el(m[3], null, m[0]))),
      EMOJI.map(e => press('mc-mark', {'aria-label': e, onclick: () => { put(e, ''); }}, e)));
  };
})(window.Cackle);
