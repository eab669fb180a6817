// The rules of a site: one document that is changed as a whole, and tried on the last 30 days before.
import {html, useEffect, useRef, useState} from '../libraries.js';
import {ask, post} from '../api.js';
import {guard} from '../router.js';
import {may} from '../session.js';
import {complain, toast} from '../toasts.js';
import {Form} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {tidy} from '../ui/list.js';
import {Heading, Progress} from '../ui/parts.js';
import {t} from '../words.js';
import {Approval, Content, Names, Services, Spam, Time} from './rules_parts.js';

/** @typedef {Record<string, any>} Rules */

/** What is sent: lines without empty ones, numbers that were emptied as nothing. @param {Rules} rules */
const clean = rules => ({
  ...rules,
  names: tidy(rules.names),
  languages: tidy(rules.languages),
  link_domains: tidy(rules.link_domains),
  trusted: tidy(rules.trusted),
});

/** @param {{site: string}} props */
export function RulesPage({site}) {
  const loaded = useLoad(signal => ask('GET', `/sites/${site}/rules`, {signal}), [site]);
  return html`<div class="page narrow">
    <${Heading} lead=${t('rules.lead')}>${t('nav.rules')}<//>
    <${Loaded} from=${loaded} rows=${6}>
      ${(/** @type {import('../api.js').Answer} */ answer) =>
        html`<${Editor}
          site=${site}
          key=${answer.etag}
          kept=${answer.body.rules}
          etag=${answer.etag}
          by=${answer.body.by}
          onSaved=${(/** @type {import('../api.js').Answer} */ saved) => loaded.set(saved)}
          onAgain=${loaded.again}
        />`}
    <//>
  </div>`;
}

/**
 * @param {{site: string, kept: Rules, etag: string, by: string, onSaved: (answer: any) => void, onAgain: () => void}} props
 */
function Editor({site, kept, etag, onSaved, onAgain}) {
  const [rules, setRules] = useState(kept);
  const changed = useRef(false);
  changed.current = rules !== kept;
  useEffect(() => guard(() => (changed.current ? t('unsaved') : '')), []);
  /** @param {Rules} part */
  const set = part => setRules(old => ({...old, ...part}));
  const save = async () => {
    const answer = await ask('PUT', `/sites/${site}/rules`, {body: clean(rules), match: etag});
    changed.current = false;
    toast(t('saved'));
    onSaved(answer);
  };
  const parts = {rules, set};
  const disabled = !may(site, 'admin');
  return html`<${Form}
    onSubmit=${save}
    label=${t('save')}
    disabled=${disabled || rules === kept}
    extra=${html`<${DryRun} site=${site} rules=${clean(rules)} />`}
    onTheirs=${onAgain}
  >
    <fieldset class="stack" disabled=${disabled}>
      <legend class="sr">${t('nav.rules')}</legend>
      <${Approval} ...${parts} /><${Content} ...${parts} /><${Names} ...${parts} /><${Time} ...${parts} />
      <${Spam} ...${parts} /><${Services} ...${parts} />
    </fieldset>
  <//>`;
}

/**
 * What the rules would have done, batch by batch, with its progress; it can be stopped.
 * @param {{site: string, rules: Rules}} props
 */
function DryRun({site, rules}) {
  const [state, setState] = useState(/** @type {any} */ (null));
  const running = useRef(0);
  useEffect(() => () => void running.current++, []);
  const run = async () => {
    const own = ++running.current;
    let sum = {looked: 0, total: 0, acted: 0, marks: /** @type {Record<string, number>} */ ({}), done: false};
    setState(sum);
    let cursor = '';
    try {
      for (;;) {
        const batch = await post(`/sites/${site}/rules/dry-run`, {rules, cursor});
        if (own !== running.current) return;
        const marks = {...sum.marks};
        for (const [mark, n] of Object.entries(batch.marks)) marks[mark] = (marks[mark] || 0) + n;
        sum = {
          looked: batch.looked,
          total: batch.total,
          acted: sum.acted + batch.acted,
          marks,
          done: batch.cursor === null,
        };
        setState(sum);
        if (batch.cursor === null) return;
        cursor = batch.cursor;
      }
    } catch (error) {
      if (own !== running.current) return;
      setState(null);
      complain(error, run);
    }
  };
  const stop = () => {
    running.current++;
    setState(null);
  };
  const marks = Object.entries(state?.marks || {}).sort((a, b) => b[1] - a[1]);
  return html`<button type="button" onClick=${run} disabled=${state && !state.done}>${t('rules.try')}</button> ${
      state &&
      html`<div class="tried" role="status">
        ${
          state.done
            ? html`<p>${t('rules.tried', {n: state.acted, total: state.looked})}</p>
                ${
                  marks.length > 0 &&
                  html`<ul class="row">
                    ${marks.map(([mark, n]) => html`<li key=${mark} class="mark">${t(`mark.${mark}`)} ${n}</li>`)}
                  </ul>`
                }`
            : html`<${Progress} label=${t('rules.trying')} done=${state.looked} total=${state.total} />
                <button type="button" class="link" onClick=${stop}>${t('stop')}</button>`
        }
      </div>`
    }`;
}
