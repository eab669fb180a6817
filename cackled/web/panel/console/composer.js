// Where an operator writes: replies and notes, canned ones by a slash, colleagues by an at sign, pictures.
import {html, useEffect, useId, useLayoutEffect, useRef, useState} from '../libraries.js';
import {complain} from '../toasts.js';
import {naming} from './parts.js';
import {t} from '../words.js';
import {fill, fitting, slash} from './canned.js';
import {Chosen, filesOf} from './files.js';
import {holder} from './kinds.js';
import {fittingMacros, runMacro, told} from './macros.js';
import {Bar} from './parts.js';
import {translationsOf} from './translate.js';
import {Draft} from './translate_view.js';

const EMOJI = '😀 😊 🙂 😉 😍 🤝 👍 👌 🙏 👋 🎉 ❤️ 😅 🤔 😕 😢 😮 ✅ ❌ ⚠️ 📦 🚚 💳 📞'.split(' ');

/** A name that begins behind an at sign before the caret. @param {string} text @param {number} caret */
function mention(text, caret) {
  const found = /(?:^|\s)@([\p{L}\p{N}._-]{0,40})$/u.exec(text.slice(0, caret));
  return found ? {from: caret - found[1].length - 1, word: found[1].toLowerCase()} : null;
}

/**
 * @param {{work: import('./work.js').Work, talk: import('./talk.js').Talk, deeds: any, mine: any}} props
 */
export function Composer({work, talk, deeds, mine}) {
  const mode = talk.mode.value;
  const text = talk.drafts[mode].value;
  const chat = /** @type {import('./kinds.js').Chat} */ (talk.chat.value);
  const held = holder(chat);
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const picker = useRef(/** @type {HTMLInputElement | null} */ (null));
  const list = filesOf(work.site, talk);
  const words = translationsOf(work, talk);
  const [caret, setCaret] = useState(0);
  const [at, setAt] = useState(0);
  const [shut, setShut] = useState('');
  const [emoji, setEmoji] = useState(false);
  const [busy, setBusy] = useState(false);
  const id = useId();
  useLayoutEffect(() => {
    const node = area.current;
    if (!node) return;
    node.style.height = 'auto';
    node.style.height = `${Math.min(220, node.scrollHeight + 2)}px`;
  }, [text, mode]);
  // On a phone the keyboard would cover what was opened to be read.
  useEffect(() => {
    if (matchMedia('(pointer: fine)').matches) area.current?.focus({preventScroll: true});
  }, [mode]);

  const word = mode === 'reply' ? slash(text, caret) : null;
  const called = mode === 'note' ? mention(text, caret) : null;
  const key = word ? `/${word.from}${word.word}` : called ? `@${called.from}${called.word}` : '';
  const department = typeof chat.department === 'object' ? chat.department?.id : chat.department;
  /** @type {{id: string, head: string, text: string, mark?: string, take: () => void}[]} */
  const offers =
    key === shut
      ? []
      : word
        ? [
            ...fitting(work.replies.value, word.word, {language: chat.visitor?.language, department}).map(one => ({
              id: one.id,
              head: `/${one.short.replace(/^\//, '')}`,
              text: one.text,
              mark: one.language ? naming('language', one.language) : '',
              take: () => {
                put(word.from, fill(one.text, work.facts(talk)));
                work.used(one.id);
              },
            })),
            ...fittingMacros(work.macros.value, word.word, department).map(one => ({
              id: `macro-${one.id}`,
              head: one.name,
              text: one.steps.map(step => told(step, work)).join(' · '),
              mark: t('chat.macro'),
              take: () => {
                put(word.from, '');
                runMacro(work, talk, one);
              },
            })),
          ]
        : called
          ? work.desk.colleagues.value
              .filter(one => String(one.name).toLowerCase().includes(called.word) && String(one.id) !== work.person.id)
              .slice(0, 8)
              .map(one => ({
                id: String(one.id),
                head: `@${one.name}`,
                text: '',
                take: () => put(called.from, `@${one.name} `),
              }))
          : [];
  const chosen = Math.min(at, Math.max(0, offers.length - 1));

  /** Replace what stands from *from* to the caret. @param {number} from @param {string} words */
  function put(from, words) {
    const now = text.slice(0, from) + words + text.slice(caret);
    talk.write(now);
    const end = from + words.length;
    setCaret(end);
    setAt(0);
    setTimeout(() => {
      area.current?.focus();
      area.current?.setSelectionRange(end, end);
    });
  }

  const typed = (/** @type {any} */ event) => {
    if (event.currentTarget.value && chat.state === 'open') talk.typing();
    talk.write(event.currentTarget.value);
    setCaret(event.currentTarget.selectionStart);
    setAt(0);
    setShut('');
  };
  const files = mode === 'reply' ? talk.files.value : [];
  const able = (text.trim() || files.length > 0) && !files.some(one => one.state !== 'done') && !busy;
  const take = (/** @type {File[]} */ chosen) => {
    if (chosen.length) list.add(chosen);
  };
  /** Whether a reply is looked at in the visitor's language first. */
  const foreign = mode === 'reply' && work.desk.translate.value && words.foreign.value && !!text.trim();
  /** @param {'' | 'plain' | 'translated'} [how] @returns {Promise<any>} */
  const send = async (how = '') => {
    if (!able) return;
    const draft = words.draft.peek();
    if (!how && foreign) {
      // What is shown beside the reply is what is sent.
      const state = draft?.of === text ? draft.state : '';
      if (state === 'done') return send('translated');
      if (words.all.value) return state === 'asked' ? undefined : words.write(text);
    }
    const written = text.trim();
    const original =
      how === 'translated' && draft ? {text: written, language: words.language.peek(), to: draft.language} : undefined;
    if (mode === 'note') {
      setBusy(true);
      try {
        const made = await work.calls.deed(talk.id, 'note', {text: written});
        talk.write('');
        if (made?.message) talk.put([made.message], made.seq ?? 0);
        else talk.catchUp();
      } catch (error) {
        complain(error);
      } finally {
        setBusy(false);
      }
      return;
    }
    if (chat.state === 'waiting') {
      // A second Enter meanwhile sends nothing twice.
      setBusy(true);
      const taken = await deeds.take();
      setBusy(false);
      if (!taken) return;
    }
    talk.write('');
    const kept = files.map(one => one.kept);
    list.clear();
    words.draft.value = null;
    await talk.send(original ? /** @type {any} */ (draft).text.trim() : written, {files: kept, original});
  };
  const keys = (/** @type {KeyboardEvent} */ event) => {
    if (event.isComposing) return;
    if (offers.length) {
      const moves = /** @type {Record<string, number>} */ ({ArrowDown: 1, ArrowUp: -1});
      if (event.key in moves) setAt((chosen + moves[event.key] + offers.length) % offers.length);
      else if (event.key === 'Enter' || event.key === 'Tab') offers[chosen].take();
      else if (event.key === 'Escape') setShut(key);
      else return;
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      send();
    } else if (event.key === 'Escape') area.current?.blur();
  };
  const moved = (/** @type {any} */ event) => setCaret(event.currentTarget.selectionStart);
  const closed = chat.state === 'closed';
  if (closed && mode === 'reply')
    return html`<footer class="composer">
      <${Bar}
        >${t('chat.is_closed')}
        <button type="button" class="link" onClick=${deeds.reopen}>${t('chat.do.reopen')}</button>
        <button type="button" class="link" onClick=${() => (talk.mode.value = 'note')}>${t('chat.note')}</button><//
      >
      ${text && html`<p class="muted">${t('chat.yours')} ${text}</p>`}
    </footer>`;
  return html`<footer
    class=${`composer ${mode}`}
    onDragOver=${(/** @type {DragEvent} */ event) => mode === 'reply' && event.dataTransfer?.types.includes('Files') && event.preventDefault()}
    onDrop=${(/** @type {DragEvent} */ event) => {
      if (mode !== 'reply' || !event.dataTransfer?.files.length) return;
      event.preventDefault();
      take([...event.dataTransfer.files]);
    }}
  >
    <div class="modes" role="group" aria-label=${t('chat.mode')}>
      <button
        type="button"
        aria-pressed=${mode === 'reply'}
        disabled=${closed}
        onClick=${() => (talk.mode.value = 'reply')}
      >
        ${t('chat.reply')} <kbd>r</kbd>
      </button>
      <button type="button" aria-pressed=${mode === 'note'} onClick=${() => (talk.mode.value = 'note')}>
        ${t('chat.note')} <kbd>n</kbd>
      </button>
      <span class="muted"
        >${mode === 'note' ? t('chat.note.hint') : held && !mine ? t('chat.has', {name: held.name || t('somebody')}) : ''}</span
      >
    </div>
    ${
      offers.length > 0 &&
      html`<ul
        class="offers"
        role="listbox"
        id=${`${id}-offers`}
        aria-label=${word ? t('chat.canned') : t('chat.colleagues')}
      >
        ${offers.map(
          (one, n) =>
            html`<li
              key=${one.id}
              id=${`${id}-${n}`}
              role="option"
              aria-selected=${n === chosen}
              onMouseDown=${(/** @type {Event} */ event) => event.preventDefault()}
              onClick=${one.take}
            >
              <strong><bdi>${one.head}</bdi></strong> ${one.mark && html`<span class="mark">${one.mark}</span>`}
              <span class="muted words" dir="auto">${one.text}</span>
            </li>`,
        )}
      </ul>`
    }
    <textarea
      ref=${area}
      rows="2"
      maxlength="10000"
      dir="auto"
      role=${offers.length ? 'combobox' : null}
      aria-label=${mode === 'note' ? t('chat.note') : t('chat.reply')}
      aria-controls=${offers.length ? `${id}-offers` : null}
      aria-expanded=${offers.length ? 'true' : null}
      aria-autocomplete=${offers.length ? 'list' : null}
      aria-activedescendant=${offers.length ? `${id}-${chosen}` : null}
      placeholder=${mode === 'note' ? t('chat.note.placeholder') : t('chat.reply.placeholder')}
      value=${text}
      onInput=${typed}
      onKeyUp=${moved}
      onClick=${moved}
      onKeyDown=${keys}
      onPaste=${(/** @type {ClipboardEvent} */ event) => {
        const pasted = [...(event.clipboardData?.files || [])];
        if (mode !== 'reply' || !pasted.length || event.clipboardData?.getData('text/plain')) return;
        event.preventDefault();
        take(pasted);
      }}
    ></textarea>
    ${mode === 'reply' && html`<${Draft} work=${work} talk=${talk} text=${text} onSend=${() => send('translated')} onPlain=${() => send('plain')} />`}
    <${Chosen} list=${list} files=${files} />
    ${
      emoji &&
      html`<div class="emoji" role="group" aria-label=${t('chat.emoji')}>
        ${EMOJI.map(
          one =>
            html`<button
              type="button"
              class="icon"
              key=${one}
              onClick=${() => {
                const from = area.current?.selectionStart ?? text.length;
                talk.write(text.slice(0, from) + one + text.slice(area.current?.selectionEnd ?? from));
                setEmoji(false);
                setTimeout(() => {
                  area.current?.focus();
                  area.current?.setSelectionRange(from + one.length, from + one.length);
                });
              }}
            >
              ${one}
            </button>`,
        )}
      </div>`
    }
    <div class="tools">
      <button
        type="button"
        class="icon"
        aria-label=${t('chat.emoji')}
        aria-expanded=${emoji}
        title=${t('chat.emoji')}
        onClick=${() => setEmoji(!emoji)}
      >
        ☺
      </button>
      ${
        mode === 'reply' &&
        html`<button
            type="button"
            class="icon"
            aria-label=${t('chat.attach')}
            title=${t('chat.attach')}
            onClick=${() => picker.current?.click()}
          >
            <svg
              viewBox="0 0 20 20"
              width="18"
              height="18"
              aria-hidden="true"
              fill="none"
              stroke="currentColor"
              stroke-width="1.6"
            >
              <rect x="2.5" y="4" width="15" height="12" rx="2" />
              <path d="M3 14l4-4 3.5 3.5 2.5-2.5 4 4" />
            </svg>
          </button>
          <input
            ref=${picker}
            type="file"
            accept="image/*,.pdf,.txt,.csv,.tsv,.log,.md,.json"
            multiple
            hidden
            onChange=${(/** @type {any} */ event) => {
              take([...event.currentTarget.files]);
              event.currentTarget.value = '';
            }}
          />
          <button
            type="button"
            class="icon"
            aria-label=${t('chat.canned')}
            title=${t('chat.canned')}
            onClick=${() => put(caret, text && !/\s$/.test(text.slice(0, caret)) ? ' /' : '/')}
          >
            /
          </button>`
      }
      ${foreign && html`<button type="button" class="link" onClick=${() => words.write(text)}>${t('chat.translate')}</button>`}
      <span class="grow"></span>
      <span class="muted keys-hint">${t('chat.enter')}</span>
      <button type="button" class="primary" disabled=${!able} onClick=${() => send()}>
        ${mode === 'note' ? t('chat.note.add') : chat.state === 'waiting' ? t('chat.take_send') : t('chat.send')}
      </button>
    </div>
  </footer>`;
}
