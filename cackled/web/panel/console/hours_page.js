// The hours in which chats are answered: by weekday, in a zone, with exceptions by date.
import {html, useState} from '../libraries.js';
import {ask} from '../api.js';
import {toast} from '../toasts.js';
import {Check, Field, Form} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {known, t} from '../words.js';
import {Head} from './pages_of.js';

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const RANGE = /^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$/;
/** @typedef {{zone: string, week: Record<string, [string, string][]>, exceptions: {date: string, ranges: [string, string][]}[]}} Hours */

/** @type {Hours} */
const EMPTY = {zone: Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC', week: {}, exceptions: []};

/** Ranges as they are typed: `09:00-12:00, 13:00-17:00`. @param {[string, string][]} ranges */
const write = ranges => (ranges || []).map(([from, to]) => `${from}-${to}`).join(', ');

/** What is typed as ranges; null where it is none. @param {string} text @returns {[string, string][] | null} */
export function readRanges(text) {
  const parts = text
    .split(/[,;]/)
    .map(one => one.replace(/\s/g, '').replace(/[–—]/g, '-'))
    .filter(Boolean);
  const found = [];
  let before = '';
  for (const one of parts) {
    const whole = one.replace(/(^|-)(\d):/g, '$10$2:');
    if (!RANGE.test(whole)) return null;
    const [from, to] = whole.split('-');
    // One that ends before it begins goes on into the next day.
    if (from === to || from < before) return null;
    before = from;
    found.push(/** @type {[string, string]} */ ([from, to]));
  }
  return found;
}

/** @param {number} n */
const dayName = n =>
  new Intl.DateTimeFormat(known.value, {weekday: 'long', timeZone: 'UTC'}).format(new Date(Date.UTC(2024, 0, 1 + n)));

/** @param {{value: Hours | null, onSave: (hours: Hours) => Promise<any>, onTheirs: () => any}} props */
function HoursForm({value, onSave, onTheirs}) {
  const start = value || EMPTY;
  // Who never chose a zone is where their browser is.
  const [zone, setZone] = useState(start.zone && start.zone !== 'UTC' ? start.zone : EMPTY.zone);
  const whole = !Object.keys(start.week || {}).length;
  const [always, setAlways] = useState(whole);
  const [week, setWeek] = useState(() =>
    DAYS.map((day, n) => (whole ? (n < 5 ? '09:00-17:00' : '') : write(start.week?.[day]))),
  );
  const [exceptions, setExceptions] = useState(() =>
    (start.exceptions || []).map(one => ({date: one.date, text: write(one.ranges)})),
  );
  const wrong = week.map(text => (readRanges(text) ? '' : t('chat.hours.wrong')));
  const bad = (!always && wrong.some(Boolean)) || exceptions.some(one => !one.date || !readRanges(one.text));
  const submit = async () => {
    await onSave({
      zone: zone.trim(),
      // A week without any day is open all the time.
      week: always ? {} : Object.fromEntries(DAYS.map((day, n) => [day, readRanges(week[n]) || []])),
      exceptions: exceptions
        .map(one => ({date: one.date, ranges: readRanges(one.text) || []}))
        .sort((a, b) => (a.date < b.date ? -1 : 1)),
    });
    toast(t('saved'));
  };
  const zones = /** @type {any} */ (Intl).supportedValuesOf?.('timeZone') || [];
  const change = (/** @type {number} */ at, /** @type {any} */ part) =>
    setExceptions(exceptions.map((one, n) => (n === at ? {...one, ...part} : one)));
  return html`<${Form} onSubmit=${submit} label=${t('save')} disabled=${bad || !zone.trim()} onTheirs=${onTheirs}>
    <${Field}
      label=${t('chat.hours.zone')}
      list="chat-zones"
      required
      maxlength="60"
      value=${zone}
      onInput=${setZone}
      spellcheck="false"
    />
    <datalist id="chat-zones">
      ${zones.map((/** @type {string} */ one) => html`<option key=${one} value=${one} />`)}
    </datalist>
    <fieldset class="hours">
      <legend>${t('chat.hours.week')}</legend>
      <${Check} label=${t('chat.hours.always')} checked=${always} onInput=${setAlways} />
      ${!always && html`<p class="hint">${t('chat.hours.hint')}</p>`}
      ${!always && DAYS.map((day, n) => html`<${Field} key=${day} label=${dayName(n)} placeholder=${t('chat.hours.closed')} value=${week[n]} error=${wrong[n]} onInput=${(/** @type {string} */ text) => setWeek(week.map((old, at) => (at === n ? text : old)))} spellcheck="false" />`)}
    </fieldset>
    <fieldset class="rows">
      <legend>${t('chat.hours.exceptions')}</legend>
      <p class="hint">${t('chat.hours.exceptions.hint')}</p>
      ${exceptions.map(
        (one, n) =>
          html`<div class="row" key=${n}>
            <input
              type="date"
              required
              aria-label=${t('chat.hours.date')}
              value=${one.date}
              onInput=${(/** @type {any} */ event) => change(n, {date: event.currentTarget.value})}
            />
            <input
              class="wide"
              aria-label=${t('chat.hours')}
              aria-invalid=${readRanges(one.text) ? null : 'true'}
              placeholder=${t('chat.hours.closed')}
              value=${one.text}
              onInput=${(/** @type {any} */ event) => change(n, {text: event.currentTarget.value})}
            />
            <button
              type="button"
              class="icon"
              aria-label=${t('list.remove', {n: n + 1})}
              onClick=${() => setExceptions(exceptions.filter((_, at) => at !== n))}
            >
              ×
            </button>
          </div>`,
      )}
      <div>
        <button
          type="button"
          disabled=${exceptions.length >= 100}
          onClick=${() => setExceptions([...exceptions, {date: '', text: ''}])}
        >
          ${t('list.add')}
        </button>
      </div>
    </fieldset>
  <//>`;
}

/** @param {{site: string}} props */
export function HoursPage({site}) {
  const base = `/sites/${site}/chats/hours`;
  const loaded = useLoad(signal => ask('GET', base, {signal}), [site]);
  return html`<div class="page narrow">
    <${Head} site=${site} current="hours" lead=${t('chat.hours.lead')} />
    <section class="panel">
      <${Loaded} from=${loaded} rows=${5}
        >${(/** @type {import('../api.js').Answer} */ found) => html`<${HoursForm} key=${found.etag} value=${found.body} onSave=${async (/** @type {Hours} */ body) => loaded.set(await ask('PUT', base, {body, match: found.etag}))} onTheirs=${loaded.again} />`}<//
      >
    </section>
  </div>`;
}
