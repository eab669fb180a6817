/* The nodes of the panel that are always there: its head, the place of the conversation, the composer. */
import {MUTED} from './view.js';
import {stopEditing, submit, typed} from './writing.js';
import {el, icon} from '../../../web/lib/dom.js';
import {Promise} from '../../../web/lib/loader.js';

/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */
/** @typedef {ReturnType<typeof makeFrame>} Frame */

const CROSS = 'M5 5l10 10M15 5L5 15';
const SEND = 'M4 10h11M10 5l5 5-5 5';
const CLIP = 'M3 4.5h14v11H3zM3 13l4-4 4 4 2.5-2.5L17 14M13 7.6h.01';
const SMILE = 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM7.5 8h.01M12.5 8h.01M7 11.5a3.6 3.6 0 0 0 6 0';

/** @param {ChatPanel} w */
export function makeFrame(w) {
  const {core, t} = w;
  const press = (
    /** @type {string} */ spec,
    /** @type {string} */ path,
    /** @type {string} */ words,
    /** @type {() => void} */ onclick,
  ) => el('button.tool.' + spec, {onclick, 'aria-label': words, title: words}, icon(path));
  const close = () => core.toggle(false);
  const head = el('div.about');
  const sound = press('sound', MUTED, t('chatSoundOff'), () => w.duty.mute());
  const finish = el('button.quiet.finish', {onclick: () => w.endChat()}, t('chatEnd'));
  const notify = el(
    'button.quiet.notify',
    {
      hidden: true,
      onclick: () => {
        const bell = w.duty.bell();
        if (bell) bell.ask();
      },
    },
    t('chatNotify'),
  );
  const hello = el('div.hello');
  const older = el(
    'button.quiet.older',
    {onclick: () => w.late(() => import('./earlier.js')).then(one => one.earlier(w))},
    t('chatEarlier'),
  );
  const log = el('div.log', {role: 'log', 'aria-live': 'polite', 'aria-relevant': 'additions', tabindex: 0});
  const ask = el('div.ask');
  const scroll = el('div.scroll', null, hello, older, log, ask);
  const down = el('button.down', {onclick: () => w.bottom(), hidden: true});
  const status = el('div.status', {role: 'status'});
  const alert = el('div.alert', {role: 'alert'});
  const field = el('textarea.field', {
    rows: 1,
    dir: 'auto',
    'aria-label': t('chatWrite'),
    placeholder: t('chatWrite'),
    enterkeyhint: 'send',
    oninput: () => typed(w),
    onkeydown: event => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        submit(w);
      }
    },
  });
  const emoji = el('div.emoji', {hidden: true});
  const smile = press('smile', SMILE, t('emoji'), () =>
    w.late(() => import('./emoji.js')).then(one => one.toggleEmoji(w)),
  );
  smile.setAttribute('aria-expanded', 'false');
  const clip = press('clip', CLIP, t('addPictures'), () =>
    w.late(() => w.open().then(files => files || Promise.reject())).then(files => files.choose()),
  );
  clip.hidden = true;
  const staged = el('div.staged');
  const composer = el(
    'div.composer',
    null,
    smile,
    clip,
    field,
    press('send', SEND, t('chatSend'), () => submit(w)),
  );
  const node = el(
    'section.panel',
    {
      role: 'dialog',
      'aria-label': t('chatTitle'),
      hidden: true,
      part: 'panel',
      // Pictures can be pasted or dropped from then on.
      onfocusin: () => clip.hidden || w.open(),
      ondragenter: () => clip.hidden || w.open(),
      onkeydown: event => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        if (w.editing) stopEditing(w);
        else if (!emoji.hidden) smile.click();
        else close();
      },
    },
    el('div.head', null, head, sound, press('shut', CROSS, t('chatClose'), close)),
    scroll,
    down,
    status,
    alert,
    emoji,
    staged,
    composer,
    el('div.under', null, notify, finish),
  );
  return {
    node,
    head,
    sound,
    finish,
    hello,
    older,
    log,
    ask,
    scroll,
    down,
    status,
    alert,
    field,
    emoji,
    smile,
    composer,
    clip,
    staged,
    notify,
  };
}
