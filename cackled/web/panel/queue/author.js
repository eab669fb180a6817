// What is known of an author: since when, what became of what they wrote, notes of colleagues, warnings, bans.
import {html, useState} from '../libraries.js';
import {get, post, remove} from '../api.js';
import {address} from '../router.js';
import {everywhere} from '../session.js';
import {complain, toast} from '../toasts.js';
import {Dialog} from '../ui/dialog.js';
import {Field, Form} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Avatar, Mark, Name, When} from '../ui/parts.js';
import {number, percent, t} from '../words.js';

/** @typedef {{id: string, body: string, by?: string, at: string, read?: string | null}} Note */
/** @typedef {{id: string, name: string, first_seen: string, last_seen: string, first_address: string | null, address: string | null,
 *   counts: Record<string, number>, other_names: string[], trust: number, notes: Note[], warnings: Note[], bans: any[],
 *   picture?: string | null}} Author */

/** @param {{site: string, id: string, onClose: () => void, onBan: (author: Author) => void}} props */
export function AuthorDialog({site, id, onClose, onBan}) {
  const base = `/sites/${site}/moderation/authors/${id}`;
  const loaded = useLoad(signal => get(base, {}, signal), [base]);
  /** @param {() => Promise<void>} again */
  const unpicture = async again => {
    try {
      await remove(`/sites/${site}/visitors/${id}/picture`);
      await again();
    } catch (error) {
      complain(error);
    }
  };
  return html`<${Dialog} title=${t('author.title')} onClose=${onClose}>
    <${Loaded} from=${loaded} rows=${4}>
      ${(/** @type {Author} */ found) =>
        html`<div class="stack">
          <div class="row">
            ${
              found.picture
                ? html`<img class="avatar" alt="" src=${found.picture} /><button
                      type="button"
                      onClick=${() => unpicture(loaded.again)}
                    >
                      ${t('author.picture.remove')}
                    </button>`
                : html`<${Avatar} name=${found.name} id=${found.id} />`
            }<strong><${Name} name=${found.name} /></strong>
            ${found.bans.length > 0 && html`<${Mark} kind="bad">${t('author.banned')}<//>`}<span class="grow"></span>
            ${everywhere(site) && html`<button type="button" class="danger" onClick=${() => onBan(found)}>${t('do.ban')}</button>`}
          </div>
          <dl class="facts">
            <div>
              <dt>${t('author.first')}</dt>
              <dd><${When} at=${found.first_seen} /></dd>
            </div>
            <div>
              <dt>${t('author.last')}</dt>
              <dd><${When} at=${found.last_seen} /></dd>
            </div>
            <div>
              <dt>${t('author.trust')}</dt>
              <dd>${percent(found.trust / 100)}</dd>
            </div>
            ${Object.entries(found.counts).map(
              ([state, n]) =>
                html`<div key=${state}>
                  <dt>${t(`state.${state}`)}</dt>
                  <dd><a href=${address(`/sites/${site}/queue`, {state, author: found.id})}>${number(n)}</a></dd>
                </div>`,
            )}
          </dl>
          ${found.other_names.length > 0 && html`<p>${t('author.names')} ${found.other_names.map(one => html`<bdi key=${one} class="mark">${one}</bdi> `)}</p>`}
          <${Notes}
            title=${t('author.notes')}
            notes=${found.notes}
            label=${t('author.note')}
            path=${`${base}/notes`}
            onDone=${loaded.again}
            removable
          />
          <${Notes}
            title=${t('author.warnings')}
            notes=${found.warnings}
            label=${t('author.warn')}
            hint=${t('author.warn.hint')}
            path=${`${base}/warnings`}
            onDone=${loaded.again}
          />
        </div>`}
    <//>
  <//>`;
}

/** @param {{title: string, notes: Note[], label: string, hint?: string, path: string, onDone: () => Promise<void>, removable?: boolean}} props */
function Notes({title, notes, label, hint, path, onDone, removable}) {
  const [text, setText] = useState('');
  const submit = async () => {
    await post(path, {text: text.trim()});
    setText('');
    toast(t('saved'));
    await onDone();
  };
  /** @param {string} id */
  const forget = async id => {
    try {
      await remove(`${path}/${id}`);
      await onDone();
    } catch (error) {
      complain(error);
    }
  };
  return html`<section class="stack">
    <h3>${title}</h3>
    ${
      notes.length > 0 &&
      html`<ul class="history">
        ${notes.map(
          one =>
            html`<li key=${one.id}>
              ${one.body}
              <span class="muted">${one.by} <${When} at=${one.at} />${one.read && html` ${t('author.read')}`}</span>
              ${removable && html`<button type="button" class="icon" aria-label=${t('remove')} onClick=${() => forget(one.id)}>×</button>`}
            </li>`,
        )}
      </ul>`
    }
    <${Form} onSubmit=${submit} label=${label} disabled=${!text.trim()}>
      <${Field} label=${label} hint=${hint} area rows=${2} maxlength="1000" value=${text} onInput=${setText} />
    <//>
  </section>`;
}
