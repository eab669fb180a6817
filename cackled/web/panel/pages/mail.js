// What the owner says in letters: by kind and language, with a sample that shows how it reads.
import {html, useEffect, useRef, useState} from '../libraries.js';
import {get, post, put, remove, tagOf} from '../api.js';
import {guard} from '../router.js';
import {complain, toast} from '../toasts.js';
import {Choice, Field, Form} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Heading} from '../ui/parts.js';
import {LANGUAGE_NAMES, reason, t} from '../words.js';
import {SiteTabs} from './hosts.js';

/** @typedef {{subject: string, intro: string, footer: string}} Template */
/** @typedef {{kinds: {name: string, places: string[]}[], languages: string[], language: string, templates: {kind: string, language: string, version: number, template: Template}[]}} Found */

/** Milliseconds without a key before the sample is made anew. */
const PAUSE = 400;

/** @type {Template} */
const NONE = {subject: '', intro: '', footer: ''};

/** @param {{site: string}} props */
export function MailPage({site}) {
  const loaded = useLoad(signal => get(`/sites/${site}/mail-templates`, {}, signal), [site]);
  return html`<div class="page">
    <${Heading} lead=${t('letters.lead')}>${t('nav.letters')}<//>
    <${SiteTabs} site=${site} current="mail" />
    <${Loaded} from=${loaded} rows=${6}>
      ${(/** @type {Found} */ found) => html`<${Letters} site=${site} found=${found} onSaved=${loaded.again} />`}
    <//>
  </div>`;
}

/** @param {{site: string, found: Found, onSaved: () => Promise<void>}} props */
function Letters({site, found, onSaved}) {
  const [kind, setKind] = useState(found.kinds[0].name);
  const [language, setLanguage] = useState(found.language);
  const kept = found.templates.find(one => one.kind === kind && one.language === language);
  // With each, the version that was seen when it was begun.
  const [typed, setTyped] = useState(/** @type {Record<string, {words: Template, match: string}>} */ ({}));
  const place = `${kind}/${language}`;
  const {words: now, match} = typed[place] || {words: kept?.template || NONE, match: tagOf(kept)};
  const changed = Object.keys(typed).length > 0;
  const dirty = useRef(false);
  dirty.current = changed;
  useEffect(() => guard(() => (dirty.current ? t('unsaved') : '')), []);
  const path = `/sites/${site}/mail-templates/${place}`;
  const forget = () => setTyped(({[place]: _, ...rest}) => rest);
  const save = async () => {
    await put(path, now, {match});
    toast(t('saved'));
    await theirs();
  };
  const theirs = async () => {
    await onSaved();
    forget();
  };
  const reset = async () => {
    try {
      await remove(path);
      await onSaved();
      forget();
      toast(t('letters.was_reset'));
    } catch (error) {
      complain(error);
    }
  };
  /** @param {keyof Template} name */
  const field = name => ({
    label: t(`letters.${name}`),
    value: now[name],
    dir: 'auto',
    onInput: (/** @type {string} */ text) =>
      setTyped(old => ({...old, [place]: {words: {...now, [name]: text}, match}})),
  });
  const chosen = new Set(found.templates.map(one => `${one.kind}/${one.language}`));
  const places = found.kinds.find(one => one.name === kind)?.places || [];
  return html`<div class="look letters">
    <${Form}
      onSubmit=${save}
      label=${t('save')}
      disabled=${!typed[place]}
      onTheirs=${theirs}
      extra=${chosen.has(place) && html`<button type="button" onClick=${reset}>${t('letters.reset')}</button>`}
    >
      <section class="panel">
        <${Choice}
          label=${t('letters.kind')}
          value=${kind}
          onInput=${setKind}
          options=${found.kinds.map(one => [one.name, t(`letters.kind.${one.name}`)])}
        />
        <${Choice}
          label=${t('language')}
          value=${language}
          onInput=${setLanguage}
          options=${found.languages.map(one => [one, `${LANGUAGE_NAMES[one] || one}${chosen.has(`${kind}/${one}`) ? ' •' : ''}`])}
        />
      </section>
      <section class="panel">
        <p class="hint">
          ${t('letters.places')} ${places.map(one => html`<code key=${one} dir="ltr">{${one}}</code> `)}
        </p>
        <${Field} ...${field('subject')} maxlength="150" hint=${t('letters.usual')} />
        <${Field} ...${field('intro')} area rows=${5} maxlength="2000" />
        <${Field} ...${field('footer')} area rows=${3} maxlength="1000" />
      </section>
    <//>
    <${Sample} path=${`${path}/preview`} template=${now} language=${language} />
  </div>`;
}

/** @param {{path: string, template: Template, language: string}} props */
function Sample({path, template, language}) {
  const [shown, setShown] = useState(/** @type {{subject: string, text: string} | null} */ (null));
  const [wrong, setWrong] = useState('');
  useEffect(() => {
    let over = false;
    const timer = setTimeout(async () => {
      try {
        const answer = await post(path, template);
        if (over) return;
        setShown(answer);
        setWrong('');
      } catch (error) {
        if (!over) setWrong(reason(error));
      }
    }, PAUSE);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [path, template.subject, template.intro, template.footer]);
  return html`<section class="panel" aria-label=${t('letters.sample')}>
    <h2>${t('letters.sample')}</h2>
    ${wrong && html`<p class="wrong" role="alert">${wrong}</p>`}
    ${
      shown &&
      html`<p dir="auto" lang=${language}><strong>${shown.subject}</strong></p>
        <pre class="letter" dir="auto" lang=${language} tabindex="0">${shown.text}</pre>`
    }
  </section>`;
}
