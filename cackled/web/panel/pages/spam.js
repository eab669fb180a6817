// What the spam filter has learnt, and how good it is by the site's own decisions.
import {html} from '../libraries.js';
import {get} from '../api.js';
import {address} from '../router.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Heading} from '../ui/parts.js';
import {Table} from '../ui/table.js';
import {number, percent, t} from '../words.js';

/** @param {number | null} value */
const share = value => (value === null ? '–' : percent(value, 1));

/** @param {{site: string}} props */
export function SpamPage({site}) {
  const loaded = useLoad(signal => get(`/sites/${site}/moderation/spam`, {}, signal), [site]);
  return html`<div class="page narrow">
    <${Heading}
      lead=${t('spam.lead')}
      aside=${html`<a class="button" href=${address(`/sites/${site}/rules`)}>${t('spam.rules')}</a>`}
      >${t('nav.spam')}<//
    >
    <${Loaded} from=${loaded}>
      ${(/** @type {any} */ found) =>
        html` <div class="figures">
            <div class="panel">
              <strong>${number(found.spam)}</strong><span class="muted">${t('spam.learnt.spam')}</span>
            </div>
            <div class="panel">
              <strong>${number(found.ham)}</strong><span class="muted">${t('spam.learnt.ham')}</span>
            </div>
            <div class="panel">
              <strong>${found.shared ? t('yes') : t('no')}</strong><span class="muted">${t('spam.shared')}</span>
            </div>
          </div>
          <section class="panel">
            <h2>${t('spam.evaluation')}</h2>
            ${
              found.evaluation.enough
                ? html`<p>${t('spam.evaluated', {n: found.evaluation.judged, learnt: found.evaluation.learnt})}</p>
                    <${Table}
                      label=${t('spam.evaluation')}
                      rows=${found.evaluation.figures}
                      id=${(/** @type {any} */ row) => row.threshold}
                      columns=${[
                        {label: t('spam.threshold'), number: true, cell: (/** @type {any} */ row) => row.threshold},
                        {label: t('spam.taken'), number: true, cell: (/** @type {any} */ row) => number(row.taken)},
                        {
                          label: t('spam.precision'),
                          number: true,
                          cell: (/** @type {any} */ row) => share(row.precision),
                        },
                        {label: t('spam.recall'), number: true, cell: (/** @type {any} */ row) => share(row.recall)},
                        {
                          label: t('spam.wrong'),
                          number: true,
                          cell: (/** @type {any} */ row) => share(row.false_positives),
                        },
                      ]}
                    />`
                : html`<p class="muted">${t('spam.few')}</p>`
            }
          </section>`}
    <//>
  </div>`;
}
