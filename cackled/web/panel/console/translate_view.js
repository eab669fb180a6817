// How translations are shown: below a message, and beside a reply before it is sent.
import {html, useEffect} from '../libraries.js';
import {reason, t} from '../words.js';
import {Bar, naming} from './parts.js';
import {translationsOf} from './translate.js';

/** @typedef {{work: import('./work.js').Work, talk: import('./talk.js').Talk}} Both */

/** That all is translated here, and the way out. @param {Both} props */
export function Translating({work, talk}) {
  const all = translationsOf(work, talk);
  useEffect(() => all.follow(), [all]);
  if (!all.all.value || !work.desk.translate.value) return null;
  return html`<${Bar}
    >${t('chat.translate.on', {name: naming('language', all.language.value)})}
    <button type="button" class="link" onClick=${() => all.turn(false)}>${t('chat.translate.stop')}</button><//
  >`;
}

/** What can be done, for the chat's menu. @param {import('./work.js').Work} work @param {import('./talk.js').Talk} talk */
export function translateDeeds(work, talk) {
  const all = translationsOf(work, talk);
  if (!work.desk.translate.value || all.all.value) return [];
  return [{label: t('chat.translate.to', {name: naming('language', all.language.value)}), act: () => all.turn(true)}];
}

/** A message in my language. @param {Both & {one: import('./kinds.js').Message}} props */
export function Translated({work, talk, one}) {
  const all = translationsOf(work, talk);
  const said = all.of(one);
  if (!said || (said.state === 'done' && (!said.text || said.text === one.text))) return null;
  if (said.state === 'asked') return html`<p class="translated muted">${t('loading')}</p>`;
  if (said.state === 'failed')
    return html`<p class="translated wrong" role="alert">
      ${said.error ? reason(said.error) : t('error.translate-failed')}
      <button type="button" class="link" onClick=${() => all.fetch([one])}>${t('again')}</button>
    </p>`;
  const from = said.from && naming('language', said.from);
  return html`<div class="translated">
    <p class="muted">
      ${said.written ? t('chat.yours') : from ? t('chat.translate.from', {name: from}) : t('chat.translate')}
    </p>
    <p class="plain" dir="auto">${said.text}</p>
  </div>`;
}

/** The button that asks for one message. @param {Both & {one: import('./kinds.js').Message}} props */
export function Ask({work, talk, one}) {
  const all = translationsOf(work, talk);
  if (!work.desk.translate.value || one.from === 'operator' || !one.text || all.of(one)) return null;
  return html`<button type="button" class="link" onClick=${() => all.fetch([one])}>${t('chat.translate')}</button>`;
}

/**
 * A reply as the visitor will read it, to be changed or sent.
 * @param {Both & {text: string, onSend: () => void, onPlain: () => void}} props
 */
export function Draft({work, talk, text, onSend, onPlain}) {
  const all = translationsOf(work, talk);
  const draft = all.draft.value;
  const gone = () => {
    all.draft.value = null;
  };
  // Other words need another translation.
  useEffect(() => {
    if (draft && draft.of !== text) gone();
  }, [draft, text]);
  if (!draft || draft.of !== text) return null;
  const name = naming('language', draft.language);
  if (draft.state === 'asked') return html`<p class="translated muted" role="status">${t('loading')}</p>`;
  if (draft.state === 'failed')
    return html`<div class="translated" role="alert">
      <p class="wrong">${reason(draft.error)}</p>
      <div class="actions">
        <button type="button" onClick=${() => all.write(text)}>${t('again')}</button>
        <button type="button" onClick=${onPlain}>${t('chat.translate.plain')}</button>
        <button type="button" class="link" onClick=${gone}>${t('cancel')}</button>
      </div>
    </div>`;
  return html`<div class="translated">
    <textarea
      aria-label=${t('chat.translate.on', {name})}
      rows="2"
      maxlength="10000"
      dir="auto"
      value=${draft.text}
      onInput=${(/** @type {any} */ event) => {
        all.draft.value = {...draft, text: event.currentTarget.value};
      }}
    ></textarea>
    <div class="actions">
      <button type="button" class="primary" disabled=${!draft.text.trim()} onClick=${onSend}>
        ${t('chat.translate.send', {name})}
      </button>
      <button type="button" onClick=${onPlain}>${t('chat.translate.plain')}</button>
      <button type="button" class="link" onClick=${gone}>${t('cancel')}</button>
    </div>
  </div>`;
}
