// Macros: several things that are done with a chat at one go, by a slash and a name.
import {ask} from '../api.js';
import {complain, toast} from '../toasts.js';
import {reason, t} from '../words.js';

/** @typedef {{do: string, text?: string, labels?: string[], member?: string, department?: string, seconds?: number, reason?: string}} Step */
/** @typedef {{id: string, name: string, department: string | null, steps: Step[], uses: number}} Macro */

/** @param {string} text */
const plain = text => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

const NAMES = /** @type {Record<string, string>} */ ({
  reply: 'chat.reply',
  note: 'chat.note',
  label: 'chat.card.labels',
  take: 'chat.do.take',
  transfer: 'chat.do.transfer',
  snooze: 'chat.do.snooze',
  close: 'chat.do.close',
  spam: 'chat.do.spam',
});

/** What a kind of step is called, as the button that does it alone. @param {string} kind */
export const stepName = kind => t(NAMES[kind] || kind).replace('…', '');

/** What a step does, in short. @param {Step} step @param {import('./work.js').Work} work */
export function told(step, work) {
  const name = stepName(step.do);
  const to = step.department
    ? work.departmentName(step.department)
    : work.desk.colleagues.value.find(one => String(one.id) === step.member)?.name || step.member;
  const more = step.text || (step.labels || []).join(', ') || to || '';
  return more ? `${name}: ${more.slice(0, 60)}` : name;
}

/**
 * Those whose name has what was typed, for the chat's department, the most used first.
 * @param {Macro[]} macros @param {string} word @param {string | null | undefined} department
 */
export function fittingMacros(macros, word, department) {
  const want = plain(word);
  return macros
    .filter(one => plain(one.name).includes(want))
    .filter(one => !one.department || !department || one.department === String(department))
    .sort((a, b) => Number(plain(b.name).startsWith(want)) - Number(plain(a.name).startsWith(want)) || b.uses - a.uses)
    .slice(0, 5);
}

/**
 * Carry one out: all of it, or nothing; then it says which step was refused.
 * @param {import('./work.js').Work} work @param {import('./talk.js').Talk} talk @param {Macro} macro
 * @param {{key?: string, anyway?: boolean}} [again]
 */
export async function runMacro(work, talk, macro, {key = crypto.randomUUID(), anyway = false} = {}) {
  const path = `${work.calls.base}/${encodeURIComponent(talk.id)}/macros/${encodeURIComponent(macro.id)}`;
  const again = (/** @type {boolean} */ over) => () => runMacro(work, talk, macro, {key, anyway: over});
  try {
    await ask('POST', path, {body: {seen: talk.seen, anyway}, key});
    toast(t('chat.macros.done', {name: macro.name}));
    work.macros.value = work.macros.value.map(one => (one.id === macro.id ? {...one, uses: one.uses + 1} : one));
  } catch (/** @type {any} */ error) {
    const step = error?.problem?.step;
    if (error?.slug === 'newer-messages')
      toast(reason(error), {kind: 'error', label: t('chat.anyway'), act: again(true)});
    else if (typeof step === 'number')
      toast(`${t('chat.macros.refused', {n: step + 1, name: macro.name})} ${reason(error)}`, {kind: 'error'});
    else complain(error, again(anyway));
  }
  // What it did comes live too; where nothing comes it is fetched.
  talk.catchUp();
  talk.refresh();
  work.store.refresh();
}
