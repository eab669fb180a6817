// The polls of a site: made, changed, watched, closed; what visitors proposed and what came in a burst is decided here.
import {html, useEffect, useState} from '../libraries.js';
import {get, patch, post, put, tagOf} from '../api.js';
import {PollForm} from './poll_form.js';
import {address, go} from '../router.js';
import {complain, toast} from '../toasts.js';
import {Copy} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Heading, Mark, When} from '../ui/parts.js';
import {Table} from '../ui/table.js';
import {number, percent, t} from '../words.js';

/** @typedef {{id: string, kind: string, question: string, state: string, voters: number, held: number, proposals: number, created_at: string}} Listed */

// Milliseconds between two looks at the results of a poll that is open.
const LIVE = 5_000;

/** What a page needs. @param {string} site @param {string} id */
const snippet = (site, id) => `<div id="mc-poll-${id}"></div>
<script>
cackle_widget = window.cackle_widget || [];
cackle_widget.push({widget: 'Poll', id: ${site}, pollId: '${id}', container: 'mc-poll-${id}'});
</script>
<script async src="${location.origin}/widget.js"></script>`;

/**
 * Who leaves a ranked poll after a round, and why that one.
 * @param {{out: string, by: string, tied: string[]}} round
 * @param {any[]} options
 */
function outOf({out, by, tied}, options) {
  const name = (/** @type {string} */ id) => options.find(one => one.id === id)?.text || id;
  if (!out) return '–';
  if (!by) return html`<bdi>${name(out)}</bdi>`;
  return html`<bdi>${name(out)}</bdi>
    <div class="muted">${t(`polls.tie.${by}`, {names: tied.map(name).join(', ')})}</div>`;
}

/** @param {{site: string}} props */
export function PollsPage({site}) {
  const loaded = useLoad(signal => get(`/sites/${site}/polls`, {}, signal), [site]);
  const [open, setOpen] = useState(false);
  const more = async () => {
    const rows = loaded.value.polls;
    try {
      const page = await get(`/sites/${site}/polls`, {before: rows.at(-1).id});
      loaded.set({polls: [...rows, ...page.polls], ended: page.polls.length === 0});
    } catch (error) {
      complain(error, more);
    }
  };
  return html`<div class="page">
    <${Heading}
      aside=${html`<button type="button" class="primary" onClick=${() => setOpen(true)}>${t('polls.make')}</button>`}
      >${t('nav.polls')}<//
    >
    <${Loaded} from=${loaded}>
      ${(/** @type {{polls: Listed[], ended?: boolean}} */ found) =>
        html`<${Table}
            label=${t('nav.polls')}
            rows=${found.polls}
            id=${(/** @type {Listed} */ one) => one.id}
            empty=${t('polls.none')}
            columns=${[
              {
                label: t('polls.question'),
                cell: (/** @type {Listed} */ one) =>
                  html`<a class="break" href=${address(`/sites/${site}/polls/${one.id}`)}
                    ><bdi>${one.question}</bdi></a
                  >`,
              },
              {label: t('polls.kind'), cell: (/** @type {Listed} */ one) => t(`polls.kind.${one.kind}`)},
              {
                label: t('providers.state'),
                cell: (/** @type {Listed} */ one) =>
                  html`<${Mark} kind=${one.state === 'open' ? 'good' : ''}>${t(`polls.state.${one.state}`)}<//>`,
              },
              {label: t('polls.voters'), number: true, cell: (/** @type {Listed} */ one) => number(one.voters)},
              {
                label: t('polls.wait'),
                number: true,
                cell: (/** @type {Listed} */ one) => number(one.held + one.proposals),
              },
              {label: t('polls.made'), cell: (/** @type {Listed} */ one) => html`<${When} at=${one.created_at} />`},
            ]}
          />${found.polls.length >= 25 && !found.ended && html`<div class="actions"><button type="button" onClick=${more}>${t('more')}</button></div>`}`}
    <//>
    ${
      open &&
      html`<${PollForm}
        site=${site}
        onClose=${() => setOpen(false)}
        onDone=${() => {
          setOpen(false);
          loaded.again();
        }}
      />`
    }
  </div>`;
}

/** @param {{site: string, poll: string}} props */
export function PollPage({site, poll}) {
  const base = `/sites/${site}/polls/${poll}`;
  const loaded = useLoad(signal => Promise.all([get(base, {}, signal), get(`${base}/results`, {}, signal)]), [base]);
  const [open, setOpen] = useState('');
  const live = loaded.value?.[0].poll.state === 'open' && !open;
  useEffect(() => {
    if (!live) return undefined;
    const timer = setInterval(() => document.hidden || loaded.busy || loaded.again(), LIVE);
    return () => clearInterval(timer);
  }, [base, live]);
  /** @param {() => Promise<any>} call */
  const act = async call => {
    try {
      await call();
      toast(t('saved'));
      await loaded.again();
    } catch (error) {
      complain(error);
    }
  };
  return html`<div class="page narrow">
    <${Loaded} from=${loaded}>
      ${(/** @type {[any, any]} */ [shown, all]) =>
        html` <${Heading}
            lead=${`${t(`polls.kind.${all.kind}`)} · ${t(`polls.state.${shown.poll.state}`)}`}
            aside=${html`<button type="button" onClick=${() => setOpen('change')}>${t('change')}</button>
              <button type="button" onClick=${() => setOpen('copy')}>${t('polls.copy')}</button>
              ${shown.poll.state !== 'closed' && html`<button type="button" onClick=${() => act(() => patch(base, {closed: true}, {match: tagOf(all)}))}>${t('polls.close')}</button>`}
              <a class="button" href=${`/api/v1${base}/export`} download>CSV</a>`}
            ><bdi>${all.question}</bdi><//
          >
          <p>
            ${t('polls.count', {n: all.voters})}${all.removed > 0 && ` ${t('polls.removed', {n: all.removed})}`}
            ${all.kind === 'multiple' && html` <span class="muted">${t('polls.share')}</span>`}
          </p>
          <section class="panel">
            <h2>${t('polls.results')}</h2>
            ${all.options
              .filter((/** @type {any} */ one) => one.state === 1)
              .map(
                (/** @type {any} */ one) =>
                  html`<div class="bar" key=${one.id}>
                    <span
                      ><bdi>${one.text || one.value}</bdi
                      >${one.correct && html` <${Mark} kind="good">${t('polls.right')}<//>`}</span
                    >
                    <progress value=${one.votes} max=${Math.max(1, all.voters)} aria-label=${one.text}></progress
                    ><span class="number"
                      >${number(one.votes)} · ${percent(all.voters ? one.votes / all.voters : 0)}</span
                    >
                  </div>`,
              )}
            ${
              all.outcome?.rounds?.length > 0 &&
              html`<${Table}
                label=${t('polls.rounds')}
                rows=${all.outcome.rounds.map((/** @type {any} */ one, /** @type {number} */ at) => ({...one, at}))}
                id=${(/** @type {any} */ one) => one.at}
                columns=${[
                  {label: t('polls.round'), number: true, cell: (/** @type {any} */ one) => one.at + 1},
                  ...all.options
                    .filter((/** @type {any} */ one) => one.state === 1)
                    .map((/** @type {any} */ option) => ({
                      label: option.text,
                      number: true,
                      cell: (/** @type {any} */ one) =>
                        number(one.counts.find((/** @type {any} */ pair) => pair[0] === option.id)?.[1] ?? 0),
                    })),
                  {label: t('polls.exhausted'), number: true, cell: (/** @type {any} */ one) => number(one.exhausted)},
                  {label: t('polls.out'), cell: (/** @type {any} */ one) => outOf(one, all.options)},
                ]}
              />`
            }
          </section>
          ${
            all.options.some((/** @type {any} */ one) => one.state === 0) &&
            html`<section class="panel">
              <h2>${t('polls.proposed')}</h2>
              ${all.options
                .filter((/** @type {any} */ one) => one.state === 0)
                .map(
                  (/** @type {any} */ one) =>
                    html`<div class="row" key=${one.id}>
                      <bdi class="break">${one.text}</bdi><span class="grow"></span>
                      <button
                        type="button"
                        class="good"
                        onClick=${() => act(() => put(`${base}/options/${one.id}`, {shown: true}))}
                      >
                        ${t('polls.show')}
                      </button>
                      <button
                        type="button"
                        onClick=${() => act(() => put(`${base}/options/${one.id}`, {shown: false}))}
                      >
                        ${t('polls.refuse')}
                      </button>
                    </div>`,
                )}
            </section>`
          }
          ${
            all.bursts.length > 0 &&
            html`<section class="stack">
              <h2>${t('polls.bursts')}</h2>
              <p class="muted">${t('polls.bursts.text')}</p>
              <${Table}
                label=${t('polls.bursts')}
                rows=${all.bursts}
                id=${(/** @type {any} */ one) => one.network + one.minute}
                columns=${[
                  {
                    label: t('ban.network'),
                    cell: (/** @type {any} */ one) => html`<span class="code">${one.network}</span>`,
                  },
                  {label: t('audit.at'), cell: (/** @type {any} */ one) => html`<${When} at=${one.minute} />`},
                  {label: t('polls.votes'), number: true, cell: (/** @type {any} */ one) => number(one.votes)},
                  {label: t('polls.held'), number: true, cell: (/** @type {any} */ one) => number(one.held)},
                  {
                    label: t('actions'),
                    hidden: true,
                    cell: (/** @type {any} */ one) =>
                      html`<div class="actions end">
                        ${['count', 'strike'].map(action => html`<button type="button" key=${action} onClick=${() => act(() => post(`${base}/bursts`, {network: one.network, minute: one.minute, action}))}>${t(`polls.burst.${action}`)}</button>`)}
                      </div>`,
                  },
                ]}
              />
            </section>`
          }
          ${['days', 'origins'].map(
            name =>
              html`<section class="stack" key=${name}>
                <h2>${t(`polls.${name}`)}</h2>
                <${Table}
                  label=${t(`polls.${name}`)}
                  rows=${all[name]}
                  id=${(/** @type {any} */ one) => one.name}
                  empty=${t('statistics.none')}
                  columns=${[
                    {
                      label: t(name === 'days' ? 'chart.label' : 'polls.origin'),
                      cell: (/** @type {any} */ one) => html`<bdi class="break">${one.name || '–'}</bdi>`,
                    },
                    {label: t('polls.votes'), number: true, cell: (/** @type {any} */ one) => number(one.votes)},
                  ]}
                />
              </section>`,
          )}
          <section class="panel"><${Copy} label=${t('polls.embed')} text=${snippet(site, poll)} rows=${6} /></section>
          ${
            open &&
            html`<${PollForm}
              site=${site}
              old=${{...shown.poll, ...all}}
              copy=${open === 'copy'}
              onClose=${() => setOpen('')}
              onDone=${(/** @type {string} */ id) => {
                setOpen('');
                if (open === 'copy') go(`/sites/${site}/polls/${id}`);
                else loaded.again();
              }}
            />`
          }`}
    <//>
  </div>`;
}
