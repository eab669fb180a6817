/* The box once somebody may write in it: who writes, the tools, what is left, the draft, and the way to a comment that
   stands there at once. The first render has made the field itself, see composer.js. */
import {makeAlbum} from './album.js';
import {shellOf} from './composer.js';
import {avatarOf} from './face.js';
import {maySign, notice, signButton, whenReady} from './widget.js';
import {peopleHere, typeset} from './wording.js';
import {Named} from '../../../web/editor/named.js';
import {el, icon, press} from '../../../web/lib/dom.js';
import {Draft} from '../../../web/lib/drafts.js';
import {safeHtml} from '../../../web/lib/html.js';
import {loader, Promise} from '../../../web/lib/loader.js';
import {isOff, uid} from '../../../web/lib/values.js';

/** @typedef {import('./composer.js').Composer} Composer */
/** @typedef {import('./composer.js').Purpose} Purpose */
/** @typedef {import('./widget.js').Comments} Comments */

const BAR = 'M2 15L6.5 4 11 15M3.6 11h5.8M18 8.5V15M18 11.7a2.6 3.2 0 1 1-5.2 0a2.6 3.2 0 1 1 5.2 0';
const EMOJI = 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM7 12c1.5 2 4.5 2 6 0M7.6 8h.01M12.4 8h.01';
const PREVIEW = 'M2 10c4-6.5 12-6.5 16 0-4 6.5-12 6.5-16 0zM10 7.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z';

/**
 * A box that is whole from the start: of a reply, or of an edit.
 * @param {Comments} w
 * @param {Purpose} how
 * @returns {Composer}
 */
export function makeComposer(w, how) {
  const made = shellOf(w, how);
  dress(w, made, how);
  return made;
}

/**
 * Another main box: what may be written has changed.
 * @param {Comments} w
 */
export function replaceComposer(w) {
  const {node} = /** @type {Composer} */ (w.main);
  w.main = makeComposer(w, {});
  node.replaceWith(w.main.node);
}

/**
 * Puts into a box what its first render left out; what was typed meanwhile stays.
 * @param {Comments} w
 * @param {Composer} made
 * @param {Purpose} how
 */
export function dress(w, made, how) {
  const {t} = w;
  const {node, box, input} = made;
  if (!input || !box || made.send) return;
  const max = w.settings.max_length || 8000;
  const parent = how.parent && how.parent.c;
  const about = how.edit || how.to;
  const named = new Named();
  const before = new Named().shown(how.text || '');
  const person = w.session.person();
  const o = /** @type {any} */ (w.o);
  // What the page wants agreed to before somebody's first words.
  const terms = !how.edit && o.agreement && !isOff(o.agreement) && !w.session.get('agreed');
  const agree = el('input.mc-tick', {type: 'checkbox', onchange: () => count()});
  let busy = false;
  let mentions = false;
  /** @type {Promise<unknown> | null} */
  let nets = null;

  const name = el('input.mc-nick', {
    type: 'text',
    placeholder: t('name'),
    'aria-label': t('name'),
    autocomplete: 'nickname',
    maxlength: 50,
    dir: 'auto',
    name: 'mc-name',
    onkeydown: keys,
    oninput: () => {
      w.session.set('name', name.value.trim());
      signForms(w, name.value, name);
    },
  });
  const left = el('span.mc-left', {'aria-live': 'polite'});
  const error = el('div.mc-error', {role: 'alert'});
  const submit = el('button.mc-formbtn', {disabled: true}, t(how.edit ? 'save' : parent ? 'reply' : 'post'));
  const foot = el(
    'div.mc-foot',
    null,
    el(
      'span.mc-tools',
      {role: 'toolbar', 'aria-label': t('format')},
      tool('bar', t('format'), BAR),
      tool('emoji', t('emoji'), EMOJI),
      tool('preview', t('preview'), PREVIEW),
    ),
    left,
    (parent || how.edit) && press('mc-act.mc-cancel', {onclick: done}, t('cancel')),
    submit,
  );
  const changed = () => input.value !== before;
  const draft = new Draft(draftKey(w, how), () => (changed() ? named.sent(input.value) : ''));
  /** @type {any} */ (name).site = w.site;
  name.value = loader.text(w.session.get('name'));
  /** @type {any} */ (node).keep = () => draft.flush();
  if (!how.edit) box.prepend(el('div.mc-who', null, who()));
  box.append(foot);
  const album = w.settings.pictures
    ? makeAlbum(w, node, foot, draftKey(w, how) + ':pictures', how.pictures || [], pictured)
    : null;
  if (album) {
    /** @type {HTMLElement} */ (foot.firstChild).append(album.button);
    made.add = album.add;
    if (w.settings.gifs) /** @type {HTMLElement} */ (foot.firstChild).append(gifs(album));
  }
  if (terms) {
    const words = el('span', null, safeHtml(loader.text(o.agreement) || t('agree')));
    box.append(el('label.mc-choice.mc-agree', null, agree, words));
  }
  node.append(error);
  node.addEventListener('submit', send);
  node.addEventListener('focusin', offer);
  if (node.contains(document.activeElement)) offer();
  input.addEventListener('input', typed);
  input.addEventListener('paste', paste);
  made.keys = keys;
  made.send = send;
  made.set = set;
  if (input.value) typed();
  else set(draft.stored || how.text || '');
  if (parent || how.edit) open();

  /** Who writes: a person, or a guest's name and the way to sign in. */
  function who() {
    if (!person) {
      const ways = maySign(w) && signButton(w);
      return isOff(o.guestFirst) ? [ways, name] : [name, ways];
    }
    return el(
      'div.mc-person',
      null,
      avatarOf(person),
      own(),
      press('mc-act', {onclick: () => whenReady(w, later => later.signOut(w))}, t('signOut')),
    );
  }
  /** The name opens one's own card. */
  function own() {
    if (!person) return null;
    const onclick = () => whenReady(w, later => later.showProfile(w, name, {...person, id: w.session.visitor()}));
    /** @type {HTMLElement} */
    const name = press(
      'mc-author',
      {'aria-haspopup': 'dialog', onclick},
      el('span.mc-name', {dir: 'auto'}, person.name),
    );
    return el('span.mc-who-wrote', null, name);
  }
  function open() {
    node.classList.add('mc-open');
    offer();
  }
  /** The networks that it can be shared on, once somebody is going to write. */
  function offer() {
    if (!w.settings.sharing || how.edit || nets) return;
    // Without them it can be written all the same.
    nets = import('./networks.js')
      .then(({offerNetworks}) => offerNetworks(w, foot))
      .then(boxes => (made.nets = boxes.chosen))
      .catch(() => {
        nets = null;
      });
  }
  /** @param {string} text */
  function set(text) {
    input.value = named.shown(text);
    if (text) open();
    requestAnimationFrame(grow);
    count();
  }
  function grow() {
    if (window.CSS && CSS.supports('field-sizing', 'content')) return;
    input.style.height = 'auto';
    input.style.height = input.scrollHeight + 2 + 'px';
  }
  function count() {
    const length = [...named.sent(input.value.trim())].length;
    const rest = max - length;
    const waits = !!(album && album.unsettled()) || (terms && !agree.checked && !w.session.get('agreed'));
    submit.disabled = !(length || pictures()) || rest < 0 || busy || waits;
    left.textContent = rest > Math.min(200, max / 5) ? '' : rest < 0 ? t('over', {n: -rest}) : t('left', {n: rest});
    left.classList.toggle('mc-bad', rest < 0);
  }
  /** How many pictures there are: they need no words. */
  function pictures() {
    return album ? album.kept().length : 0;
  }
  function pictured() {
    open();
    count();
  }
  function typed() {
    grow();
    count();
    error.textContent = '';
    draft.touch();
    if (!input.value) return;
    mention();
    // The session is there when the words are written; who only looks in needs none.
    w.warm =
      w.warm ||
      w.session.open().catch(() => {
        w.warm = null;
      });
    if (!how.edit && w.later) w.later.tellTyping(w, name.value.trim());
  }
  /**
   * What has looks becomes Markdown.
   * @param {ClipboardEvent} event
   */
  function paste(event) {
    const data = event.clipboardData;
    const html = data ? data.getData('text/html') : '';
    const plain = data ? data.getData('text/plain') : '';
    if (!/<(a|b|strong|i|em|s|del|ul|ol|blockquote|pre|code|h\d)\b/i.test(html)) return;
    event.preventDefault();
    import('../../../web/editor/paste.js').then(
      pasting => pasting.insert(input, pasting.toMarkdown(html) || plain),
      () => {
        input.setRangeText(plain, input.selectionStart, input.selectionEnd, 'end');
        typed();
      },
    );
  }
  /** The first @ brings names to choose from. */
  function mention() {
    if (mentions || !input.value.slice(0, input.selectionStart).endsWith('@')) return;
    mentions = true;
    import('../../../web/editor/mentions.js').then(
      ({completeMentions}) =>
        completeMentions({
          input,
          foot,
          label: t('people'),
          here: () => peopleHere(w),
          ask: start =>
            w
              .api('GET', '/mentions?' + new URLSearchParams({channel: w.key, q: start}), {mine: true})
              .then(answer => answer.people),
          face: avatarOf,
          chosen: (person, text) => named.add(person, text),
        }),
      () => {
        mentions = false;
      },
    );
  }
  /** @param {KeyboardEvent} event */
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
    draft.keep();
    if (changed() && input.value) notice(w, t('kept'));
    if (how.done) how.done();
  }
  /**
   * A button that opens a part of the editor, and shuts it.
   * @param {'bar' | 'emoji' | 'preview'} kind
   * @param {string} words
   * @param {string} path
   */
  function tool(kind, words, path) {
    /** @type {HTMLElement} */
    const button = press(
      'mc-act.mc-tool',
      {
        'aria-label': words,
        title: words,
        'aria-expanded': 'false',
        onclick: () => {
          import('../../../web/editor/editor.js').then(
            editor =>
              editor.openEditorPart(kind, {
                input,
                foot,
                button,
                t,
                api: (method, path, options) => w.api(method, path, options),
                shown: text => typeset(w, text),
              }),
            () => {
              error.textContent = t('network');
            },
          );
        },
      },
      icon(path),
    );
    return button;
  }
  /**
   * The button of the search for GIFs.
   * @param {ReturnType<typeof makeAlbum>} album
   */
  function gifs(album) {
    /** @type {HTMLElement} */
    const button = press(
      'mc-act.mc-tool.mc-addgif',
      {
        'aria-label': t('gifs'),
        title: t('gifs'),
        'aria-expanded': 'false',
        onclick: () =>
          import('./gifs.js').then(
            ({openGifs}) => openGifs(w, {foot, button, take: picture => album.add([picture])}),
            () => {
              error.textContent = t('network');
            },
          ),
      },
      'GIF',
    );
    return button;
  }
  function free() {
    busy = false;
    count();
  }
  /** @param {Event} [event] */
  function send(event) {
    if (event) event.preventDefault();
    if (submit.disabled || busy) return;
    error.textContent = '';
    busy = true;
    count();
    const {send: change, why} = how;
    if (change && why) {
      change(named.sent(input.value.trim()), album ? album.kept().map(one => one.id) : undefined)
        .then(
          () => {
            draft.drop();
            if (album) album.clear();
          },
          e => {
            error.textContent = why(e);
          },
        )
        .finally(free);
      return;
    }
    draft.keep();
    // Who it is decides the colour of the face: mostly known by now, and not worth a longer wait.
    Promise.race([w.session.visitor() || w.session.open().catch(() => {}), new Promise(go => setTimeout(go, 500))])
      .then(() => whenReady(w, post))
      .finally(free);
  }
  /** @param {typeof import('./later.js')} later */
  function post(later) {
    const text = named.sent(input.value.trim());
    const called = person ? person.name : name.value.trim();
    draft.stop();
    busy = false;
    if (!text && !pictures()) return;
    const entry = {
      key: uid(),
      parent: parent ? parent.id : null,
      to: about && about.c.id,
      text,
      name: called || 'Guest',
      at: Date.now(),
      draft: draft.key,
      media: album && pictures() ? album.kept() : undefined,
      share: made.nets && made.nets().length ? made.nets() : undefined,
    };
    draft.send(text);
    if (album) album.clear();
    if (!person) w.session.set('name', called);
    if (terms) {
      w.session.set('agreed', 1);
      w.node.querySelectorAll('.mc-agree').forEach(one => one.remove());
    }
    w.fire('submit', {text, parent: entry.parent});
    input.value = '';
    count();
    grow();
    if (how.done) how.done();
    later.sendEntry(w, entry, true, node);
    node
      .querySelectorAll('.mc-tool[aria-expanded=true]')
      .forEach(button => /** @type {HTMLElement} */ (button).click());
    if (!parent) {
      node.classList.remove('mc-open');
      input.blur();
    }
  }
}

/**
 * Under which name what is written in a box is stored.
 * @param {Comments} w
 * @param {Purpose} how
 */
function draftKey(w, how) {
  const about = how.edit || how.to;
  return [how.edit ? 'edit' : 'draft', w.site, w.key, about ? about.c.id : ''].join(':');
}

/**
 * The visitor's name in all forms of the page but one.
 * @param {Comments} w
 * @param {string} name
 * @param {unknown} but
 */
export function signForms(w, name, but) {
  document.querySelectorAll('.mc-nick').forEach(node => {
    const input = /** @type {any} */ (node);
    if (input !== but && input.site === w.site) input.value = name;
  });
}
