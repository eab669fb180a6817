// A poll is made, changed or made again from another one, with a preview of what visitors will see.
import {html, useState} from '../libraries.js';
import {patch, post, tagOf} from '../api.js';
import {toast} from '../toasts.js';
import {Dialog} from '../ui/dialog.js';
import {Check, Choice, Field, Form, fieldDirection} from '../ui/form.js';
import {Rows} from '../ui/list.js';
import {When} from '../ui/parts.js';
import {OptionPicture} from './poll_pictures.js';
import {number, t} from '../words.js';

/** @typedef {{id?: string, text: string, image: string, video: string, correct: boolean}} Option */

const KINDS = ['single', 'multiple', 'ranked', 'number', 'quiz'];
const RESULTS = ['always', 'voted', 'closed', 'staff'];
const IDENTITIES = ['session', 'account', 'mail', 'sso'];
// The most that a scale has.
const MOST = 50;

/** @param {string} name @param {string[]} all @returns {[string, string][]} */
const choices = (name, all) => all.map(one => [one, t(`polls.${name}.${one}`)]);

/** A moment as `<input type=datetime-local>` has it, and back. @param {string | null | undefined} at */
const local = at =>
  at ? new Date(new Date(at).getTime() - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16) : '';
/** @param {string} text */
const moment = text => (text ? new Date(text).toISOString() : null);

/** The address of a video, as somebody would paste it. @param {{provider: string, id: string, hash: string} | null} video */
const addressOf = video =>
  !video
    ? ''
    : video.provider === 'youtube'
      ? `https://youtu.be/${video.id}`
      : `https://vimeo.com/${video.id}${video.hash && `/${video.hash}`}`;

/** What the form begins with. @param {any} old @param {boolean} copy */
function begun(old, copy) {
  const options = (old?.options || [])
    .filter((/** @type {any} */ one) => (copy ? one.state === 1 : one.state !== 2))
    .map((/** @type {any} */ one) => ({
      ...(copy ? {} : {id: one.id}),
      text: one.text,
      image: one.image,
      video: addressOf(one.video),
      correct: !!one.correct,
    }));
  return {
    kind: 'single',
    question: '',
    description: '',
    explanation: '',
    results: 'always',
    identity: 'session',
    quota: 20,
    burst: 30,
    changeable: true,
    voters_shown: false,
    write_in: false,
    low: 1,
    high: 10,
    step: 1,
    min: 1,
    max: 3,
    ...old,
    ...scaleOf(old),
    options: old ? options : [blank(), blank()],
    opens_at: copy ? '' : local(old?.opens_at),
    closes_at: copy ? '' : local(old?.closes_at),
  };
}

/** @returns {Option} */
const blank = () => ({text: '', image: '', video: '', correct: false});

/** The scale that the options of a number poll were made from. @param {any} old */
function scaleOf(old) {
  const values = (old?.options || []).map((/** @type {any} */ one) => one.value);
  if (old?.kind !== 'number' || values.length < 2) return {};
  return {low: values[0], high: values.at(-1), step: values[1] - values[0]};
}

/**
 * @param {{site: string, old?: any, copy?: boolean, onClose: () => void, onDone: (id: string) => void}} props *old* is a
 *   poll that is changed, or with *copy* one that a new poll begins as
 */
export function PollForm({site, old, copy = false, onClose, onDone}) {
  const changes = old && !copy;
  const [first] = useState(() => begun(old, copy));
  const [poll, setPoll] = useState(first);
  /** @param {Record<string, any>} part */
  const set = part => setPoll((/** @type {any} */ was) => ({...was, ...part}));
  /** @param {string} name */
  const put = name => (/** @type {any} */ value) => set({[name]: value});
  const {kind} = poll;
  const several = kind === 'multiple' || kind === 'ranked';
  const submit = async () => {
    /** @type {Record<string, any>} */
    const body = {};
    const names = ['question', 'description', 'results', 'identity', 'quota', 'burst', 'changeable', 'voters_shown'];
    if (kind === 'single' || several) names.push('write_in');
    if (kind === 'quiz') names.push('explanation');
    if (kind === 'multiple') names.push('min', 'max');
    if (kind === 'number' && !changes) names.push('low', 'high', 'step');
    for (const name of names) if (!changes || poll[name] !== first[name]) body[name] = poll[name];
    for (const name of ['opens_at', 'closes_at'])
      if (!changes || poll[name] !== first[name]) body[name] = moment(poll[name]);
    if (kind !== 'number' && (!changes || poll.options !== first.options))
      body.options = poll.options.filter((/** @type {Option} */ one) => one.text.trim() || one.image || one.video);
    const saved = changes
      ? await patch(`/sites/${site}/polls/${old.id}`, body, {match: tagOf(old)})
      : await post(`/sites/${site}/polls`, {kind, ...body});
    toast(t('saved'));
    onDone(saved.id);
  };
  const title = t(changes ? 'polls.change' : copy ? 'polls.copy' : 'polls.make');
  return html`<${Dialog} title=${title} onClose=${onClose} wide>
    <${Form} onSubmit=${submit} label=${t('save')} onTheirs=${old && (() => onDone(old.id))}>
      ${!changes && html`<${Choice} label=${t('polls.kind')} value=${kind} options=${choices('kind', KINDS)} onInput=${put('kind')} />`}
      <${Field}
        label=${t('polls.question')}
        required
        maxlength="300"
        value=${poll.question}
        onInput=${put('question')}
      />
      <${Field}
        label=${t('polls.description')}
        area
        rows=${2}
        maxlength="2000"
        value=${poll.description}
        onInput=${put('description')}
      />
      ${kind === 'number' ? !changes && html`<${Numbers} poll=${poll} put=${put} names=${['low', 'high', 'step']} />` : html`<${Options} site=${site} poll=${poll} put=${put} />`}
      ${kind === 'multiple' && html`<${Numbers} poll=${poll} put=${put} names=${['min', 'max']} least=${1} most=${MOST} />`}
      ${kind === 'quiz' && html`<${Field} label=${t('polls.explanation')} area rows=${2} maxlength="2000" value=${poll.explanation || ''} onInput=${put('explanation')} />`}
      <div class="pair">
        <${Choice}
          label=${t('polls.results.label')}
          value=${poll.results}
          options=${choices('results', RESULTS)}
          onInput=${put('results')}
        />
        <${Choice}
          label=${t('polls.identity.label')}
          hint=${t(`polls.identity.${poll.identity}.hint`)}
          value=${poll.identity}
          options=${choices('identity', IDENTITIES)}
          onInput=${put('identity')}
        />
        <${Field} label=${t('polls.opens')} type="datetime-local" value=${poll.opens_at} onInput=${put('opens_at')} />
        <${Field}
          label=${t('polls.closes')}
          type="datetime-local"
          value=${poll.closes_at}
          onInput=${put('closes_at')}
        />
      </div>
      <${Numbers} poll=${poll} put=${put} names=${['quota', 'burst']} least=${0} most=${1_000_000} />
      <${Check} label=${t('polls.changeable')} checked=${poll.changeable} onInput=${put('changeable')} />
      ${kind !== 'number' && kind !== 'quiz' && html`<${Check} label=${t('polls.write_in')} checked=${poll.write_in} onInput=${put('write_in')} />`}
      ${poll.identity !== 'session' && html`<${Check} label=${t('polls.voters_shown')} checked=${poll.voters_shown} onInput=${put('voters_shown')} />`}
      <${Preview} poll=${poll} />
    <//>
  <//>`;
}

/** Numbers side by side. @param {{poll: any, put: (name: string) => any, names: string[], least?: number, most?: number}} props */
function Numbers({poll, put, names, least = -1000, most = 1000}) {
  return html`<div class="pair">
    ${names.map(
      name =>
        html`<${Field}
          key=${name}
          label=${t(`polls.${name}`)}
          hint=${['quota', 'burst'].includes(name) ? t(`polls.${name}.hint`) : undefined}
          type="number"
          required
          min=${least}
          max=${most}
          value=${poll[name]}
          onInput=${(/** @type {string} */ text) => put(name)(Number(text))}
        />`,
    )}
  </div>`;
}

/** @param {{site: string, poll: any, put: (name: string) => any}} props */
function Options({site, poll, put}) {
  return html`<${Rows}
    label=${t('polls.options')}
    hint=${t('polls.options.hint')}
    most=${MOST}
    empty=${blank()}
    value=${poll.options}
    onInput=${put('options')}
    row=${(
      /** @type {Option} */ one,
      /** @type {(part: Partial<Option>) => void} */ change,
      /** @type {string} */ label,
    ) =>
      html`<div class="stack grow">
        <div class="row">
          <input
            class="wide"
            aria-label=${label}
            maxlength="200"
            dir=${fieldDirection('text', one.text)}
            value=${one.text}
            onInput=${(/** @type {any} */ e) => change({text: e.currentTarget.value})}
          />
          ${poll.kind === 'quiz' && html`<${Check} label=${t('polls.right')} checked=${one.correct} onInput=${(/** @type {boolean} */ correct) => change({correct})} />`}
        </div>
        <details open=${!!(one.image || one.video)}>
          <summary>${t('polls.media')}</summary>
          <div class="pair">
            <${OptionPicture}
              site=${site}
              label=${label}
              url=${one.image}
              onInput=${(/** @type {string} */ image) => change({image})}
            />
            ${
              /** @type {('image' | 'video')[]} */ (one.image.startsWith('/') ? ['video'] : ['image', 'video']).map(
                name =>
                  html`<${Field}
                    key=${name}
                    label=${t(`polls.${name}`)}
                    aria-label=${`${label}: ${t(`polls.${name}`)}`}
                    type="url"
                    value=${one[name]}
                    onInput=${(/** @type {string} */ text) => change({[name]: text.trim()})}
                  />`,
              )
            }
          </div>
        </details>
      </div>`}
  />`;
}

/** What visitors will see. @param {{poll: any}} props */
function Preview({poll}) {
  const {kind} = poll;
  const box = kind === 'multiple' ? 'checkbox' : 'radio';
  /** @type {string[]} */
  let names = poll.options
    .map((/** @type {Option} */ one) => one.text || one.video || one.image.split('/').pop())
    .filter(Boolean);
  if (kind === 'number') {
    const count = Math.floor((poll.high - poll.low) / Math.max(1, poll.step)) + 1;
    names = Array.from({length: Math.min(MOST, Math.max(0, count))}, (_, n) => number(poll.low + n * poll.step));
  }
  return html`<fieldset class="panel" aria-live="off">
    <legend>${t('polls.preview')}</legend>
    <strong><bdi>${poll.question || '…'}</bdi></strong>
    ${poll.description && html`<p><bdi>${poll.description}</bdi></p>`}
    ${names.map(
      (name, at) =>
        html`<div class="row" key=${at}>
          ${kind === 'ranked' ? html`<span class="number">${number(at + 1)}</span>` : html`<input type=${box} disabled aria-hidden="true" />`}
          <bdi class="break">${name}</bdi>
        </div>`,
    )}
    <p class="muted">
      ${kind === 'multiple' && `${number(poll.min)}–${number(poll.max)} · `}${`${t('polls.results.label')}: ${t(`polls.results.${poll.results}`)}`}${poll.closes_at && html`${` · ${t('polls.closes')}: `}<${When} at=${moment(poll.closes_at)} />`}
    </p>
  </fieldset>`;
}
