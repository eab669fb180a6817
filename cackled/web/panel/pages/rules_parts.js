// The parts of the form of rules.
import {html} from '../libraries.js';
import {Check, Choice, Field} from '../ui/form.js';
import {Lines, NumberField, Rows} from '../ui/list.js';
import {t} from '../words.js';

/** @typedef {{rules: Record<string, any>, set: (part: Record<string, any>) => void}} Props */

const ACTIONS = () =>
  /** @type {[string, string][]} */ (['hold', 'spam', 'reject', 'refuse'].map(one => [one, t(`action.${one}`)]));
const WHERE = () =>
  /** @type {[string, string][]} */ (['all', 'text', 'name', 'links'].map(one => [one, t(`where.${one}`)]));

/** @param {{title: string, children?: any}} props */
const Section = ({title, children}) =>
  html`<section class="panel">
    <h2>${title}</h2>
    ${children}
  </section>`;

/** @param {Props} props */
export function Approval({rules, set}) {
  return html`<${Section} title=${t('rules.approval')}>
    <${Choice}
      label=${t('rules.moderation')}
      value=${rules.moderation}
      onInput=${(/** @type {string} */ v) => set({moderation: v})}
      options=${[
        ['post', t('rules.post')],
        ['pre', t('rules.pre')],
      ]}
    />
    <div class="pair">
      <${NumberField}
        label=${t('rules.first')}
        hint=${t('rules.first.hint')}
        max=${100}
        value=${rules.first}
        onInput=${(/** @type {any} */ v) => set({first: v ?? 0})}
      />
      <${NumberField}
        label=${t('rules.trusted_after')}
        hint=${t('rules.trusted_after.hint')}
        max=${10000}
        value=${rules.trusted_after}
        onInput=${(/** @type {any} */ v) => set({trusted_after: v ?? 0})}
      />
    </div>
    <${NumberField}
      label=${t('rules.flags')}
      hint=${t('rules.flags.hint')}
      max=${1000}
      value=${rules.flags}
      onInput=${(/** @type {any} */ v) => set({flags: v ?? 0})}
    />
  <//>`;
}

/**
 * Rows of what is looked for, where, and what happens then.
 * @param {{name: string, member: string, most: number, field: Record<string, any>, value: any[], onInput: (value: any[]) => void}} props
 */
function Matched({name, member, most, field, value, onInput}) {
  return html`<${Rows}
    label=${t(`rules.${name}`)}
    hint=${t(`rules.${name}.hint`)}
    most=${most}
    empty=${{[member]: '', action: 'hold', where: 'all'}}
    value=${value}
    onInput=${onInput}
    row=${(/** @type {any} */ one, /** @type {any} */ change, /** @type {string} */ label) =>
      html`<input
          class=${member === 'pattern' ? 'wide code' : 'wide'}
          aria-label=${label}
          required
          ...${field}
          value=${one[member]}
          onInput=${(/** @type {any} */ e) => change({[member]: e.currentTarget.value})}
        />
        <${Pick}
          label=${`${label}: ${t('rules.where')}`}
          value=${one.where}
          options=${WHERE()}
          onInput=${(/** @type {string} */ where) => change({where})}
        />
        <${Pick}
          label=${`${label}: ${t('rules.action')}`}
          value=${one.action}
          options=${ACTIONS()}
          onInput=${(/** @type {string} */ action) => change({action})}
        />`}
  />`;
}

/** @param {Props} props */
export function Content({rules, set}) {
  return html`<${Section} title=${t('rules.content')}>
    <div class="pair">
      <${NumberField}
        none
        label=${t('rules.links')}
        hint=${t('rules.links.hint')}
        max=${100}
        value=${rules.links}
        onInput=${(/** @type {any} */ v) => set({links: v})}
      />
      <${Choice}
        label=${t('rules.links_action')}
        value=${rules.links_action}
        options=${ACTIONS()}
        onInput=${(/** @type {string} */ v) => set({links_action: v})}
      />
    </div>
    <${Lines}
      label=${t('rules.link_domains')}
      hint=${t('rules.link_domains.hint')}
      rows=${2}
      value=${rules.link_domains}
      onInput=${(/** @type {any} */ v) => set({link_domains: v})}
    />
    <${Matched}
      name="words"
      member="text"
      most=${2000}
      field=${{minlength: 2, maxlength: 100}}
      value=${rules.words}
      onInput=${(/** @type {any} */ words) => set({words})}
    />
    <${Matched}
      name="patterns"
      member="pattern"
      most=${100}
      field=${{maxlength: 500, spellcheck: 'false'}}
      value=${rules.patterns}
      onInput=${(/** @type {any} */ patterns) => set({patterns})}
    />
    <div class="pair">
      <${NumberField}
        label=${t('rules.capitals')}
        hint=${t('rules.off')}
        max=${100}
        value=${rules.capitals}
        onInput=${(/** @type {any} */ v) => set({capitals: v ?? 0})}
      />
      <${NumberField}
        label=${t('rules.repeats')}
        hint=${t('rules.off')}
        max=${1000}
        value=${rules.repeats}
        onInput=${(/** @type {any} */ v) => set({repeats: v ?? 0})}
      />
    </div>
    <${Field}
      label=${t('rules.languages')}
      hint=${t('rules.languages.hint')}
      value=${rules.languages.join(' ')}
      spellcheck="false"
      onInput=${(/** @type {string} */ text) => set({languages: text.toLowerCase().split(/[\s,]+/)})}
    />
  <//>`;
}

/** @param {{label: string, value: string, options: [string, string][], onInput: (value: string) => void}} props */
function Pick({label, value, options, onInput}) {
  return html`<select
    aria-label=${label}
    value=${value}
    onChange=${(/** @type {any} */ e) => onInput(e.currentTarget.value)}
  >
    ${options.map(([key, name]) => html`<option key=${key} value=${key} selected=${key === value}>${name}</option>`)}
  </select>`;
}

/** @param {Props} props */
export function Names({rules, set}) {
  return html`<${Section} title=${t('rules.names')}>
    <${Lines}
      label=${t('rules.names.list')}
      hint=${t('rules.names.hint')}
      value=${rules.names}
      onInput=${(/** @type {any} */ v) => set({names: v})}
    />
    <${Choice}
      label=${t('rules.names.action')}
      value=${rules.names_action}
      onInput=${(/** @type {string} */ v) => set({names_action: v})}
      options=${[
        ['refuse', t('action.refuse')],
        ['hold', t('action.hold')],
      ]}
    />
  <//>`;
}

/** @param {Props} props */
export function Time({rules, set}) {
  return html`<${Section} title=${t('rules.time')}
    ><div class="pair">
      <${NumberField}
        label=${t('rules.close_days')}
        hint=${t('rules.never')}
        max=${36500}
        value=${rules.close_days}
        onInput=${(/** @type {any} */ v) => set({close_days: v ?? 0})}
      />
      <${NumberField}
        label=${t('rules.slow_seconds')}
        hint=${t('rules.off')}
        max=${86400}
        value=${rules.slow_seconds}
        onInput=${(/** @type {any} */ v) => set({slow_seconds: v ?? 0})}
      /></div
  ><//>`;
}

/** @param {Props} props */
export function Spam({rules, set}) {
  const spam = rules.spam;
  /** @param {Record<string, any>} part */
  const change = part => set({spam: {...spam, ...part}});
  return html`<${Section} title=${t('nav.spam')}>
    <${Check}
      label=${t('spam.enabled')}
      checked=${spam.enabled}
      onInput=${(/** @type {boolean} */ v) => change({enabled: v})}
    />
    <div class="pair">
      <${NumberField}
        label=${t('spam.hold_at')}
        hint=${t('spam.score')}
        min=${0.5}
        max=${1}
        step=${0.01}
        value=${spam.hold_at}
        onInput=${(/** @type {any} */ v) => change({hold_at: v ?? 0.7})}
      />
      <${NumberField}
        label=${t('spam.spam_at')}
        hint=${t('spam.spam_at.hint')}
        min=${0.5}
        max=${1.01}
        step=${0.01}
        value=${spam.spam_at}
        onInput=${(/** @type {any} */ v) => change({spam_at: v ?? 0.95})}
      />
      <${Choice}
        label=${t('spam.proof')}
        value=${spam.proof}
        onInput=${(/** @type {string} */ v) => change({proof: v})}
        options=${['never', 'doubtful', 'strangers'].map(one => [one, t(`spam.proof.${one}`)])}
      />
      <${NumberField}
        label=${t('spam.doubtful_at')}
        hint=${t('spam.score')}
        max=${1}
        step=${0.01}
        value=${spam.doubtful_at}
        onInput=${(/** @type {any} */ v) => change({doubtful_at: v ?? 0.5})}
      />
      <${NumberField}
        label=${t('spam.duplicates')}
        hint=${t('rules.off')}
        max=${100}
        value=${spam.duplicates}
        onInput=${(/** @type {any} */ v) => change({duplicates: v ?? 0})}
      />
      <${NumberField}
        label=${t('spam.burst')}
        hint=${t('rules.off')}
        max=${100000}
        value=${spam.burst}
        onInput=${(/** @type {any} */ v) => change({burst: v ?? 0})}
      />
      <${NumberField}
        label=${t('spam.least_seconds')}
        max=${60}
        step=${0.1}
        value=${spam.least_seconds}
        onInput=${(/** @type {any} */ v) => change({least_seconds: v ?? 0})}
      />
    </div>
    <${Check}
      label=${t('spam.share')}
      hint=${t('spam.share.hint')}
      checked=${spam.share}
      onInput=${(/** @type {boolean} */ v) => change({share: v})}
    />
  <//>`;
}

/** @param {Props} props */
export function Services({rules, set}) {
  const {webhook, akismet} = rules;
  /** @param {Record<string, any>} part */
  const hook = part => set({webhook: {...webhook, ...part}});
  /** @param {Record<string, any>} part */
  const service = part => set({akismet: {...akismet, ...part}});
  const late = /** @type {[string, string][]} */ ([
    ['approve', t('late.approve')],
    ['hold', t('late.hold')],
  ]);
  return html`<${Section} title=${t('rules.services')}>
    <h3>${t('rules.webhook')}</h3>
    <p class="hint">${t('rules.webhook.hint')}</p>
    <div class="pair">
      <${Field}
        label=${t('rules.url')}
        type="url"
        maxlength="2000"
        value=${webhook.url}
        onInput=${(/** @type {string} */ v) => hook({url: v.trim()})}
      />
      <${Field}
        label=${t('rules.secret')}
        autocomplete="off"
        maxlength="200"
        value=${webhook.secret}
        onInput=${(/** @type {string} */ v) => hook({secret: v})}
      />
      <${NumberField}
        label=${t('rules.deadline')}
        min=${0.1}
        max=${4}
        step=${0.1}
        value=${webhook.deadline}
        onInput=${(/** @type {any} */ v) => hook({deadline: v ?? 1.5})}
      />
      <${Choice}
        label=${t('rules.late')}
        value=${webhook.late}
        options=${late}
        onInput=${(/** @type {string} */ v) => hook({late: v})}
      />
    </div>
    <h3>Akismet</h3>
    <p class="hint">${t('rules.akismet.hint')}</p>
    <div class="pair">
      <${Field}
        label=${t('rules.url')}
        type="url"
        maxlength="2000"
        placeholder="https://rest.akismet.com"
        value=${akismet.url}
        onInput=${(/** @type {string} */ v) => service({url: v.trim()})}
      />
      <${Field}
        label=${t('rules.key')}
        autocomplete="off"
        maxlength="200"
        value=${akismet.key}
        onInput=${(/** @type {string} */ v) => service({key: v})}
      />
      <${Field}
        label=${t('rules.blog')}
        type="url"
        maxlength="2000"
        value=${akismet.blog}
        onInput=${(/** @type {string} */ v) => service({blog: v.trim()})}
      />
      <${Choice}
        label=${t('rules.late')}
        value=${akismet.late}
        options=${late}
        onInput=${(/** @type {string} */ v) => service({late: v})}
      />
    </div>
  <//>`;
}
