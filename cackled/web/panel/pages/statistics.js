// What was written and decided, how long it took, who reads now.
import {html} from '../libraries.js';
import {get} from '../api.js';
import {address, query, setQuery} from '../router.js';
import {may} from '../session.js';
import {Bars, lastDays} from '../ui/chart.js';
import {Choice} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Heading, Name} from '../ui/parts.js';
import {Table} from '../ui/table.js';
import {day, has, number, t} from '../words.js';

/** @typedef {{day: string, kind: string, pending: number, approved: number, spam: number, rejected: number, deleted: number}} Day */
/** @typedef {{who: string, name: string, decisions: Record<string, number>, waited: number, seconds: number | null}} Moderator */
/** @typedef {{channel: string, key: string, title: string, url: string, count: number}} Page */

const STATES = /** @type {const} */ (['approved', 'pending', 'spam', 'rejected', 'deleted']);
/** @type {Record<string, string>} */
const TONES = {approved: 'good', pending: 'warn', spam: 'bad', rejected: 'accent', deleted: 'muted'};
// The bounds of the slots of times to a decision, in seconds; the last slot has none.
const SLOTS = [60, 600, 3_600, 21_600, 86_400];

/** A length of time in words. @param {number | null} seconds */
function lasting(seconds) {
  if (seconds === null) return '–';
  if (seconds < 90) return t('time.seconds', {n: Math.round(seconds)});
  if (seconds < 5_400) return t('time.minutes', {n: Math.round(seconds / 60)});
  if (seconds < 129_600) return t('time.hours', {n: Math.round(seconds / 3_600)});
  return t('time.days', {n: Math.round(seconds / 86_400)});
}

/** The mean time to a decision. @param {Moderator[]} all @returns {number | null} */
function meanOf(all) {
  const waited = all.reduce((sum, one) => sum + one.waited, 0);
  return waited ? all.reduce((sum, one) => sum + one.waited * (one.seconds ?? 0), 0) / waited : null;
}

/** @param {{days: Day[], length: number}} props */
function Written({days, length}) {
  const labels = lastDays(length);
  /** @param {string} label @param {typeof STATES[number]} state */
  const sum = (label, state) => days.filter(one => one.day === label).reduce((all, one) => all + one[state], 0);
  return html`<section class="panel">
    <${Bars}
      title=${t('statistics.written')}
      labels=${labels.map(one => day(`${one}T12:00:00Z`))}
      series=${STATES.map(state => ({name: t(`state.${state}`), tone: TONES[state], values: labels.map(label => sum(label, state))}))}
    />
  </section>`;
}

/** @param {{title: string, pages: Page[], site: string, label: string}} props */
function Pages({title, pages, site, label}) {
  return html`<section class="stack">
    <h2>${title}</h2>
    <${Table}
      label=${title}
      rows=${pages}
      id=${(/** @type {Page} */ one) => one.channel}
      empty=${t('statistics.none')}
      columns=${[
        {
          label: t('queue.channel'),
          cell: (/** @type {Page} */ one) =>
            may(site, 'moderator')
              ? html`<a class="break" href=${address(`/sites/${site}/queue`, {state: 'all', channel: one.key})}
                  ><bdi>${one.title || one.key}</bdi></a
                >`
              : html`<bdi class="break">${one.title || one.key}</bdi>`,
        },
        {label, number: true, cell: (/** @type {Page} */ one) => number(one.count)},
      ]}
    />
  </section>`;
}

/** @param {{site: string}} props */
export function StatisticsPage({site}) {
  const days = Math.min(366, Math.max(1, Number(query.value.get('days')) || 30));
  const loaded = useLoad(signal => get(`/sites/${site}/moderation/statistics`, {days}, signal), [site, days]);
  return html`<div class="page">
    <${Heading}
      aside=${html`<${Choice}
        label=${t('statistics.days')}
        value=${String(days)}
        onInput=${(/** @type {string} */ n) => setQuery({days: n})}
        options=${[7, 30, 90, 365].map(n => [String(n), t('ban.days', {n})])}
      />`}
      >${t('nav.statistics')}<//
    >
    <${Loaded} from=${loaded} rows=${6}>
      ${(/** @type {any} */ found) =>
        html` <div class="figures">
            <div class="panel">
              <strong>${number(found.readers)}</strong><span class="muted">${t('statistics.readers')}</span>
            </div>
            <div class="panel">
              <strong
                >${number(found.days.reduce((/** @type {number} */ all, /** @type {Day} */ one) => all + STATES.reduce((sum, state) => sum + one[state], 0), 0))}</strong
              ><span class="muted">${t('statistics.total')}</span>
            </div>
            <div class="panel">
              <strong>${lasting(meanOf(found.moderators))}</strong><span class="muted">${t('statistics.wait')}</span>
            </div>
          </div>
          <${Written} days=${found.days} length=${days} />
          ${
            found.slots?.length > 0 &&
            html`<section class="panel">
              <${Bars}
                title=${t('statistics.slots')}
                name=${t('statistics.within')}
                labels=${[...SLOTS.map(one => `< ${lasting(one)}`), `> ${lasting(SLOTS[SLOTS.length - 1])}`]}
                series=${[{name: t('statistics.decisions'), tone: 'accent', values: found.slots}]}
              />
            </section>`
          }
          <section class="stack">
            <h2>${t('statistics.moderators')}</h2>
            <${Table}
              label=${t('statistics.moderators')}
              rows=${found.moderators}
              id=${(/** @type {Moderator} */ one) => one.who}
              empty=${t('statistics.none')}
              columns=${[
                {
                  label: t('name'),
                  cell: (/** @type {Moderator} */ one) => html`<${Name} name=${one.name || one.who} />`,
                },
                {
                  label: t('statistics.decisions'),
                  cell: (/** @type {Moderator} */ one) =>
                    html`<span class="row"
                      >${Object.entries(one.decisions).map(([deed, n]) => html`<span key=${deed}>${has(`do.${deed}`) ? t(`do.${deed}`) : deed} ${number(n)}</span>`)}</span
                    >`,
                },
                {
                  label: t('statistics.wait'),
                  number: true,
                  cell: (/** @type {Moderator} */ one) => lasting(one.seconds),
                },
              ]}
            />
          </section>
          <${Pages}
            site=${site}
            title=${t('statistics.reading')}
            pages=${found.read}
            label=${t('statistics.readers')}
          />
          <${Pages}
            site=${site}
            title=${t('statistics.busy')}
            pages=${found.written}
            label=${t('statistics.comments')}
          />`}
    <//>
  </div>`;
}
