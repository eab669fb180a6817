// Messages in the operator's language, and replies in the visitor's, by the site's own translator. No nodes.
import {ask} from '../api.js';
import {computed, effect, signal} from '../libraries.js';
import {known} from '../words.js';

/** @typedef {import('./kinds.js').Message} Message */
/** @typedef {{state: 'asked' | 'done' | 'failed', text?: string, from?: string, written?: boolean, error?: any}} Said */

/** Messages of one call. */
const MOST = 20;

/** @param {string} code */
const first = code => code.toLowerCase().split('-')[0];

export class Translations {
  /** @param {import('./work.js').Work} work @param {import('./talk.js').Talk} talk */
  constructor(work, talk) {
    this.work = work;
    this.talk = talk;
    this.key = `cackled-chat:${work.site}:translate:${talk.id}`;
    /** All messages, as they come. */
    this.all = signal(!!work.keep.get(this.key));
    this.said = signal(/** @type {Record<string, Said>} */ ({}));
    /** Of the reply: what is shown beside it before it is sent. */
    this.draft = signal(
      /** @type {{of: string, text: string, language: string, state: 'asked' | 'done' | 'failed', error?: any} | null} */ (
        null
      ),
    );
    this.language = computed(() => known.value);
    this.theirs = computed(() => talk.chat.value?.visitor?.language || '');
    /** Whether what both write differs. */
    this.foreign = computed(() => !!this.theirs.value && first(this.theirs.value) !== this.language.value);
  }

  get base() {
    return `${this.work.calls.base}/${encodeURIComponent(this.talk.id)}`;
  }

  /** @param {boolean} on */
  turn(on) {
    this.all.value = on;
    this.work.keep.set(this.key, on ? '1' : '');
  }

  /** While the chat is shown: what comes is asked for. Gives what ends it. */
  follow() {
    return effect(() => {
      if (!this.all.value || !this.work.desk.translate.value) return;
      const missing = this.talk.messages.value.filter(
        one => (one.kind ?? 'text') === 'text' && one.text && !one.deleted && !this.of(one, false),
      );
      // What we wrote stands there in our own language where it was translated.
      for (const ours of [false, true]) {
        const wanted = missing.filter(one => (one.from === 'operator') === ours);
        for (let n = 0; n < wanted.length; n += MOST) this.fetch(wanted.slice(n, n + MOST), !ours);
      }
    });
  }

  /** What is there of a message as it stands. @param {Message} one @param {boolean} [told] whoever reads is told of changes */
  of(one, told = true) {
    return (told ? this.said.value : this.said.peek())[this.name(one)];
  }

  /** @param {Message} one */
  name(one) {
    return `${this.language.peek()} ${one.id} ${one.edited || ''}`;
  }

  /** @param {Message[]} messages @param {boolean} ours whether the translator is asked */
  async fetch(messages, ours = true) {
    const names = new Map(messages.map(one => [one.id, this.name(one)]));
    this.put([...names.values()], {state: 'asked'});
    try {
      let left = [...names.keys()];
      while (left.length) {
        const body = {language: this.language.peek(), messages: left, ask: ours};
        const found = (await ask('POST', `${this.base}/translations`, {body})).body;
        const there = new Set(found.translations.map((/** @type {any} */ one) => one.message));
        for (const one of found.translations) this.put([names.get(one.message)], {state: 'done', ...one});
        const next = found.left.filter((/** @type {string} */ id) => left.includes(id));
        const none = left.filter(id => !there.has(id) && !next.includes(id));
        this.put(
          none.map(id => names.get(id)),
          {state: ours ? 'failed' : 'done'},
        );
        if (next.length >= left.length) break;
        left = next;
      }
    } catch (error) {
      const open = [...names.values()].filter(name => this.said.peek()[name]?.state === 'asked');
      this.put(open, {state: 'failed', error});
    }
  }

  /** @param {(string | undefined)[]} names @param {Said} what */
  put(names, what) {
    const made = {...this.said.peek()};
    for (const name of names) if (name) made[name] = what;
    this.said.value = made;
  }

  /** The reply in the visitor's language, to be looked at before it is sent. @param {string} text */
  async write(text) {
    const asked = {of: text, text: '', language: this.theirs.peek(), state: /** @type {const} */ ('asked')};
    this.draft.value = asked;
    /** @type {any} */
    let made;
    try {
      const body = {text, language: this.theirs.peek(), source: this.language.peek()};
      const found = (await ask('POST', `${this.base}/translate`, {body})).body;
      made = {...asked, text: found.text, language: found.language, state: 'done'};
    } catch (error) {
      made = {...asked, state: 'failed', error};
    }
    if (this.draft.peek() === asked) this.draft.value = made;
  }
}

/** @type {WeakMap<any, Translations>} */
const made = new WeakMap();

/** Those of a chat. @param {import('./work.js').Work} work @param {import('./talk.js').Talk} talk */
export function translationsOf(work, talk) {
  const found = made.get(talk) || new Translations(work, talk);
  made.set(talk, found);
  return found;
}
