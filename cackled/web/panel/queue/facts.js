// What a review says beside its words, what is known of its purchase; the shop's answer; and the neutral reason that hiding it takes.
import {html, useState} from '../libraries.js';
import {put, remove} from '../api.js';
import {toast} from '../toasts.js';
import {Dialog} from '../ui/dialog.js';
import {Choice, Field, Form} from '../ui/form.js';
import {Mark, When} from '../ui/parts.js';
import {number, t} from '../words.js';

/** @typedef {import('./store.js').Item} Item */

// The reasons that a review may be hidden for: none says whether it praises.
export const REASONS = /** @type {const} */ ([
  'offtopic',
  'offensive',
  'personal-data',
  'advertising',
  'fake',
  'conflict-of-interest',
  'illegal',
  'duplicate',
  'not-experienced',
]);
// What takes a reason.
const HIDES = ['reject', 'delete', 'thread', 'childless'];

/**
 * Whether an action needs one of the reasons, and *why* begins with none.
 * @param {string} action
 * @param {(Item | undefined)[]} items
 * @param {string} why
 */
export const needsReason = (action, items, why) =>
  HIDES.includes(action) &&
  items.some(one => one?.facts && one.product === 'reviews') &&
  !REASONS.some(one => one === why.split(':')[0]);

/** @param {{value: number}} props */
export const Stars = ({value}) =>
  html`<span class="stars" role="img" aria-label=${t('reviews.stars', {n: value})}>
    <span class="shape" aria-hidden="true"
      >${'★'.repeat(value)}<span class="muted">${'★'.repeat(5 - value)}</span></span
    >
    <span aria-hidden="true"> ${number(value)}/5</span>
  </span>`;

/** @param {{item: Item}} props */
export function Facts({item}) {
  const facts = item.facts;
  if (!facts) return null;
  const order = facts.order;
  return html`<div class="review-facts">
    <p class="row">
      ${facts.star && html`<${Stars} value=${facts.star} />`}
      ${facts.title && html`<strong><bdi>${facts.title}</bdi></strong>`}
      ${facts.verified === 'order' && html`<${Mark} kind="good">${t('reviews.verified')}<//>`}
      ${facts.source && html`<${Mark}>${t('reviews.source', {name: facts.source})}<//>`}
      ${facts.incentivized && html`<${Mark} kind="warn">${t('reviews.paid')}<//>`}
      ${facts.staff && html`<${Mark}>${t('reviews.staff')}<//>`}
      ${facts.reason && html`<${Mark} kind="bad">${REASONS.includes(facts.reason) ? t(`reviews.reason.${facts.reason}`) : facts.reason}<//>`}
    </p>
    ${
      order &&
      html`<p class="muted">
        ${t('reviews.order')} <span class="code">${order.order}</span> ${order.at && html`<${When} at=${order.at} />`}
      </p>`
    }
    <dl class="review-pairs">
      ${
        facts.pros &&
        html`<dt>${t('reviews.pros')}</dt>
          <dd class="break"><bdi>${facts.pros}</bdi></dd>`
      }
      ${
        facts.cons &&
        html`<dt>${t('reviews.cons')}</dt>
          <dd class="break"><bdi>${facts.cons}</bdi></dd>`
      }
      ${Object.entries(facts.criteria || {}).map(
        ([name, star]) =>
          html`<dt key=${name}><bdi>${facts.names?.[name] || name}</bdi></dt>
            <dd>${number(star)}/5</dd>`,
      )}
      ${Object.entries(facts.attributes || {}).map(
        ([name, value]) =>
          html`<dt key=${name}><bdi>${facts.names?.[name] || name}</bdi></dt>
            <dd><bdi>${value}</bdi></dd>`,
      )}
    </dl>
    ${facts.recommend !== null && facts.recommend !== undefined && html`<p>${t(facts.recommend ? 'reviews.recommends' : 'reviews.recommends_not')}</p>`}
  </div>`;
}

/**
 * The shop's answer to a review: one, that can be changed.
 * @param {{site: string, item: Item, onClose: () => void, onDone: (reply: any) => void}} props
 */
export function ReplyDialog({site, item, onClose, onDone}) {
  const reply = item.facts?.reply;
  const [text, setText] = useState(reply?.text || '');
  const [name, setName] = useState(reply?.name || '');
  const path = `/sites/${site}/reviews/${item.id.split(':')[1]}/reply`;
  const save = async () => {
    const made = await put(path, {text: text.trim(), name: name.trim()});
    toast(t('saved'));
    onDone({...made.review.reply, text: text.trim()});
  };
  const drop = async () => {
    await remove(path);
    toast(t('saved'));
    onDone(null);
  };
  return html`<${Dialog} title=${t('reviews.answer')} onClose=${onClose}>
    <${Facts} item=${item} />
    <${Form}
      onSubmit=${save}
      label=${t('save')}
      disabled=${!text.trim()}
      extra=${reply && html`<button type="button" class="danger" onClick=${drop}>${t('remove')}</button>`}
    >
      <${Field} label=${t('name')} value=${name} onInput=${setName} maxlength="60" />
      <${Field}
        label=${t('reviews.answer')}
        area
        rows=${5}
        required
        maxlength="5000"
        value=${text}
        hint=${t('reviews.answer.hint')}
        onInput=${setText}
      />
    <//>
  <//>`;
}

/**
 * Why a review is hidden: its author is told.
 * @param {{action: string, onClose: () => void, onDone: (why: string) => void}} props
 */
export function ReasonDialog({action, onClose, onDone}) {
  const [why, setWhy] = useState('');
  const [note, setNote] = useState('');
  const submit = async () => onDone(note.trim() ? `${why}: ${note.trim()}` : why);
  return html`<${Dialog} title=${t('reviews.why')} onClose=${onClose}>
    <p>${t('reviews.why.text')}</p>
    <${Form} onSubmit=${submit} label=${t(`do.${action}`)} disabled=${!why}>
      <${Choice}
        label=${t('detail.why')}
        value=${why}
        onInput=${setWhy}
        options=${[['', '–'], ...REASONS.map(one => [one, t(`reviews.reason.${one}`)])]}
      />
      <${Field} label=${t('reviews.note')} value=${note} onInput=${setNote} maxlength="500" />
    <//>
  <//>`;
}
