// One item of the queue: who, where, when, why it is here, the words, what can be done.
import {html, useEffect, useRef, useState} from '../libraries.js';
import {typing} from '../keys.js';
import {address} from '../router.js';
import {me} from '../session.js';
import {Avatar, Mark, Name, When} from '../ui/parts.js';
import {has, percent, t} from '../words.js';
import {Facts} from './facts.js';
import {Pictures} from './pictures.js';
import {Rich} from './rich.js';
import {LEADS_TO} from './store.js';

/** @typedef {import('./store.js').Item} Item */

/** Action, key, class of its button. @type {[string, string, string][]} */
export const MAIN = [
  ['approve', 'a', 'good'],
  ['reject', 'r', ''],
  ['spam', 's', ''],
  ['delete', 'd', 'danger'],
];
/** @type {Record<string, string>} */
const TONES = {pending: 'warn', approved: 'good', spam: 'bad', rejected: 'bad', deleted: 'bad'};

/** A picture of somebody is kept or removed. @param {Item} item */
const ofPerson = item => item.id.startsWith('picture:');
/** @type {Record<string, string>} */
const PICTURE_WORDS = {approve: 'picture.keep', delete: 'author.picture.remove'};

/** @param {string} mark */
export const markName = mark => (has(`mark.${mark}`) ? t(`mark.${mark}`) : mark);

/** Whether it is taken by whoever looks. @param {Item} item */
const mine = item => item.claim?.by === `account:${me.value?.account.id}`;

/** Why it is here: rules, the filter with the words that decided, reports. @param {{item: Item, site: string}} props */
function Reasons({item, site}) {
  const marks = item.marks || [];
  const reports = item.reports || [];
  if (!marks.length && !reports.length && !item.shadow && !item.revision) return null;
  return html`<ul class="reasons">
    ${item.revision && html`<li><${Mark} kind="warn">${t('item.revision')}<//></li>`}
    ${item.shadow && html`<li><${Mark} kind="bad">${t('mark.shadow')}<//></li>`}
    ${marks.map(
      one =>
        html`<li key=${one.mark}>
          <a class="mark warn" href=${address(`/sites/${site}/queue`, {state: 'all', mark: one.mark})}
            >${markName(one.mark)}${one.mark === 'spam' && one.score !== undefined && ` ${percent(one.score)}`}</a
          >
          ${one.words?.length ? html` <span class="muted words">${one.words.map(word => html`<bdi key=${word}>${word}</bdi> `)}</span>` : null}
        </li>`,
    )}
    ${
      reports.length > 0 &&
      html`<li>
        <details>
          <summary><${Mark} kind="bad">${t('item.reports', {n: item.flags || reports.length})}<//></summary>
          <ul>
            ${reports.map(one => html`<li key=${one.visitor}>${one.reason || t('item.no_reason')} <span class="muted">${t('item.reporter', {n: one.made, agreed: one.agreed})}</span> <${When} at=${one.at} /></li>`)}
          </ul>
        </details>
      </li>`
    }
  </ul>`;
}

// The focus follows the current card, and the current card the focus of its reader: not both of one move, or two cards
// would hand it to each other for ever.
let moved = false;

/**
 * @param {{item: Item, site: string, current: boolean, chosen: boolean, onFocus: () => void, onChoose: (range: boolean) => void,
 *   onAct: (action: string) => void, onOpen: () => void, onAuthor: () => void, onBan: (() => void) | null,
 *   onReply?: (() => void) | null}} props
 */
export function Card({item, site, current, chosen, onFocus, onChoose, onAct, onOpen, onAuthor, onBan, onReply}) {
  const node = useRef(/** @type {HTMLElement | null} */ (null));
  const [whole, setWhole] = useState(false);
  useEffect(() => {
    if (!current || !node.current) return;
    const card = node.current;
    const at = document.activeElement;
    // Who types a search goes on typing while items come: what they type would be taken for keys, and decide.
    if (typing(at)) return;
    if (at?.closest('.queue') || at === document.body) {
      // Where a press put the focus here, nothing moves: the button would be gone before it is let go.
      if (card.contains(at)) return;
      moved = true;
      card.focus({preventScroll: true});
      moved = false;
      card.scrollIntoView({block: 'nearest'});
    }
  }, [current]);
  const long = item.text.length > 1200 || item.text.split('\n').length > 14;
  const page = ofPerson(item) ? t('item.avatar') : item.page.title || item.page.key;
  const author = item.author.name || t('guest');
  return html`<article
    ref=${node}
    class=${`item${current ? ' current' : ''}${chosen ? ' chosen' : ''}`}
    tabindex=${current ? 0 : -1}
    onFocusIn=${() => moved || onFocus()}
    aria-label=${t('item.label', {name: author, page})}
    data-item=${item.id}
  >
    <header>
      <input
        type="checkbox"
        aria-label=${t('item.choose', {name: author})}
        checked=${chosen}
        onClick=${(/** @type {MouseEvent} */ e) => onChoose(e.shiftKey)}
      />
      <${Avatar} name=${item.author.name} id=${item.author.id} picture=${item.author.avatar} />
      <div class="who">
        <button type="button" class="link" onClick=${onAuthor}><${Name} name=${item.author.name} /></button>
        <${When} at=${item.created} />
        ${item.edited && html`<span class="muted">${t('item.edited')}</span>`}
        <${Mark} kind=${TONES[item.state] || ''}>${t(`state.${item.state}`)}<//>
        ${item.id.startsWith('proposal:') && html`<${Mark}>${t('item.proposal')}<//>`}
        ${item.pinned && html`<${Mark}>${t('item.pinned')}<//>`}${item.featured && html`<${Mark} kind="good">${t('item.featured')}<//>`}${item.locked && html`<${Mark}>${t('item.locked')}<//>`}
        ${item.claim && html`<${Mark} kind=${mine(item) ? 'good' : 'warn'}>${mine(item) ? t('item.claimed.own') : t('item.claimed', {name: item.claim.name})}<//>`}
        <div class="where muted">
          ${item.page.url ? html`<a href=${item.page.url} target="_blank" rel="noopener noreferrer"><bdi>${page}</bdi></a>` : html`<bdi>${page}</bdi>`}
          ${item.author.address && html`<a class="code" href=${address(`/sites/${site}/queue`, {state: 'all', ip: item.author.address})}>${item.author.address}</a>`}
        </div>
      </div>
    </header>
    <${Reasons} item=${item} site=${site} />
    <${Facts} item=${item} />
    <div class=${long && !whole ? 'text folded' : 'text'}><${Rich} text=${item.revision_html || item.html} /></div>
    <${Pictures} pictures=${item.media} />
    ${long && html`<button type="button" class="link" aria-expanded=${whole} onClick=${() => setWhole(!whole)}>${whole ? t('item.less') : t('item.whole')}</button>`}
    ${
      item.revision &&
      html`<details>
        <summary>${t('item.published')}</summary>
        <${Rich} text=${item.html} />
      </details>`
    }
    <footer class="actions">
      ${MAIN.filter(
        ([action]) =>
          (item.revision || LEADS_TO[action] !== item.state) &&
          (!ofPerson(item) || (PICTURE_WORDS[action] && !['spam', 'rejected', 'deleted'].includes(item.state))),
      ).map(
        ([action, key, kind]) =>
          html`<button
            type="button"
            key=${action}
            class=${kind}
            onClick=${() => onAct(action)}
            aria-keyshortcuts=${key}
          >
            ${t(ofPerson(item) ? PICTURE_WORDS[action] : `do.${action}`)} <kbd aria-hidden="true">${key}</kbd>
          </button>`,
      )}
      <span class="grow"></span>
      ${item.facts && onReply && html`<button type="button" onClick=${onReply}>${t('reviews.answer')}</button>`}
      ${
        onBan &&
        html`<button type="button" onClick=${onBan} aria-keyshortcuts="b">
          ${t('do.ban')} <kbd aria-hidden="true">b</kbd>
        </button>`
      }
      <button type="button" onClick=${onOpen} aria-keyshortcuts="p">
        ${t('do.context')} <kbd aria-hidden="true">p</kbd>
      </button>
    </footer>
  </article>`;
}
