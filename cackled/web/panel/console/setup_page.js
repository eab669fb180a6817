// What visitors meet: the greeting, the forms before a chat and while nobody is there, invitations, and the code for pages.
import {uid} from '../../lib/values.js';
import {html, useState} from '../libraries.js';
import {ask} from '../api.js';
import {address} from '../router.js';
import {toast} from '../toasts.js';
import {Check, Choice, Copy, Field, Form} from '../ui/form.js';
import {NumberField} from '../ui/list.js';
import {Loaded, useLoad} from '../ui/load.js';
import {t} from '../words.js';
import {Head} from './pages_of.js';

const KINDS = ['text', 'mail', 'phone', 'long', 'choice', 'check'];

/** What a page needs. @param {string | number} site */
const snippet = site => `<script>
cackle_widget = window.cackle_widget || [];
cackle_widget.push({widget: 'Chat', id: ${site}});
</script>
<script async src="${location.origin}/widget.js"></script>`;

/** @param {{site: string}} props */
export function SetupPage({site}) {
  const loaded = useLoad(signal => ask('GET', `/sites/${site}/chats/setup`, {signal}), [site]);
  return html`<div class="page narrow">
    <${Head} site=${site} current="setup" />
    <section class="panel">
      <h2>${t('settings.embed')}</h2>
      <${Copy} label=${t('chat.embed')} text=${snippet(site)} rows=${5} />
      <p class="hint"><a href=${address(`/sites/${site}/settings`)}>${t('chat.settings')}</a></p>
    </section>
    <${Loaded} from=${loaded} rows=${6}
      >${(/** @type {import('../api.js').Answer} */ found) => html`<${Editor} key=${found.etag} site=${site} kept=${found.body} etag=${found.etag} onSaved=${loaded.set} onTheirs=${loaded.again} />`}<//
    >
  </div>`;
}

/** @param {any} one */
const cleanField = one => ({
  name: one.name.trim(),
  kind: one.kind,
  label: one.label.trim(),
  required: !!one.required,
  options: one.kind === 'choice' ? (one.options || []).map((/** @type {string} */ o) => o.trim()).filter(Boolean) : [],
});

/** @param {{label: string, hint: string, value: any[], onInput: (value: any[]) => void}} props */
function Fields({label, hint, value, onInput}) {
  const set = (/** @type {number} */ at, /** @type {any} */ part) =>
    onInput(value.map((one, n) => (n === at ? {...one, ...part} : one)));
  const move = (/** @type {number} */ at) => {
    const now = [...value];
    [now[at - 1], now[at]] = [now[at], now[at - 1]];
    onInput(now);
  };
  return html`<fieldset>
    <legend>${label}</legend>
    <p class="hint">${hint}</p>
    ${value.map(
      (one, n) =>
        html`<div class="panel field-edit" key=${n}>
          <div class="pair">
            <${Field}
              label=${t('chat.form.label')}
              maxlength="200"
              required
              value=${one.label}
              onInput=${(/** @type {string} */ to) => set(n, {label: to})}
            />
            <${Field}
              label=${t('chat.form.name')}
              maxlength="40"
              required
              pattern="[A-Za-z0-9_]+"
              value=${one.name}
              onInput=${(/** @type {string} */ to) => set(n, {name: to})}
              spellcheck="false"
            />
            <${Choice}
              label=${t('chat.form.kind')}
              value=${one.kind}
              onInput=${(/** @type {string} */ to) => set(n, {kind: to})}
              options=${KINDS.map(kind => [kind, t(`chat.form.kind.${kind}`)])}
            />
          </div>
          ${one.kind === 'choice' && html`<${Field} label=${t('chat.form.options')} hint=${t('chat.labels.hint')} value=${(one.options || []).join(',')} onInput=${(/** @type {string} */ to) => set(n, {options: to.split(',')})} />`}
          <div class="row">
            <${Check}
              label=${t('chat.form.required')}
              checked=${!!one.required}
              onInput=${(/** @type {boolean} */ on) => set(n, {required: on})}
            />
            <span class="grow"></span>
            ${n > 0 && html`<button type="button" class="icon" aria-label=${t('chat.form.up')} title=${t('chat.form.up')} onClick=${() => move(n)}>↑</button>`}
            <button
              type="button"
              class="icon"
              aria-label=${t('list.remove', {n: n + 1})}
              onClick=${() => onInput(value.filter((_, at) => at !== n))}
            >
              ×
            </button>
          </div>
        </div>`,
    )}
    <div>
      <button
        type="button"
        disabled=${value.length >= 20}
        onClick=${() => onInput([...value, {name: '', kind: 'text', label: '', required: false, options: []}])}
      >
        ${t('list.add')}
      </button>
    </div>
  </fieldset>`;
}

/** @param {{label: string, value: any[], onInput: (value: any[]) => void}} props */
function Invitations({label, value, onInput}) {
  const set = (/** @type {number} */ at, /** @type {any} */ part) =>
    onInput(value.map((one, n) => (n === at ? {...one, ...part} : one)));
  return html`<fieldset>
    <legend>${label}</legend>
    <p class="hint">${t('chat.invitations.hint')}</p>
    ${value.map(
      (one, n) =>
        html`<div class="panel field-edit" key=${one.id || n}>
          <${Field}
            label=${t('chat.invitations.text')}
            area
            rows=${2}
            maxlength="300"
            required
            value=${one.text}
            onInput=${(/** @type {string} */ to) => set(n, {text: to})}
          />
          <${Field}
            label=${t('chat.invitations.other')}
            hint=${t('chat.invitations.other.hint')}
            area
            rows=${2}
            maxlength="300"
            value=${one.other || ''}
            onInput=${(/** @type {string} */ to) => set(n, {other: to})}
          />
          <div class="pair">
            <${Field}
              label=${t('chat.invitations.address')}
              hint=${t('chat.invitations.address.hint')}
              maxlength="200"
              value=${one.address || ''}
              onInput=${(/** @type {string} */ to) => set(n, {address: to})}
              spellcheck="false"
            />
            <${Field}
              label=${t('chat.invitations.referrer')}
              maxlength="200"
              value=${one.referrer || ''}
              onInput=${(/** @type {string} */ to) => set(n, {referrer: to})}
              spellcheck="false"
            />
            <${NumberField}
              label=${t('chat.invitations.seconds')}
              value=${one.seconds ?? null}
              none
              max=${3600}
              onInput=${(/** @type {any} */ to) => set(n, {seconds: to})}
            />
            <${NumberField}
              label=${t('chat.invitations.pages')}
              value=${one.pages ?? null}
              none
              max=${100}
              onInput=${(/** @type {any} */ to) => set(n, {pages: to})}
            />
            <${NumberField}
              label=${t('chat.invitations.scroll')}
              value=${one.scroll ?? null}
              none
              max=${100}
              onInput=${(/** @type {any} */ to) => set(n, {scroll: to})}
            />
            <${Field}
              label=${t('chat.invitations.countries')}
              hint=${t('chat.invitations.countries.hint')}
              maxlength="200"
              value=${(one.countries || []).join(',')}
              onInput=${(/** @type {string} */ to) => set(n, {countries: to.split(',')})}
              spellcheck="false"
            />
          </div>
          <div class="row">
            <${Check}
              label=${t('chat.invitations.on')}
              checked=${one.on !== false}
              onInput=${(/** @type {boolean} */ on) => set(n, {on})}
            />
            <${Check}
              label=${t('chat.invitations.in_hours')}
              checked=${!!one.in_hours}
              onInput=${(/** @type {boolean} */ on) => set(n, {in_hours: on})}
            />
            <${Check}
              label=${t('chat.invitations.exit')}
              checked=${!!one.exit}
              onInput=${(/** @type {boolean} */ on) => set(n, {exit: on})}
            />
            <${Check}
              label=${t('chat.invitations.returning')}
              checked=${one.returning === true}
              onInput=${(/** @type {boolean} */ on) => set(n, {returning: on ? true : null})}
            />
            <span class="grow"></span>
            <button
              type="button"
              class="icon"
              aria-label=${t('list.remove', {n: n + 1})}
              onClick=${() => onInput(value.filter((_, at) => at !== n))}
            >
              ×
            </button>
          </div>
        </div>`,
    )}
    <div>
      <button
        type="button"
        disabled=${value.length >= 20}
        onClick=${() => onInput([...value, {id: uid(), name: '', text: '', on: true, seconds: 30, in_hours: true, countries: [], exit: false, returning: null}])}
      >
        ${t('list.add')}
      </button>
    </div>
  </fieldset>`;
}

/** @param {{site: string, kept: any, etag: string, onSaved: (answer: any) => void, onTheirs: () => any}} props */
function Editor({site, kept, etag, onSaved, onTheirs}) {
  const [value, setValue] = useState({...kept, greeting: {text: '', name: '', avatar: '', ...kept.greeting}});
  const set = (/** @type {string} */ name) => (/** @type {any} */ to) => setValue({...value, [name]: to});
  const submit = async () => {
    const body = {
      greeting: {text: value.greeting.text || '', name: value.greeting.name || '', avatar: value.greeting.avatar || ''},
      consent: value.consent || '',
      before: (value.before || []).map(cleanField),
      offline: (value.offline || []).map(cleanField),
      invitations: (value.invitations || []).map((/** @type {any} */ one) => ({
        ...one,
        seconds: one.seconds ?? 0,
        pages: one.pages ?? 0,
        countries: (one.countries || []).map((/** @type {string} */ c) => c.trim().toUpperCase()).filter(Boolean),
      })),
    };
    onSaved(await ask('PUT', `/sites/${site}/chats/setup`, {body, match: etag}));
    toast(t('saved'));
  };
  return html`<${Form} onSubmit=${submit} label=${t('save')} onTheirs=${onTheirs}>
    <section class="panel">
      <h2>${t('chat.greeting')}</h2>
      <${Field}
        label=${t('chat.greeting.text')}
        area
        rows=${2}
        maxlength="300"
        value=${value.greeting.text || ''}
        onInput=${(/** @type {string} */ to) => set('greeting')({...value.greeting, text: to})}
      />
      <${Field}
        label=${t('chat.greeting.name')}
        hint=${t('chat.greeting.name.hint')}
        maxlength="60"
        value=${value.greeting.name || ''}
        onInput=${(/** @type {string} */ to) => set('greeting')({...value.greeting, name: to})}
      />
      <${Field}
        label=${t('chat.greeting.avatar')}
        hint="https://…"
        type="url"
        pattern="https://.*"
        maxlength="2000"
        value=${value.greeting.avatar || ''}
        onInput=${(/** @type {string} */ to) => set('greeting')({...value.greeting, avatar: to.trim()})}
        spellcheck="false"
      />
    </section>
    <section class="panel">
      <${Fields}
        label=${t('chat.form.before')}
        hint=${t('chat.form.before.hint')}
        value=${value.before || []}
        onInput=${set('before')}
      />
    </section>
    <section class="panel">
      <${Fields}
        label=${t('chat.form.offline')}
        hint=${t('chat.form.offline.hint')}
        value=${value.offline || []}
        onInput=${set('offline')}
      />
    </section>
    <section class="panel">
      <${Field}
        label=${t('chat.consent')}
        hint=${t('chat.consent.hint')}
        area
        rows=${2}
        maxlength="500"
        value=${value.consent || ''}
        onInput=${set('consent')}
      />
    </section>
    <section class="panel">
      <${Invitations} label=${t('chat.invitations')} value=${value.invitations || []} onInput=${set('invitations')} />
    </section>
  <//>`;
}
