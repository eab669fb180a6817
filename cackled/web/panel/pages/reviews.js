// Reviews: how stars went, signs of fraud, requests by mail and the orders behind them.
import {html, useState} from '../libraries.js';
import {ask, get, post, remove} from '../api.js';
import {address, query, setQuery} from '../router.js';
import {may} from '../session.js';
import {complain, toast} from '../toasts.js';
import {Bars, lastDays} from '../ui/chart.js';
import {Check, Choice, Field, Form} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Heading, Mark, When} from '../ui/parts.js';
import {Table} from '../ui/table.js';
import {day, number, t} from '../words.js';
import {OrderLink, ReviewTabs} from './reviews_parts.js';

const TONES = /** @type {const} */ (['bad', 'warn', 'muted', 'accent', 'good']);
const STATES = /** @type {const} */ (['waiting', 'sent', 'reminded', 'opened', 'answered', 'stopped', 'failed']);
/** @type {Record<string, string>} */
const KINDS = {answered: 'good', failed: 'bad', stopped: '', opened: 'accent'};

/** @param {{days: {day: string, stars: number[]}[], length: number}} props */
function ByDay({days, length}) {
  const found = new Map(days.map(one => [one.day.slice(0, 10), one.stars]));
  const labels = lastDays(length, [...found.keys()]);
  return html`<${Bars}
    title=${t('reviews.days')}
    labels=${labels.map(one => day(`${one}T12:00:00Z`))}
    series=${[1, 2, 3, 4, 5].map(n => ({
      name: t('reviews.stars', {n}),
      tone: TONES[n - 1],
      values: labels.map(one => found.get(one)?.[n - 1] || 0),
    }))}
  />`;
}

/** @param {{site: string}} props */
export function ReviewsPage({site}) {
  const days = Math.min(366, Math.max(1, Number(query.value.get('days')) || 90));
  const loaded = useLoad(
    signal =>
      Promise.all([
        get(`/sites/${site}/reviews/statistics`, {days}, signal),
        get(`/sites/${site}/reviews/signals`, {days}, signal),
      ]),
    [site, days],
  );
  return html`<div class="page">
    <${Heading}
      aside=${html`<${Choice}
        label=${t('statistics.days')}
        value=${String(days)}
        onInput=${(/** @type {string} */ n) => setQuery({days: n})}
        options=${[7, 30, 90, 365].map(n => [String(n), t('ban.days', {n})])}
      />`}
      >${t('nav.reviews')}<//
    >
    <${ReviewTabs} site=${site} current="" />
    <${Loaded} from=${loaded} rows=${6}>
      ${(/** @type {[any, any]} */ [found, signs]) =>
        html` <section class="panel">
            <${ByDay} days=${found.days} length=${days} />
          </section>
          <section class="stack">
            <h2>${t('reviews.signals')}</h2>
            <p class="muted">${t('reviews.signals.text')}</p>
            <${Table}
              label=${t('reviews.signals')}
              rows=${signs.signals.map((/** @type {any} */ one, /** @type {number} */ at) => ({...one, at}))}
              id=${(/** @type {any} */ one) => one.at}
              empty=${t('statistics.none')}
              columns=${[
                {
                  label: t('reviews.sign'),
                  cell: (/** @type {any} */ one) => html`<${Mark} kind="warn">${t(`reviews.signal.${one.kind}`)}<//>`,
                },
                {
                  label: t('queue.channel'),
                  cell: (/** @type {any} */ one) =>
                    html`<a
                      class="break"
                      href=${address(`/sites/${site}/queue`, {state: 'all', product: 'reviews', channel: one.key})}
                      ><bdi>${one.title || one.key}</bdi></a
                    >`,
                },
                {label: t('nav.reviews'), number: true, cell: (/** @type {any} */ one) => number(one.reviews.length)},
                {label: t('audit.at'), cell: (/** @type {any} */ one) => html`<${When} at=${one.since} />`},
              ]}
            />
          </section>
          <section class="stack">
            <h2>${t('reviews.criteria')}</h2>
            <${Table}
              label=${t('reviews.criteria')}
              rows=${Object.entries(found.criteria)}
              id=${(/** @type {any} */ one) => one[0]}
              empty=${t('statistics.none')}
              columns=${[
                {label: t('name'), cell: (/** @type {any} */ one) => html`<bdi>${found.names[one[0]] || one[0]}</bdi>`},
                {
                  label: t('reviews.average'),
                  number: true,
                  cell: (/** @type {any} */ one) => (one[1].average === null ? '–' : number(one[1].average)),
                },
                {label: t('nav.reviews'), number: true, cell: (/** @type {any} */ one) => number(one[1].count)},
              ]}
            />
          </section>
          <section class="stack">
            <h2>${t('reviews.words')}</h2>
            <${Table}
              label=${t('reviews.words')}
              rows=${found.words}
              id=${(/** @type {any} */ one) => one.word}
              empty=${t('statistics.none')}
              columns=${[
                {
                  label: t('mark.word'),
                  cell: (/** @type {any} */ one) =>
                    html`<a href=${address(`/sites/${site}/queue`, {state: 'all', product: 'reviews', q: one.word})}
                      ><bdi>${one.word}</bdi></a
                    >`,
                },
                {label: t('reviews.stars', {n: 1}), number: true, cell: (/** @type {any} */ one) => number(one.one)},
                {label: t('reviews.all'), number: true, cell: (/** @type {any} */ one) => number(one.all)},
              ]}
            />
          </section>`}
    <//>
  </div>`;
}

/** @param {{site: string}} props */
export function RequestsPage({site}) {
  const state = STATES.find(one => one === query.value.get('state')) || '';
  const loaded = useLoad(signal => get(`/sites/${site}/reviews/requests`, {state}, signal), [site, state]);
  /** @param {any} found */
  const more = async found => {
    try {
      const next = await get(`/sites/${site}/reviews/requests`, {state, before: found.before});
      loaded.set({...next, requests: [...found.requests, ...next.requests]});
    } catch (error) {
      complain(error);
    }
  };
  /** @param {string} id */
  const stop = async id => {
    try {
      await remove(`/sites/${site}/reviews/requests/${id}`);
      toast(t('saved'));
      await loaded.again();
    } catch (error) {
      complain(error);
    }
  };
  return html`<div class="page">
    <${Heading}
      aside=${html`<${Choice}
        label=${t('providers.state')}
        value=${state}
        onInput=${(/** @type {string} */ one) => setQuery({state: one})}
        options=${[['', t('reviews.all')], ...STATES.map(one => [one, t(`reviews.request.${one}`)])]}
      />`}
      >${t('nav.reviews')}<//
    >
    <${ReviewTabs} site=${site} current="/requests" />
    <${Ground} site=${site} />
    <${Loaded} from=${loaded} rows=${6}>
      ${(/** @type {any} */ found) =>
        html` <div class="figures">
            ${['sent', 'opened', 'answered'].map(one => html`<div class="panel" key=${one}><strong>${number(found.figures[one])}</strong><span class="muted">${t(`reviews.request.${one}`)}</span></div>`)}
          </div>
          <${Table}
            label=${t('reviews.requests')}
            rows=${found.requests}
            id=${(/** @type {any} */ one) => one.id}
            empty=${t('reviews.no_requests')}
            columns=${[
              {
                label: t('reviews.order'),
                cell: (/** @type {any} */ one) => html`<span class="code">${one.order}</span>`,
              },
              {label: t('email'), cell: (/** @type {any} */ one) => html`<bdi>${one.email}</bdi>`},
              {
                label: t('providers.state'),
                cell: (/** @type {any} */ one) =>
                  html`<${Mark} kind=${KINDS[one.state] || ''}>${t(`reviews.request.${one.state}`)}<//>
                    ${one.note && html`<span class="muted">${one.note}</span>`}`,
              },
              {label: t('reviews.due'), cell: (/** @type {any} */ one) => html`<${When} at=${one.due} />`},
              {
                label: t('actions'),
                hidden: true,
                cell: (/** @type {any} */ one) =>
                  ['waiting', 'sent'].includes(one.state) &&
                  html`<button type="button" onClick=${() => stop(one.id)}>${t('reviews.stop')}</button>`,
              },
            ]}
          />
          ${found.before && html`<div class="actions"><button type="button" onClick=${() => more(found)}>${t('more')}</button></div>`}`}
    <//>
    <${OrderLink} site=${site} />
    <${Upload} site=${site} onDone=${loaded.again} />
  </div>`;
}

/** On which legal ground buyers are written to; nobody is before that is chosen. @param {{site: string}} props */
function Ground({site}) {
  const loaded = useLoad(signal => ask('GET', `/sites/${site}/settings`, {signal}), [site]);
  const [ground, setGround] = useState('');
  const [sure, setSure] = useState(false);
  const mayChange = may(site, 'admin');
  return html`<${Loaded} from=${loaded} rows=${1}>
    ${(/** @type {import('../api.js').Answer} */ answer) => {
      const now = answer.body.settings['reviews.requests'] || 'off';
      const chosen = ground || now;
      const save = async () => {
        const made = await ask('PATCH', `/sites/${site}/settings`, {
          body: {settings: {'reviews.requests': chosen}},
          match: answer.etag,
        });
        setSure(false);
        toast(t('saved'));
        loaded.set(made);
      };
      return html`<section class="panel">
        <${Form}
          onSubmit=${save}
          label=${t('save')}
          disabled=${!mayChange || chosen === now || (chosen !== 'off' && !sure)}
        >
          <${Choice}
            label=${t('reviews.ground')}
            value=${chosen}
            disabled=${!mayChange}
            onInput=${setGround}
            options=${['off', 'consent', 'customer'].map(one => [one, t(`reviews.ground.${one}`)])}
          />
          ${chosen !== 'off' && chosen !== now && html`<${Check} label=${t('reviews.legal')} checked=${sure} onInput=${setSure} />`}
        <//>
      </section>`;
    }}
  <//>`;
}

/** Orders from a file. @param {{site: string, onDone: () => void}} props */
function Upload({site, onDone}) {
  const [csv, setCsv] = useState('');
  const [told, setTold] = useState(/** @type {any} */ (null));
  const read = async (/** @type {any} */ event) => {
    const file = event.currentTarget.files[0];
    if (file) setCsv(await file.text());
  };
  const send = async () => {
    const made = await post(`/sites/${site}/reviews/orders/csv`, {csv});
    setTold(made);
    setCsv('');
    onDone();
  };
  return html`<section class="panel">
    <h2>${t('reviews.csv')}</h2>
    <${Form} onSubmit=${send} label=${t('reviews.csv.go')} disabled=${!csv.trim()}>
      <input type="file" accept=".csv,text/csv" aria-label=${t('reviews.csv')} onChange=${read} />
      <${Field}
        label="CSV"
        area
        rows=${4}
        value=${csv}
        hint=${t('reviews.csv.hint')}
        spellcheck="false"
        onInput=${setCsv}
      />
    <//>
    ${
      told &&
      html`<p role="status">${t('reviews.csv.done', {made: told.made, rows: told.rows})}</p>
        ${
          told.refused.length > 0 &&
          html`<${Table}
            label=${t('reviews.csv')}
            rows=${told.refused}
            id=${(/** @type {any} */ one) => `${one.row}-${one.reason}`}
            columns=${[
              {label: t('reviews.row'), number: true, cell: (/** @type {any} */ one) => number(one.row)},
              {label: t('detail.why'), cell: (/** @type {any} */ one) => html`<span class="code">${one.reason}</span>`},
            ]}
          />`
        }`
    }
  </section>`;
}
