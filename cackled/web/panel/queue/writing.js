// What moderators write from the queue: an answer with the staff's badge, another text, another page for a thread.
import {html, useState} from '../libraries.js';
import {patch, post} from '../api.js';
import {toast} from '../toasts.js';
import {Field, Form} from '../ui/form.js';
import {t} from '../words.js';

/** @typedef {import('./store.js').Item} Item */

/**
 * @param {{site: string, item: Item, onDone: () => void, onEdited: (action: string) => void}} props
 */
export function Writing({site, item, onDone, onEdited}) {
  const [mode, setMode] = useState('');
  const [text, setText] = useState('');
  const [why, setWhy] = useState('');
  const [kind, number] = item.id.split(':');
  // What else products have is answered in ways of its own.
  if (kind !== 'comment') return null;
  const base = `/sites/${site}/moderation`;
  /** @param {string} next */
  const choose = next => {
    setMode(mode === next ? '' : next);
    setText(next === 'edit' ? item.text : '');
    setWhy('');
  };
  const submit = async () => {
    if (mode === 'reply') {
      await post(`${base}/comments`, {comment: number, text: text.trim()});
      toast(t('write.replied'));
    } else if (mode === 'edit') {
      const made = await patch(`${base}/comments/${number}`, {text, version: item.version, why: why.trim()});
      onEdited(made.action);
    } else {
      const made = await post(`${base}/conversations/move`, {comment: number, to: text.trim()});
      toast(t('write.moved', {n: made.moved}));
    }
    setMode('');
    onDone();
  };
  const modes = [
    ...(item.state === 'approved' && !item.locked ? ['reply'] : []),
    ...(item.state === 'deleted' || item.locked ? [] : ['edit']),
    ...(item.state === 'deleted' ? [] : ['move']),
  ];
  return html`<section class="stack">
    <div class="row">
      ${modes.map(one => html`<button type="button" key=${one} aria-expanded=${mode === one} onClick=${() => choose(one)}>${t(`write.${one}`)}</button>`)}
    </div>
    ${
      mode &&
      html`<${Form} key=${mode} onSubmit=${submit} label=${t(`write.${mode}`)} disabled=${!text.trim()}>
        <${Field}
          label=${t(`write.${mode}.label`)}
          area=${mode !== 'move'}
          rows=${4}
          maxlength=${mode === 'move' ? '2000' : '10000'}
          value=${text}
          onInput=${setText}
          autofocus
        />
        ${mode === 'edit' && html`<${Field} label=${t('detail.why')} maxlength="1000" value=${why} onInput=${setWhy} />`}
      <//>`
    }
  </section>`;
}
