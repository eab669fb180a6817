// The editor of macros: their steps, in their order.
import {html, useEffect, useState} from '../libraries.js';
import {post, put, remove, tagOf} from '../api.js';
import {may} from '../session.js';
import {complain, toast} from '../toasts.js';
import {Confirm, Dialog} from '../ui/dialog.js';
import {Choice, Field, Form} from '../ui/form.js';
import {Table} from '../ui/table.js';
import {number, t} from '../words.js';
import {VARIABLES} from './canned.js';
import {REASONS} from './deeds.js';
import {stepName, told} from './macros.js';
import {Head} from './pages_of.js';
import {span} from './parts.js';

const KINDS = ['reply', 'note', 'label', 'take', 'transfer', 'snooze', 'close', 'spam'];
/** After these nothing more is done with a chat. */
const LAST = ['transfer', 'snooze', 'close', 'spam'];
const TIMES = [3600, 10_800, 86_400, 604_800];

/** @typedef {import('./macros.js').Step & {typed?: string}} Edited */

/** @param {{site: string, work: import('./work.js').Work}} props */
export function MacrosPage({site, work}) {
  const admin = may(site, 'admin');
  const [open, setOpen] = useState(/** @type {any} */ (null));
  const [gone, setGone] = useState(/** @type {any} */ (null));
  const base = `/sites/${site}/chats/macros`;
  useEffect(() => {
    work.load();
    work.desk.load();
  }, [work]);
  const done = () => {
    setOpen(null);
    setGone(null);
    work.load();
  };
  return html`<div class="page">
    <${Head}
      site=${site}
      current="macros"
      lead=${t('chat.macros.lead')}
      aside=${admin && html`<button type="button" class="primary" onClick=${() => setOpen({name: '', department: '', steps: [{do: 'reply', text: ''}]})}>${t('chat.macros.new')}</button>`}
    />
    <${Table}
      label=${t('chat.macros')}
      rows=${work.macros.value}
      id=${(/** @type {any} */ one) => one.id}
      empty=${t('chat.macros.none')}
      columns=${[
        {label: t('name'), cell: (/** @type {any} */ one) => html`<bdi>${one.name}</bdi>`},
        {
          label: t('chat.macros.steps'),
          cell: (/** @type {import('./macros.js').Macro} */ one) =>
            html`<ol class="steps">
              ${one.steps.map((step, n) => html`<li key=${n} dir="auto">${told(step, work)}</li>`)}
            </ol>`,
        },
        {
          label: t('chat.department'),
          cell: (/** @type {any} */ one) => work.departmentName(one.department) || t('chat.any'),
        },
        {label: t('chat.replies.uses'), number: true, cell: (/** @type {any} */ one) => number(one.uses || 0)},
        {
          label: t('actions'),
          hidden: true,
          cell: (/** @type {any} */ one) =>
            admin &&
            html`<span class="actions end">
              <button type="button" onClick=${() => setOpen({...one, department: one.department || ''})}>
                ${t('change')}
              </button>
              <button type="button" class="danger" onClick=${() => setGone(one)}>${t('remove')}</button>
            </span>`,
        },
      ]}
    />
    ${open && html`<${Editor} base=${base} one=${open} work=${work} onClose=${() => setOpen(null)} onDone=${done} />`}
    ${
      gone &&
      html`<${Confirm}
        title=${gone.name}
        text=${t('chat.macros.remove')}
        label=${t('remove')}
        onYes=${() => remove(`${base}/${encodeURIComponent(gone.id)}`).then(done, complain)}
        onClose=${() => setGone(null)}
      />`
    }
  </div>`;
}

/** A step as the server takes it. @param {Edited} one */
function clean(one) {
  const labels = (one.typed ?? (one.labels || []).join(', '))
    .split(',')
    .map(word => word.trim())
    .filter(Boolean);
  return /** @type {import('./macros.js').Step} */ ({
    do: one.do,
    ...(['reply', 'note'].includes(one.do) ? {text: (one.text || '').trim()} : {}),
    ...(one.do === 'label' ? {labels} : {}),
    ...(one.do === 'transfer' ? {member: one.member || '', department: one.department || ''} : {}),
    ...(one.do === 'snooze' ? {seconds: one.seconds || TIMES[0]} : {}),
    ...(one.do === 'close' ? {reason: one.reason || REASONS[0]} : {}),
  });
}

/** @param {import('./macros.js').Step} one */
const whole = one =>
  ['reply', 'note'].includes(one.do) ? !!one.text : one.do === 'label' ? !!one.labels?.length : true;

/** @param {{base: string, one: any, work: import('./work.js').Work, onClose: () => void, onDone: () => void}} props */
function Editor({base, one, work, onClose, onDone}) {
  const [value, setValue] = useState(/** @type {{name: string, department: string, steps: Edited[]}} */ (one));
  const {steps} = value;
  const set = (/** @type {number} */ n, /** @type {Partial<Edited>} */ part) =>
    setValue({...value, steps: steps.map((step, at) => (at === n ? {...step, ...part} : step))});
  /** @param {number} n @param {number} by */
  const move = (n, by) => {
    const made = [...steps];
    made.splice(n + by, 0, ...made.splice(n, 1));
    setValue({...value, steps: made});
  };
  const wrong = steps.some((step, n) => n < steps.length - 1 && LAST.includes(step.do));
  const ready = !!value.name.trim() && steps.length > 0 && !wrong && steps.every(step => whole(clean(step)));
  const submit = async () => {
    const body = {name: value.name.trim(), department: value.department, steps: steps.map(clean)};
    await (one.id ? put(`${base}/${encodeURIComponent(one.id)}`, body, {match: tagOf(one)}) : post(base, body));
    toast(t('saved'));
    onDone();
  };
  return html`<${Dialog} title=${one.id ? t('change') : t('chat.macros.new')} onClose=${onClose}>
    <${Form} onSubmit=${submit} onTheirs=${onDone} label=${t('save')} disabled=${!ready}>
      <div class="pair">
        <${Field}
          label=${t('name')}
          maxlength="60"
          required
          value=${value.name}
          onInput=${(/** @type {string} */ name) => setValue({...value, name})}
        />
        <${Choice}
          label=${t('chat.department')}
          value=${value.department}
          onInput=${(/** @type {string} */ department) => setValue({...value, department})}
          options=${[['', t('chat.any')], ...work.departments.value.map(d => [String(d.id), d.name])]}
        />
      </div>
      ${steps.map(
        (step, n) =>
          html`<fieldset class="step" key=${n}>
            <legend>${t('chat.macros.step', {n: n + 1})}</legend>
            <div class="row">
              <${Choice}
                label=${t('chat.macros.do')}
                value=${step.do}
                onInput=${(/** @type {string} */ kind) => set(n, {do: kind})}
                options=${KINDS.map(kind => [kind, stepName(kind)])}
              />
              <span class="grow"></span>
              <button
                type="button"
                class="icon"
                disabled=${!n}
                aria-label=${t('chat.macros.up', {n: n + 1})}
                onClick=${() => move(n, -1)}
              >
                ↑
              </button>
              <button
                type="button"
                class="icon"
                disabled=${n === steps.length - 1}
                aria-label=${t('chat.macros.down', {n: n + 1})}
                onClick=${() => move(n, 1)}
              >
                ↓
              </button>
              <button
                type="button"
                class="icon"
                aria-label=${t('list.remove', {n: n + 1})}
                onClick=${() => setValue({...value, steps: steps.filter((_, at) => at !== n)})}
              >
                ×
              </button>
            </div>
            <${Details} step=${step} work=${work} onInput=${(/** @type {Partial<Edited>} */ part) => set(n, part)} />
          </fieldset>`,
      )}
      ${wrong && html`<p class="wrong" role="status">${t('chat.macros.last')}</p>`}
      <div>
        <button
          type="button"
          disabled=${steps.length >= 10}
          onClick=${() => setValue({...value, steps: [...steps, {do: steps.length ? 'label' : 'reply'}]})}
        >
          ${t('list.add')}
        </button>
      </div>
      <p class="hint">
        ${t('chat.replies.variables')} ${VARIABLES.map(name => html`<code key=${name}>${`{${name}}`}</code> `)}
      </p>
    <//>
  <//>`;
}

/** What a step needs to be told. @param {{step: Edited, work: import('./work.js').Work, onInput: (part: Partial<Edited>) => void}} props */
function Details({step, work, onInput}) {
  if (step.do === 'reply' || step.do === 'note')
    return html`<${Field}
      label=${t('chat.replies.text')}
      area
      rows=${3}
      maxlength="4000"
      value=${step.text || ''}
      onInput=${(/** @type {string} */ text) => onInput({text})}
    />`;
  if (step.do === 'label')
    return html`<${Field}
      label=${t('chat.card.labels')}
      hint=${t('chat.labels.hint')}
      maxlength="400"
      value=${step.typed ?? (step.labels || []).join(', ')}
      onInput=${(/** @type {string} */ typed) => onInput({typed})}
    />`;
  if (step.do === 'transfer')
    return html`<${Choice}
      label=${t('chat.transfer.to')}
      value=${step.department ? `department:${step.department}` : step.member || ''}
      onInput=${(/** @type {string} */ to) =>
        onInput(
          to.startsWith('department:')
            ? {department: to.replace('department:', ''), member: ''}
            : {member: to, department: ''},
        )}
      options=${[
        ['', t('chat.any')],
        ...work.departments.value.map(one => [`department:${one.id}`, one.name]),
        ...[...work.desk.colleagues.value].map(one => [String(one.id), one.name]),
      ]}
    />`;
  if (step.do === 'snooze')
    return html`<${Choice}
      label=${stepName('snooze')}
      value=${String(step.seconds || TIMES[0])}
      onInput=${(/** @type {string} */ to) => onInput({seconds: Number(to)})}
      options=${TIMES.map(seconds => [String(seconds), span(seconds)])}
    />`;
  if (step.do === 'close')
    return html`<${Choice}
      label=${t('chat.close.reason')}
      value=${step.reason || REASONS[0]}
      onInput=${(/** @type {string} */ reason) => onInput({reason})}
      options=${REASONS.map(one => [one, t(`chat.reason.${one}`)])}
    />`;
  return null;
}
