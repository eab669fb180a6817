// A site's name, origins and settings: one document with a version, and the code that puts widgets on pages.
import {html, useEffect, useRef, useState} from '../libraries.js';
import {ask} from '../api.js';
import {guard} from '../router.js';
import {load, may} from '../session.js';
import {toast} from '../toasts.js';
import {Check, Choice, Copy, Field, Form} from '../ui/form.js';
import {Lines, tidy} from '../ui/list.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Heading} from '../ui/parts.js';
import {has, LANGUAGE_NAMES, t} from '../words.js';
import {SiteTabs} from './hosts.js';
import {Logo} from './logo.js';

/** @typedef {{name: string, kind: string, default: string, allowed: string, help: string, secret: boolean}} Setting */
/** @typedef {{site: number, version: number, name: string, origins: string[], waiting: string[], settings: Record<string, any>, described: Setting[]}} Document */

/** What a page needs. @param {string | number} site */
const snippet = site => `<div id="mc-container"></div>
<script>
cackle_widget = window.cackle_widget || [];
cackle_widget.push({widget: 'Comment', id: ${site}});
</script>
<script async src="${location.origin}/widget.js"></script>`;

/** @param {{site: string}} props */
export function SettingsPage({site}) {
  const loaded = useLoad(signal => ask('GET', `/sites/${site}/settings`, {signal}), [site]);
  return html`<div class="page narrow">
    <${Heading}>${t('nav.settings')}<//>
    <${SiteTabs} site=${site} current="settings" />
    <section class="panel">
      <h2>${t('settings.embed')}</h2>
      <${Copy} label=${t('settings.embed.label')} text=${snippet(site)} rows=${6} />
    </section>
    <${Loaded} from=${loaded} rows=${8}>
      ${(/** @type {import('../api.js').Answer} */ answer) =>
        html`<${Editor}
          key=${answer.etag}
          site=${site}
          document=${answer.body}
          etag=${answer.etag}
          onSaved=${loaded.set}
          onAgain=${loaded.again}
        />`}
    <//>
  </div>`;
}

/** Those of one product together. @param {Setting[]} described @returns {[string, Setting[]][]} */
function groups(described) {
  /** @type {Map<string, Setting[]>} */
  const found = new Map();
  for (const one of described) {
    const group = one.name.includes('.') ? one.name.split('.')[0] : '';
    found.set(group, [...(found.get(group) || []), one]);
  }
  return [...found];
}

/** @param {string} name of a setting */
const label = name => t(`setting.${name}`);

/** A value that is chosen, in words. @param {Setting} setting @param {string} value */
function chosen({name, kind}, value) {
  if (kind === 'yes or no') return t(value === 'yes' ? 'yes' : 'no');
  if (name === 'language') return LANGUAGE_NAMES[value];
  return has(`setting.${name}.is.${value}`) ? t(`setting.${name}.is.${value}`) : value;
}

/** What can be chosen. @param {Setting} setting @returns {[string, string][]} */
const choices = setting => setting.allowed.split(', ').map(one => [one, chosen(setting, one)]);

/** @param {{setting: Setting, value: any, onInput: (value: any) => void}} props */
function Input({setting, value, onInput}) {
  const usual = setting.default === '(none)' ? '' : chosen(setting, setting.default);
  const hint = html`${t(`setting.${setting.name}.help`)}${usual && html` <span class="muted">${t('settings.default', {value: usual})}</span>`}`;
  const shared = {label: label(setting.name), hint};
  if (setting.kind === 'yes or no') return html`<${Check} ...${shared} checked=${!!value} onInput=${onInput} />`;
  if (setting.kind === 'choice') {
    return html`<${Choice} ...${shared} value=${String(value)} onInput=${onInput} options=${choices(setting)} />`;
  }
  if (setting.kind === 'number') {
    return html`<${Field}
      ...${shared}
      type="number"
      required
      value=${value}
      onInput=${(/** @type {string} */ text) => onInput(text === '' ? null : Number(text))}
    />`;
  }
  const secret = setting.secret ? {autocomplete: 'off', placeholder: value === true ? t('settings.is_set') : ''} : {};
  return html`<${Field}
    ...${shared}
    ...${secret}
    value=${typeof value === 'string' ? value : ''}
    onInput=${onInput}
    spellcheck="false"
  />`;
}

/** @param {{site: string, document: Document, etag: string, onSaved: (answer: any) => void, onAgain: () => void}} props */
function Editor({site, document: kept, etag, onSaved, onAgain}) {
  const [name, setName] = useState(kept.name);
  const [origins, setOrigins] = useState([...kept.origins, ...kept.waiting]);
  const [changes, setChanges] = useState(/** @type {Record<string, any>} */ ({}));
  const before = [...kept.origins, ...kept.waiting];
  const moved = tidy(origins).join('\n') !== before.join('\n');
  const changed = name !== kept.name || moved || Object.keys(changes).length > 0;
  const dirty = useRef(false);
  dirty.current = changed;
  useEffect(() => guard(() => (dirty.current ? t('unsaved') : '')), []);
  const save = async () => {
    /** @type {Record<string, any>} */
    const body = {settings: changes};
    if (name !== kept.name) body.name = name.trim();
    if (moved) body.origins = tidy(origins);
    const answer = await ask('PATCH', `/sites/${site}/settings`, {body, match: etag});
    dirty.current = false;
    toast(t('saved'));
    if (body.name) load();
    onSaved(answer);
  };
  const disabled = !may(site, 'admin');
  return html`<${Form} onSubmit=${save} label=${t('save')} disabled=${disabled || !changed} onTheirs=${onAgain}>
    <fieldset class="stack" disabled=${disabled}>
      <legend class="sr">${t('nav.settings')}</legend>
      <section class="panel">
        <h2>${t('settings.site')}</h2>
        <${Field} label=${t('name')} required maxlength="200" value=${name} onInput=${setName} />
        <${Lines}
          label=${t('settings.origins')}
          hint=${t('settings.origins.hint')}
          value=${origins}
          onInput=${setOrigins}
        />
        ${kept.waiting.length > 0 && html`<p class="hint">${t('settings.waiting', {hosts: kept.waiting.join(', ')})}</p>`}
      </section>
      <${Logo} site=${site} setting=${kept.settings.logo || ''} disabled=${disabled || changed} onChanged=${onAgain} />
      ${groups(kept.described.filter(one => one.name !== 'logo')).map(
        ([group, settings]) =>
          html`<section class="panel" key=${group}>
            <h2>${t(`settings.group.${group || 'site'}`)}</h2>
            ${settings.map(
              one =>
                html`<${Input}
                  key=${one.name}
                  setting=${one}
                  value=${one.name in changes ? changes[one.name] : kept.settings[one.name]}
                  onInput=${(/** @type {any} */ value) => setChanges(old => ({...old, [one.name]: value}))}
                />`,
            )}
          </section>`,
      )}
    </fieldset>
  <//>`;
}
