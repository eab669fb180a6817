// My state, for how many chats I have room, sound and notes: always in sight.
import {html, useState} from '../libraries.js';
import {complain, toast} from '../toasts.js';
import {Dialog} from '../ui/dialog.js';
import {Check, Field, Form} from '../ui/form.js';
import {number, t} from '../words.js';

const STATES = ['online', 'away', 'invisible'];

/** @param {{work: import('./work.js').Work}} props */
export function DeskBar({work}) {
  const {desk, alarms} = work;
  const state = desk.state.value;
  const [open, setOpen] = useState(false);
  const set = (/** @type {any} */ event) => desk.set({state: event.currentTarget.value}).catch(complain);
  const quiet = alarms.wanted.value && !alarms.able.value;
  const sound = alarms.wanted.value ? (quiet ? t('chat.sound.wait') : t('chat.sound.on')) : t('chat.sound.off');
  return html`<div class="desk">
      <span class=${`dot ${desk.lost.value ? 'lost' : state?.state || ''}`} aria-hidden="true"></span>
      <select aria-label=${t('chat.desk')} value=${state?.state || ''} disabled=${!state} onChange=${set}>
        ${!state && html`<option value=""></option>`}
        ${STATES.map(one => html`<option key=${one} value=${one} selected=${one === state?.state}>${t(`chat.desk.${one}`)}</option>`)}
      </select>
      <button type="button" disabled=${!state} title=${t('chat.desk.edit')} onClick=${() => setOpen(true)}>
        <span class="sr">${t('chat.desk.edit')}</span>
        ${number(work.store.counts.value.mine || 0)}/${number(state?.capacity || 0)}
      </button>
      <button
        type="button"
        class=${`icon${quiet ? ' warn' : ''}`}
        aria-pressed=${alarms.wanted.value}
        aria-label=${sound}
        title=${sound}
        onClick=${() => alarms.sound(quiet ? true : !alarms.wanted.value)}
      >
        <svg
          viewBox="0 0 20 20"
          width="18"
          height="18"
          aria-hidden="true"
          fill="none"
          stroke="currentColor"
          stroke-width="1.6"
        >
          <path d="M5 14V9a5 5 0 0 1 10 0v5l1.5 1.5h-13zM8.5 17.5h3" />
          ${alarms.wanted.value ? null : html`<path d="M3 3l14 14" />`}
        </svg>
      </button>
      ${open && state && html`<${DeskDialog} work=${work} state=${state} onClose=${() => setOpen(false)} />`}
    </div>
    <${Away} state=${state?.state || ''} onOnline=${() => desk.set({state: 'online'}).catch(complain)} />
    <p class="sound-off muted">${quiet ? t('chat.sound.wait') : '\u00a0'}</p>`;
}

/** Whoever gets no chats sees so, and is online with one click. @param {{state: string, onOnline: () => void}} props */
function Away({state, onOnline}) {
  if (state === 'online') return null;
  // Until it is known its room is kept.
  return html`<div class="away-bar" role="status" style=${{visibility: state ? null : 'hidden'}}>
    <span>${t(state === 'invisible' ? 'chat.desk.is_invisible' : 'chat.desk.is_away')}</span>
    <button type="button" class="primary" onClick=${onOnline}>${t('chat.desk.go')}</button>
  </div>`;
}

/** @param {{work: import('./work.js').Work, state: import('./desk.js').State, onClose: () => void}} props */
function DeskDialog({work, state, onClose}) {
  const [capacity, setCapacity] = useState(String(state.capacity ?? 3));
  const [languages, setLanguages] = useState((state.languages || []).join(', '));
  const [departments, setDepartments] = useState((state.departments || []).map(String));
  const words = (/** @type {string} */ text) => [
    ...new Set(
      text
        .split(',')
        .map(one => one.trim())
        .filter(Boolean),
    ),
  ];
  const submit = async () => {
    await work.desk.set({capacity: Number(capacity), languages: words(languages), departments});
    toast(t('saved'));
    onClose();
  };
  const {alarms, push} = work;
  const [busy, setBusy] = useState(false);
  const tell = async (/** @type {boolean} */ on) => {
    setBusy(true);
    try {
      if (!on) await push.end();
      else if (await push.begin()) toast(t('chat.push.is_on'));
      else alarms.allowed.value = 'denied';
    } catch (/** @type {any} */ error) {
      // Browsers say why in their own words.
      if ('status' in error) complain(error);
      else toast(String(error.message || error), {kind: 'error'});
    } finally {
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${t('chat.desk.edit')} onClose=${onClose}>
    <${Form} onSubmit=${submit} label=${t('save')}>
      <${Field}
        label=${t('chat.desk.capacity')}
        hint=${t('chat.desk.capacity.hint')}
        type="number"
        min="0"
        max="50"
        required
        value=${capacity}
        onInput=${setCapacity}
      />
      ${
        work.departments.value.length > 0 &&
        html`<fieldset>
          <legend>${t('chat.departments')}</legend>
          ${work.departments.value.map(
            one =>
              html`<${Check}
                key=${one.id}
                label=${one.name}
                checked=${departments.includes(String(one.id))}
                onInput=${(/** @type {boolean} */ on) => setDepartments(on ? [...departments, String(one.id)] : departments.filter(other => other !== String(one.id)))}
              />`,
          )}
        </fieldset>`
      }
      <${Field}
        label=${t('chat.desk.languages')}
        hint=${t('chat.desk.languages.hint')}
        maxlength="200"
        value=${languages}
        onInput=${setLanguages}
        spellcheck="false"
      />
    <//>
    <section class="stack">
      <h3>${t('chat.notices')}</h3>
      <p class="muted">${t(`chat.notices.${alarms.allowed.value}`)}</p>
      <div class="row">
        ${alarms.allowed.value === 'default' && html`<button type="button" onClick=${() => alarms.ask()}>${t('chat.notices.ask')}</button>`}
        <button type="button" onClick=${() => alarms.sound(true)}>${t('chat.sound.try')}</button>
      </div>
      ${push.able && html`<${Check} label=${t('chat.push.on')} checked=${push.on.value} disabled=${busy} onInput=${tell} />`}
    </section>
  <//>`;
}
