// The polls of a site: made, changed, watched, closed; what visitors proposed and what came in a burst is decided here.
import {html, useState} from '../libraries.js';
import {get, patch, post, put} from '../api.js';
import {address} from '../router.js';
import {complain, toast} from '../toasts.js';
import {Dialog} from '../ui/dialog.js';
import {Check, Choice, Copy, Field, Form} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Rows} from '../ui/list.js';
import {Heading, Mark, When} from '../ui/parts.js';
import {Table} from '../ui/table.js';
import {number, percent, t} from '../words.js';

/** @typedef {{id: string, kind: string, question: string, state: string, voters: number, held: number, proposals: number, created_at: string}} Listed */

const KINDS = ['single', 'multiple', 'ranked', 'number', 'quiz'];
const RESULTS = ['always', 'voted', 'closed', 'staff'];
const IDENTITIES = ['session', 'account', 'mail', 'sso'];

/** @param {string} name @param {string[]} all @returns {[string, string][]} */
const choices = (name, all) => all.map(one => [one, t(`polls.${name}.${one}`)]);

/** What a page needs. @param {string} site @param {string} id */
const snippet = (site, id) => `<div id="mc-poll-${id}"></div>
<script>
cackle_widget = window.cackle_widget || [];
cackle_widget.push({widget: 'Poll', id: ${site}, pollId: '${id}', container: 'mc-poll-${id}'});
</script>
<script async src="${location.origin}/widget.js"></script>`;

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
      html`<${Edit}
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
  const [open, setOpen] = useState(false);
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
            aside=${html`<button type="button" onClick=${() => setOpen(true)}>${t('change')}</button>
              ${shown.poll.state !== 'closed' && html`<button type="button" onClick=${() => act(() => patch(base, {version: all.version, closed: true}))}>${t('polls.close')}</button>`}
              <a class="button" href=${`/api/v1${base}/export`} download>CSV</a>`}
            ><bdi>${all.question}</bdi><//
          >
          <p>${t('polls.count', {n: all.voters})}${all.removed > 0 && ` ${t('polls.removed', {n: all.removed})}`}</p>
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
          <section class="stack">
            <h2>${t('polls.days')}</h2>
            <${Table}
              label=${t('polls.days')}
              rows=${all.days}
              id=${(/** @type {any} */ one) => one.name}
              empty=${t('statistics.none')}
              columns=${[
                {label: t('chart.label'), cell: (/** @type {any} */ one) => one.name},
                {label: t('polls.votes'), number: true, cell: (/** @type {any} */ one) => number(one.votes)},
              ]}
            />
          </section>
          <section class="panel"><${Copy} label=${t('polls.embed')} text=${snippet(site, poll)} rows=${6} /></section>
          ${
            open &&
            html`<${Edit}
              site=${site}
              old=${{...shown.poll, ...all}}
              onClose=${() => setOpen(false)}
              onDone=${() => {
                setOpen(false);
                loaded.again();
              }}
            />`
          }`}
    <//>
  </div>`;
}

/** A moment as `<input type=datetime-local>` has it, and back. @param {string | null | undefined} at */
const local = at =>
  at ? new Date(new Date(at).getTime() - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16) : '';
/** @param {string} text */
const moment = text => (text ? new Date(text).toISOString() : null);

/** @param {{site: string, old?: any, onClose: () => void, onDone: () => void}} props */
function Edit({site, old, onClose, onDone}) {
  const [poll, setPoll] = useState(() => ({
    kind: 'single',
    question: '',
    description: '',
    explanation: '',
    options: [{text: ''}, {text: ''}],
    results: 'always',
    identity: 'session',
    changeable: true,
    voters_shown: false,
    write_in: false,
    low: 1,
    high: 10,
    ...old,
    ...(old
      ? {
          options: old.options
            .filter((/** @type {any} */ one) => one.state !== 2)
            .map((/** @type {any} */ one) => ({id: one.id, text: one.text, correct: !!one.correct})),
        }
      : {}),
    opens_at: local(old?.opens_at),
    closes_at: local(old?.closes_at),
  }));
  /** @param {Record<string, any>} part */
  const set = part => setPoll((/** @type {any} */ was) => ({...was, ...part}));
  const submit = async () => {
    /** @type {Record<string, any>} */
    const body = {opens_at: moment(poll.opens_at), closes_at: moment(poll.closes_at)};
    const names = [
      'question',
      'description',
      'results',
      'identity',
      'changeable',
      'voters_shown',
      'write_in',
      ...(poll.kind === 'quiz' ? ['explanation'] : []),
    ];
    if (poll.kind !== 'number') body.options = poll.options.filter((/** @type {any} */ one) => one.text.trim());
    for (const name of names) if (!old || poll[name] !== old[name]) body[name] = poll[name];
    if (old) {
      for (const name of ['opens_at', 'closes_at'])
        if (body[name] === (old[name] ? new Date(old[name]).toISOString() : null)) delete body[name];
      await patch(`/sites/${site}/polls/${old.id}`, {version: old.version, ...body});
    } else {
      await post(`/sites/${site}/polls`, {
        kind: poll.kind,
        ...body,
        ...(poll.kind === 'number' ? {low: poll.low, high: poll.high} : {}),
      });
    }
    toast(t('saved'));
    onDone();
  };
  return html`<${Dialog} title=${old ? t('polls.change') : t('polls.make')} onClose=${onClose} wide>
    <${Form} onSubmit=${submit} label=${t('save')}>
      ${!old && html`<${Choice} label=${t('polls.kind')} value=${poll.kind} options=${choices('kind', KINDS)} onInput=${(/** @type {string} */ kind) => set({kind})} />`}
      <${Field}
        label=${t('polls.question')}
        required
        maxlength="300"
        value=${poll.question}
        onInput=${(/** @type {string} */ question) => set({question})}
      />
      <${Field}
        label=${t('polls.description')}
        area
        rows=${2}
        maxlength="2000"
        value=${poll.description}
        onInput=${(/** @type {string} */ description) => set({description})}
      />
      ${
        poll.kind === 'number'
          ? !old &&
            html`<div class="pair">
              <${Field}
                label=${t('polls.low')}
                type="number"
                required
                value=${poll.low}
                onInput=${(/** @type {string} */ low) => set({low: Number(low)})}
              />
              <${Field}
                label=${t('polls.high')}
                type="number"
                required
                value=${poll.high}
                onInput=${(/** @type {string} */ high) => set({high: Number(high)})}
              />
            </div>`
          : html`<${Rows}
              label=${t('polls.options')}
              most=${50}
              empty=${{text: ''}}
              value=${poll.options}
              onInput=${(/** @type {any} */ options) => set({options})}
              row=${(/** @type {any} */ one, /** @type {any} */ change, /** @type {string} */ label) =>
                html`<input
                    class="wide"
                    aria-label=${label}
                    maxlength="200"
                    value=${one.text}
                    onInput=${(/** @type {any} */ e) => change({text: e.currentTarget.value})}
                  />
                  ${poll.kind === 'quiz' && html`<${Check} label=${t('polls.right')} checked=${!!one.correct} onInput=${(/** @type {boolean} */ correct) => change({correct})} />`}`}
            />`
      }
      ${poll.kind === 'quiz' && html`<${Field} label=${t('polls.explanation')} area rows=${2} maxlength="2000" value=${poll.explanation || ''} onInput=${(/** @type {string} */ explanation) => set({explanation})} />`}
      <div class="pair">
        <${Choice}
          label=${t('polls.results.label')}
          value=${poll.results}
          options=${choices('results', RESULTS)}
          onInput=${(/** @type {string} */ results) => set({results})}
        />
        <${Choice}
          label=${t('polls.identity.label')}
          hint=${t(`polls.identity.${poll.identity}.hint`)}
          value=${poll.identity}
          options=${choices('identity', IDENTITIES)}
          onInput=${(/** @type {string} */ identity) => set({identity})}
        />
        <${Field}
          label=${t('polls.opens')}
          type="datetime-local"
          value=${poll.opens_at}
          onInput=${(/** @type {string} */ at) => set({opens_at: at})}
        />
        <${Field}
          label=${t('polls.closes')}
          type="datetime-local"
          value=${poll.closes_at}
          onInput=${(/** @type {string} */ at) => set({closes_at: at})}
        />
      </div>
      <${Check}
        label=${t('polls.changeable')}
        checked=${poll.changeable}
        onInput=${(/** @type {boolean} */ changeable) => set({changeable})}
      />
      ${poll.kind !== 'number' && poll.kind !== 'quiz' && html`<${Check} label=${t('polls.write_in')} checked=${poll.write_in} onInput=${(/** @type {boolean} */ v) => set({write_in: v})} />`}
      ${poll.identity !== 'session' && html`<${Check} label=${t('polls.voters_shown')} checked=${poll.voters_shown} onInput=${(/** @type {boolean} */ v) => set({voters_shown: v})} />`}
    <//>
  <//>`;
}
