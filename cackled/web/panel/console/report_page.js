// Reports: each figure with what it means beside it; when chats come; by operator; and all of it as a table.
import {html, useState} from '../libraries.js';
import {get} from '../api.js';
import {query, setQuery} from '../router.js';
import {Bars} from '../ui/chart.js';
import {Choice, Field} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Name} from '../ui/parts.js';
import {Table} from '../ui/table.js';
import {known, number, percent, t} from '../words.js';
import {Head} from './pages_of.js';
import {span} from './parts.js';

const FIGURES = ['first_response', 'reply', 'wait', 'resolution'];
const MISSED = ['offline', 'timeout', 'abandoned', 'visitor'];

/** @param {Date} at */
const date = at =>
  `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, '0')}-${String(at.getDate()).padStart(2, '0')}`;

/** @param {number} days */
const daysAgo = days => {
  const now = new Date();
  return date(new Date(now.getFullYear(), now.getMonth(), now.getDate() - days));
};

/** @param {{site: string, work: import('./work.js').Work}} props */
export function ReportPage({site, work}) {
  const from = query.value.get('from') || daysAgo(29);
  const to = query.value.get('to') || daysAgo(0);
  const department = query.value.get('department') || '';
  const asked = {from, to, ...(department ? {department} : {})};
  const loaded = useLoad(signal => get(`/sites/${site}/chats/report`, asked, signal), [site, from, to, department]);
  const [business, setBusiness] = useState(false);
  const csv = `/api/v1/sites/${site}/chats/report/csv?${new URLSearchParams(asked)}`;
  return html`<div class="page">
    <${Head}
      site=${site}
      current="report"
      aside=${html`<a class="button" href=${csv} download=${`chats-${from}-${to}.csv`}>${t('chat.csv')}</a>`}
    />
    <div class="row report-range">
      <${Field}
        label=${t('chat.from')}
        type="date"
        max=${to}
        value=${from}
        onInput=${(/** @type {string} */ value) => value && setQuery({from: value})}
      />
      <${Field}
        label=${t('chat.to')}
        type="date"
        min=${from}
        max=${daysAgo(0)}
        value=${to}
        onInput=${(/** @type {string} */ value) => value && setQuery({to: value})}
      />
      ${
        work.departments.value.length > 0 &&
        html`<${Choice}
          label=${t('chat.department')}
          value=${department}
          onInput=${(/** @type {string} */ value) => setQuery({department: value || null})}
          options=${[['', t('chat.any')], ...work.departments.value.map(one => [String(one.id), one.name])]}
        />`
      }
      <div class="row" role="group" aria-label=${t('chat.clock')}>
        <button type="button" aria-pressed=${!business} onClick=${() => setBusiness(false)}>
          ${t('chat.clock.wall')}
        </button>
        <button type="button" aria-pressed=${business} onClick=${() => setBusiness(true)}>
          ${t('chat.clock.business')}
        </button>
      </div>
    </div>
    <${Loaded} from=${loaded} rows=${6}>
      ${(/** @type {any} */ report) => {
        const csat = report.csat || {};
        const missed = report.missed || {};
        return html`
          <div class="figures">
            <div class="panel">
              <span class="muted">${t('chat.chats')}</span><strong>${number(report.chats || 0)}</strong>
            </div>
            <div class="panel">
              <span class="muted">${t('chat.list.closed')}</span><strong>${number(report.closed || 0)}</strong>
            </div>
            <div class="panel">
              <span class="muted">${t('chat.csat')}</span
              ><strong>${csat.answers ? percent(csat.positive / csat.answers) : '–'}</strong>
              <span class="hint">${t('chat.csat.means', {n: csat.answers || 0, asked: csat.asked || 0})}</span>
            </div>
          </div>
          <section class="stack">
            <h2>${t('chat.times')}</h2>
            <${Table}
              label=${t('chat.times')}
              rows=${FIGURES}
              id=${(/** @type {string} */ one) => one}
              columns=${[
                {
                  label: t('chat.figure'),
                  cell: (/** @type {string} */ one) =>
                    html`<span class="means"
                      ><strong>${t(`chat.figure.${one}`)}</strong
                      ><span class="hint">${t(`chat.figure.${one}.means`)}</span></span
                    >`,
                },
                ...['median', 'p90', 'mean'].map(kind => ({
                  label: t(`chat.${kind}`),
                  number: true,
                  cell: (/** @type {string} */ one) => {
                    const all = report.figures?.[one] || {};
                    return span((business ? all.business : all)?.[kind]);
                  },
                })),
                {
                  label: t('chat.n'),
                  number: true,
                  cell: (/** @type {string} */ one) => number(report.figures?.[one]?.n || 0),
                },
              ]}
            />
          </section>
          <section class="stack">
            <h2>${t('chat.missed')}</h2>
            <${Table}
              label=${t('chat.missed')}
              rows=${MISSED}
              id=${(/** @type {string} */ one) => one}
              columns=${[
                {
                  label: t('chat.figure'),
                  cell: (/** @type {string} */ one) =>
                    html`<span class="means"
                      ><strong>${t(`chat.missed.${one}`)}</strong
                      ><span class="hint">${t(`chat.missed.${one}.means`)}</span></span
                    >`,
                },
                {label: t('chat.chats'), number: true, cell: (/** @type {string} */ one) => number(missed[one] || 0)},
              ]}
            />
          </section>
          ${report.heat && html`<${Heat} heat=${report.heat} />`}
          <section class="stack">
            <h2>${t('chat.operators')}</h2>
            <${Table}
              label=${t('chat.operators')}
              rows=${report.operators || []}
              id=${(/** @type {any} */ one) => one.id}
              empty=${t('chat.operators.none')}
              columns=${[
                {label: t('name'), cell: (/** @type {any} */ one) => html`<${Name} name=${one.name} />`},
                {label: t('chat.chats'), number: true, cell: (/** @type {any} */ one) => number(one.chats || 0)},
                {
                  label: t('chat.figure.first_response'),
                  number: true,
                  cell: (/** @type {any} */ one) => span(one.first_response),
                },
                {
                  label: t('chat.figure.resolution'),
                  number: true,
                  cell: (/** @type {any} */ one) => span(one.resolution),
                },
                {
                  label: t('chat.csat'),
                  number: true,
                  cell: (/** @type {any} */ one) => (typeof one.csat === 'number' ? percent(one.csat / 100) : '–'),
                },
              ]}
            />
          </section>
          ${(report.departments || []).some((/** @type {any} */ one) => one.id) && html`<${Departments} rows=${report.departments} />`}
          ${(report.invitations || []).length > 0 && html`<${Invited} rows=${report.invitations} />`}
        `;
      }}
    <//>
  </div>`;
}

/** Each text of each invitation, with its share of those that were shown. @param {{rows: any[]}} props */
const Invited = ({rows}) =>
  html`<section class="stack">
    <h2>${t('chat.invitations')}</h2>
    <${Table}
      label=${t('chat.invitations')}
      rows=${rows}
      id=${(/** @type {any} */ one) => `${one.id} ${one.variant}`}
      columns=${[
        {
          label: t('chat.invitations.text'),
          cell: (/** @type {any} */ one) =>
            html`<span class="mark">${one.variant.toUpperCase()}</span> <span dir="auto">${one.text}</span>`,
        },
        {label: t('chat.invitations.shown'), number: true, cell: (/** @type {any} */ one) => number(one.shown)},
        ...['opened', 'started'].map(kind => ({
          label: t(`chat.invitations.${kind}`),
          number: true,
          cell: (/** @type {any} */ one) =>
            one.shown ? `${number(one[kind])} · ${percent(one[kind] / one.shown)}` : number(one[kind]),
        })),
      ]}
    />
  </section>`;

/** @param {{rows: any[]}} props */
const Departments = ({rows}) =>
  html`<section class="stack">
    <h2>${t('chat.departments')}</h2>
    <${Table}
      label=${t('chat.departments')}
      rows=${rows}
      id=${(/** @type {any} */ one) => one.id || ''}
      columns=${[
        {label: t('name'), cell: (/** @type {any} */ one) => html`<bdi>${one.id ? one.name : '–'}</bdi>`},
        {label: t('chat.chats'), number: true, cell: (/** @type {any} */ one) => number(one.chats)},
        {label: t('chat.missed'), number: true, cell: (/** @type {any} */ one) => number(one.missed)},
        ...['first_response', 'wait', 'resolution'].map(kind => ({
          label: t(`chat.figure.${kind}`),
          number: true,
          cell: (/** @type {any} */ one) => span(one[kind]),
        })),
        {
          label: t('chat.csat'),
          number: true,
          cell: (/** @type {any} */ one) => (typeof one.csat === 'number' ? percent(one.csat / 100) : '–'),
        },
      ]}
    />
  </section>`;

/** @param {number} hour */
const hourName = hour =>
  new Intl.DateTimeFormat(known.value, {timeStyle: 'short', timeZone: 'UTC'}).format(
    new Date(Date.UTC(2024, 0, 1, hour)),
  );

/** When chats begin: days of the week by hours. @param {{heat: number[][]}} props */
function Heat({heat}) {
  const top = Math.max(1, ...heat.flat());
  // 2024-01-01 was a Monday.
  const name = (/** @type {number} */ n) =>
    new Intl.DateTimeFormat(known.value, {weekday: 'short', timeZone: 'UTC'}).format(
      new Date(Date.UTC(2024, 0, 1 + n)),
    );
  const hours = Array.from({length: 24}, (_, hour) => heat.reduce((sum, row) => sum + (row[hour] || 0), 0));
  return html`<section class="stack">
    <h2>${t('chat.heat')}</h2>
    <p class="hint">${t('chat.heat.means')}</p>
    <${Bars}
      title=${t('chat.clock.hour')}
      name=${t('chat.clock.hour')}
      labels=${hours.map((_, hour) => hourName(hour))}
      series=${[{name: t('chat.chats'), values: hours}]}
      height=${80}
    />
    <div class="table heat" role="region" tabindex="0" aria-label=${t('chat.heat')}>
      <table>
        <thead>
          <tr>
            <td></td>
            ${Array.from({length: 24}, (_, hour) => html`<th key=${hour} scope="col">${number(hour)}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${heat.slice(0, 7).map(
            (row, n) =>
              html`<tr key=${n}>
                <th scope="row">${name(n)}</th>
                ${row.slice(0, 24).map((many, hour) => html`<td key=${hour} class=${`heat-${many ? Math.max(1, Math.ceil((many / top) * 4)) : 0}`}>${many ? number(many) : ''}</td>`)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}
