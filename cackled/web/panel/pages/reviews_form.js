// The form of reviews: what is rated and asked for besides the stars, code for pages, the feed of product ratings.
import {html, useState} from '../libraries.js';
import {ask, get, post} from '../api.js';
import {address} from '../router.js';
import {may} from '../session.js';
import {complain, toast} from '../toasts.js';
import {Choice, Copy, Form, fieldDirection} from '../ui/form.js';
import {Rows} from '../ui/list.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Heading} from '../ui/parts.js';
import {t} from '../words.js';
import {ReviewTabs} from './reviews_parts.js';

/** @typedef {{id: string, name: string, values: string}} Row values only of attributes, apart by commas */

/** `id: Name = value, value; ..` as rows. @param {string} text @returns {Row[]} */
export const parseRows = text =>
  text
    .split(';')
    .map(one => one.split(':'))
    .filter(one => one.length > 1)
    .map(([id, ...rest]) => {
      const [name, ...values] = rest.join(':').split('=');
      return {id: id.trim(), name: name.trim(), values: tidyValues(values.join('='))};
    });

/** @param {string} text what can't stand in a name is a space */
const tidyName = text =>
  text
    .replace(/[;:=,]/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();

/** @param {string} text */
const tidyValues = text => text.split(',').map(tidyName).filter(Boolean).join(', ');

/**
 * Rows as `id: Name; ..`, of attributes with their values. A row keeps its id whatever it is called later; a new one gets
 * one of its name. What lacks a name, or values where it needs them, is left out.
 * @param {Row[]} rows
 * @param {boolean} valued
 */
export function writeRows(rows, valued) {
  const used = new Set(rows.map(one => one.id).filter(Boolean));
  return rows
    .map(one => ({id: one.id, name: tidyName(one.name), values: tidyValues(one.values)}))
    .filter(one => one.name && (!valued || one.values))
    .map(({id, name, values}) => {
      if (!id) {
        const stem = (name.toLowerCase().match(/[a-z0-9]+/g) || ['row']).join('-').slice(0, 24);
        const base = /^[a-z]/.test(stem) ? stem : `c-${stem}`;
        id = base;
        for (let n = 2; used.has(id); n++) id = `${base}-${n}`;
        used.add(id);
      }
      return `${id}: ${name}${valued ? ` = ${values}` : ''}`;
    })
    .join('; ');
}

/** What a product's page needs. @param {string} site */
const snippet = site => `<div id="mc-review"></div>
<script>
cackle_widget = window.cackle_widget || [];
cackle_widget.push({widget: 'Review', id: ${site}});
</script>
<script async src="${location.origin}/widget.js"></script>`;

/** @param {{site: string}} props */
export function ReviewFormPage({site}) {
  const loaded = useLoad(signal => ask('GET', `/sites/${site}/settings`, {signal}), [site]);
  return html`<div class="page narrow">
    <${Heading}>${t('nav.reviews')}<//>
    <${ReviewTabs} site=${site} current="/form" />
    <${Loaded} from=${loaded} rows=${3}>
      ${(/** @type {import('../api.js').Answer} */ answer) =>
        html`<${Asked} key=${answer.etag} site=${site} answer=${answer} onSaved=${loaded.set} />
          <${Feed} key=${`feed-${answer.etag}`} site=${site} answer=${answer} onSaved=${loaded.set} />`}
    <//>
    <section class="panel">
      <${Copy} label=${t('settings.embed')} text=${snippet(site)} rows=${6} />
      <p><a href=${address(`/sites/${site}/settings`)}>${t('nav.settings')}</a></p>
    </section>
  </div>`;
}

/**
 * @typedef {{site: string, answer: import('../api.js').Answer, onSaved: (answer: any) => void}} Kept
 */

/** @param {Kept} kept @param {Record<string, string>} settings */
async function keep({site, answer, onSaved}, settings) {
  const made = await ask('PATCH', `/sites/${site}/settings`, {body: {settings}, match: answer.etag});
  toast(t('saved'));
  onSaved(made);
}

/** Criteria and attributes. @param {Kept} props */
function Asked(props) {
  const {site, answer} = props;
  const were = [answer.body.settings['reviews.criteria'] || '', answer.body.settings['reviews.attributes'] || ''];
  const [criteria, setCriteria] = useState(parseRows(were[0]));
  const [attributes, setAttributes] = useState(parseRows(were[1]));
  const now = [writeRows(criteria, false), writeRows(attributes, true)];
  const same = [0, 1].every(n => now[n] === writeRows(parseRows(were[n]), n === 1));
  const half = attributes.some(one => Boolean(one.name.trim()) !== Boolean(tidyValues(one.values)));
  /** @param {any} one @param {any} change @param {string} label @param {'name' | 'values'} name @param {number} most */
  const input = (one, change, label, name, most) =>
    html`<input
      class="wide"
      aria-label=${label}
      placeholder=${name === 'values' ? t('reviews.values') : ''}
      maxlength=${most}
      dir=${fieldDirection('text', one[name])}
      value=${one[name]}
      onInput=${(/** @type {any} */ e) => change({[name]: e.currentTarget.value})}
    />`;
  return html`<section class="panel">
    <${Form}
      onSubmit=${() => keep(props, {'reviews.criteria': now[0], 'reviews.attributes': now[1]})}
      label=${t('save')}
      disabled=${!may(site, 'admin') || same || half}
    >
      <${Rows}
        label=${t('reviews.rated')}
        most=${10}
        empty=${{id: '', name: '', values: ''}}
        value=${criteria}
        onInput=${setCriteria}
        row=${(/** @type {any} */ one, /** @type {any} */ change, /** @type {string} */ label) => input(one, change, label, 'name', 60)}
      />
      <${Rows}
        label=${t('reviews.attributes')}
        hint=${t('reviews.attributes.hint')}
        most=${10}
        empty=${{id: '', name: '', values: ''}}
        value=${attributes}
        onInput=${setAttributes}
        row=${(/** @type {any} */ one, /** @type {any} */ change, /** @type {string} */ label) =>
          html`${input(one, change, label, 'name', 60)}
          ${input(one, change, `${label}: ${t('reviews.values')}`, 'values', 400)}`}
      />
    <//>
  </section>`;
}

/** Where Google finds the feed of product ratings. @param {Kept} props */
function Feed(props) {
  const {site, answer} = props;
  const was = answer.body.settings['reviews.feed'] || 'off';
  const [state, setState] = useState(was);
  const mayChange = may(site, 'admin');
  const loaded = useLoad(
    signal => (mayChange && was !== 'off' ? get(`/sites/${site}/reviews/feed`, {}, signal) : Promise.resolve({})),
    [site, was],
  );
  const renew = async () => {
    try {
      loaded.set(await post(`/sites/${site}/reviews/feed/renewal`, {}));
      toast(t('saved'));
    } catch (error) {
      complain(error);
    }
  };
  return html`<section class="panel">
    <${Form}
      onSubmit=${() => keep(props, {'reviews.feed': state})}
      label=${t('save')}
      disabled=${!mayChange || state === was}
    >
      <${Choice}
        label=${t('setting.reviews.feed')}
        value=${state}
        disabled=${!mayChange}
        onInput=${setState}
        options=${['off', 'private', 'public'].map(one => [one, t(`setting.reviews.feed.is.${one}`)])}
      />
    <//>
    <${Loaded} from=${loaded} rows=${1}>
      ${(/** @type {any} */ told) =>
        told.url &&
        html`<${Copy} label=${t('reviews.feed.address')} text=${told.url} />
          ${told.keyed && html`<p><button type="button" onClick=${renew}>${t('reviews.feed.renew')}</button></p>`}`}
    <//>
  </section>`;
}
