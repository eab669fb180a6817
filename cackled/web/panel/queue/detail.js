// An item with what is around it: what it answers, its neighbours, and all that was done to it.
import {html, useState} from '../libraries.js';
import {get} from '../api.js';
import {Dialog} from '../ui/dialog.js';
import {Choice} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Mark, Name, When} from '../ui/parts.js';
import {has, t} from '../words.js';
import {Pictures} from './pictures.js';
import {Rich} from './rich.js';
import {Writing} from './writing.js';

/** @typedef {import('./store.js').Item} Item */
/** @typedef {{at: string, who: string, name: string, deed: string, why: string, before: Record<string, any>,
 *   after: Record<string, any>}} Change */

/** @param {{item: Item, own?: boolean}} props */
function Small({item, own}) {
  return html`<article class=${own ? 'small own' : 'small'}>
    <p class="row">
      <strong><${Name} name=${item.author.name} /></strong> <${When} at=${item.created} />
      <${Mark}>${t(`state.${item.state}`)}<//>
    </p>
    <${Rich} text=${item.html} />
    <${Pictures} pictures=${item.media} />
  </article>`;
}

/**
 * Who is mentioned, as readers see it.
 * @param {unknown} text
 */
const read = text => (typeof text === 'string' ? text.replace(/@\[([^\][\n]+)\]\(visitor:\d+\)/g, '@$1') : undefined);

/** @param {Record<string, any>} value */
const words = value =>
  value.state
    ? t(`state.${value.state}`)
    : (read(value.text) ??
      Object.entries(value)
        .map(([name, one]) => `${name}: ${one}`)
        .join(', '));

/** @param {{change: Change}} props */
function Line({change}) {
  const deed = has(`deed.${change.deed}`) ? t(`deed.${change.deed}`) : change.deed;
  const before = words(change.before || {});
  const after = words(change.after || {});
  return html`<li>
    <${When} at=${change.at} />
    <strong>${change.name || change.who}</strong> ${deed}${change.why && html` <q>${change.why}</q>`}
    ${(before || after) && html`<div class="change"><del class="break">${before}</del> <span aria-hidden="true">→</span> <ins class="break">${after}</ins></div>`}
  </li>`;
}

// What can't be done with items of these kinds.
/** @type {Record<string, string[]>} */
const NOT = {
  review: ['pin', 'unpin', 'lock', 'unlock', 'open', 'close'],
  picture: [
    'pin',
    'unpin',
    'feature',
    'unfeature',
    'lock',
    'unlock',
    'open',
    'close',
    'thread',
    'childless',
    'restore',
    'hold',
  ],
  proposal: [
    'pin',
    'unpin',
    'feature',
    'unfeature',
    'lock',
    'unlock',
    'open',
    'close',
    'unflag',
    'thread',
    'childless',
  ],
};

/** @param {Item} item @returns {string[]} */
const all = item => [
  ...(item.state === 'approved' ? [] : ['restore']),
  ...(item.state === 'pending' ? [] : ['hold']),
  item.pinned ? 'unpin' : 'pin',
  item.featured ? 'unfeature' : 'feature',
  item.facts?.incentivized ? 'unincentivize' : 'incentivize',
  item.locked ? 'unlock' : 'lock',
  item.page.closed ? 'open' : 'close',
  ...(item.seen ? [] : ['seen']),
  ...(item.flags ? ['unflag'] : []),
  'thread',
  'childless',
];

/** What can be done beyond the buttons of a card. @param {Item} item @returns {string[]} */
const more = item =>
  all(item).filter(
    one =>
      !NOT[item.id.split(':')[0]]?.includes(one) && (item.facts?.kind === 'review' || !one.endsWith('incentivize')),
  );

/**
 * @param {{site: string, id: string, onClose: () => void, onAct: (action: string, why: string) => void,
 *   onEdited: (action: string) => void}} props
 */
export function DetailDialog({site, id, onClose, onAct, onEdited}) {
  const loaded = useLoad(signal => get(`/sites/${site}/moderation/items/${id}`, {}, signal), [site, id]);
  const [action, setAction] = useState('');
  const [why, setWhy] = useState('');
  return html`<${Dialog} title=${t('do.context')} onClose=${onClose} wide>
    <${Loaded} from=${loaded} rows=${4}>
      ${(/** @type {{item: Item, parents: Item[], siblings: Item[], history: Change[]}} */ found) =>
        html` <div class="stack">
          ${found.parents.map(one => html`<${Small} key=${one.id} item=${one} />`)}
          <${Small} item=${found.item} own />
          ${
            found.siblings.length > 0 &&
            html`<h3>${t('detail.siblings')}</h3>
              ${found.siblings.map(one => html`<${Small} key=${one.id} item=${one} />`)}`
          }
          <${Writing} site=${site} item=${found.item} onDone=${loaded.again} onEdited=${onEdited} />
          <h3>${t('detail.more')}</h3>
          <form
            class="row deed"
            onSubmit=${(/** @type {Event} */ e) => {
              e.preventDefault();
              if (action) onAct(action, why.trim());
            }}
          >
            <${Choice}
              label=${t('detail.action')}
              value=${action}
              onInput=${setAction}
              options=${[['', '–'], ...more(found.item).map(one => [one, t(`do.${one}`)])]}
            />
            <div class="field grow">
              <label for="why">${t('detail.why')}</label
              ><input
                id="why"
                maxlength="1000"
                value=${why}
                onInput=${(/** @type {any} */ e) => setWhy(e.currentTarget.value)}
              />
            </div>
            <button disabled=${!action}>${t('detail.do')}</button>
          </form>
          <h3>${t('detail.history')}</h3>
          ${
            found.history.length
              ? html`<ul class="history">
                  ${found.history.map((one, at) => html`<${Line} key=${at} change=${one} />`)}
                </ul>`
              : html`<p class="muted">${t('detail.no_history')}</p>`
          }
        </div>`}
    <//>
  <//>`;
}
