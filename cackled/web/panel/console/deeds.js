// What is done with a chat in a dialog: transfer, invite, snooze, labels, block, close.
import {html, useState} from '../libraries.js';
import {complain, toast} from '../toasts.js';
import {Dialog} from '../ui/dialog.js';
import {Check, Choice, Field, Form} from '../ui/form.js';
import {moment, t} from '../words.js';
import {holder} from './kinds.js';

export const REASONS = ['solved', 'left', 'duplicate', 'elsewhere', 'other'];

/**
 * What an operator does with the chat that is open.
 * @param {import('./work.js').Work} work
 * @param {import('./talk.js').Talk} talk
 * @param {(what: string) => void} open
 * @param {() => void} away the chat is put aside
 */
export function deedsOf(work, talk, open, away) {
  /** @param {string} name @param {any} [body] */
  const act = async (name, body) => {
    const made = await work.calls.deed(talk.id, name, body);
    if (made?.chat) talk.take(made);
    else await talk.refresh();
    work.store.refresh();
    return made;
  };
  /** @param {string} name @param {string} told @param {() => any} [body] */
  const simply =
    (name, told, body = () => ({})) =>
    async () => {
      try {
        await act(name, body());
        if (told) toast(told);
        return true;
      } catch (error) {
        complain(error);
        // A colleague was quicker: it shows who.
        talk.refresh();
        return false;
      }
    };
  return {
    open,
    act,
    away,
    // From a colleague only where one saw that they have it.
    take: simply('take', '', () => ({over: !!holder(talk.chat.peek() || /** @type {any} */ ({}))})),
    leave: simply('leave', t('chat.left')),
    reopen: simply('reopen', t('chat.reopened')),
    spam: async () => {
      if (await simply('spam', t('chat.spammed'))()) away();
    },
  };
}

/** @param {{what: string, work: import('./work.js').Work, talk: import('./talk.js').Talk, deeds: any, onClose: () => void}} props */
export function DeedDialog({what, ...props}) {
  const Found = /** @type {Record<string, any>} */ ({
    transfer: Transfer,
    invite: Invite,
    snooze: Snooze,
    labels: Labels,
    block: Block,
    close: Close,
  })[what];
  return Found ? html`<${Found} ...${props} />` : null;
}

/** Colleagues, those who are there first. @param {import('./work.js').Work} work @returns {[string, string][]} */
const colleagues = work =>
  work.desk.colleagues.value
    .filter(one => String(one.id) !== work.person.id)
    .sort((a, b) => Number(b.state === 'online') - Number(a.state === 'online'))
    .map(one => [
      String(one.id),
      `${one.name} · ${t(`chat.desk.${one.state || 'lost'}`)}${one.capacity ? ` · ${one.chats ?? 0}/${one.capacity}` : ''}`,
    ]);

/** @param {{work: import('./work.js').Work, talk: any, deeds: any, onClose: () => void}} props */
function Transfer({work, deeds, onClose}) {
  const people = colleagues(work);
  const departments = work.departments.value.map(one => /** @type {[string, string]} */ ([String(one.id), one.name]));
  const [to, setTo] = useState(people.length ? 'member' : 'department');
  const [member, setMember] = useState(people[0]?.[0] || '');
  const [department, setDepartment] = useState(departments[0]?.[0] || '');
  const [note, setNote] = useState('');
  const submit = async () => {
    await deeds.act('transfer', {
      ...(to === 'member' ? {member} : {department}),
      ...(note.trim() ? {note: note.trim()} : {}),
    });
    toast(t('chat.transferred'));
    onClose();
  };
  return html`<${Dialog} title=${t('chat.do.transfer')} onClose=${onClose}>
    ${
      !people.length && !departments.length
        ? html`<p>${t('chat.transfer.nobody')}</p>`
        : html`<${Form}
            onSubmit=${submit}
            label=${t('chat.do.transfer')}
            disabled=${to === 'member' ? !member : !department}
          >
            <${Choice}
              label=${t('chat.transfer.to')}
              value=${to}
              onInput=${setTo}
              options=${
                /** @type {[string, string][]} */ ([
                  ...(people.length ? [['member', t('chat.transfer.member')]] : []),
                  ...(departments.length ? [['department', t('chat.department')]] : []),
                ])
              }
            />
            ${
              to === 'member'
                ? html`<${Choice}
                    label=${t('chat.transfer.member')}
                    value=${member}
                    onInput=${setMember}
                    options=${people}
                  />`
                : html`<${Choice}
                    label=${t('chat.department')}
                    value=${department}
                    onInput=${setDepartment}
                    options=${departments}
                  />`
            }
            <${Field}
              label=${t('chat.transfer.note')}
              area
              rows=${3}
              maxlength="2000"
              value=${note}
              onInput=${setNote}
              hint=${t('chat.note.hint')}
            />
          <//>`
    }
  <//>`;
}

/** Times to come back at. @returns {[string, Date][]} */
function times() {
  const now = new Date();
  const morning = (/** @type {number} */ days) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, 9);
  return [
    ['hour', new Date(now.getTime() + 3_600_000)],
    ['hours', new Date(now.getTime() + 3 * 3_600_000)],
    ['tomorrow', morning(1)],
    ['monday', morning((8 - now.getDay()) % 7 || 7)],
  ];
}

/** @param {{work: import('./work.js').Work, deeds: any, onClose: () => void}} props */
function Invite({work, deeds, onClose}) {
  const people = colleagues(work);
  const [member, setMember] = useState(people[0]?.[0] || '');
  const submit = async () => {
    await deeds.act('invite', {member});
    toast(t('chat.invited'));
    onClose();
  };
  return html`<${Dialog} title=${t('chat.do.invite')} onClose=${onClose}>
    ${
      people.length
        ? html`<${Form} onSubmit=${submit} label=${t('chat.do.invite')} disabled=${!member}>
            <${Choice} label=${t('chat.transfer.member')} value=${member} onInput=${setMember} options=${people} />
          <//>`
        : html`<p>${t('chat.transfer.nobody')}</p>`
    }
  <//>`;
}

/** By what a visitor is blocked, and days. */
const KINDS = ['visitor', 'address', 'mail'];
const TERMS = ['1', '7', '30', '365', ''];

/** @param {{talk: import('./talk.js').Talk, deeds: any, onClose: () => void}} props */
function Block({talk, deeds, onClose}) {
  const mail = !!talk.card.value?.mail;
  const [kinds, setKinds] = useState(['visitor']);
  const [term, setTerm] = useState('7');
  const submit = async () => {
    await deeds.act('block', {kinds, seconds: term ? Number(term) * 86_400 : null});
    toast(t('chat.blocked'));
    onClose();
  };
  return html`<${Dialog} title=${t('chat.do.block')} onClose=${onClose}>
    <p>${t('chat.block.text')}</p>
    <${Form} onSubmit=${submit} label=${t('chat.do.block')} disabled=${!kinds.length}>
      <fieldset>
        <legend>${t('ban.kind')}</legend>
        ${KINDS.filter(one => one !== 'mail' || mail).map(
          one =>
            html`<${Check}
              key=${one}
              label=${t(`ban.${one}`)}
              checked=${kinds.includes(one)}
              onInput=${(/** @type {boolean} */ on) => setKinds(on ? [...kinds, one] : kinds.filter(other => other !== one))}
            />`,
        )}
      </fieldset>
      <${Choice}
        label=${t('ban.term')}
        value=${term}
        onInput=${setTerm}
        options=${TERMS.map(one => [one, one ? t('ban.days', {n: Number(one)}) : t('ban.ever')])}
      />
    <//>
  <//>`;
}

/** @param {{deeds: any, onClose: () => void}} props */
function Snooze({deeds, onClose}) {
  const [own, setOwn] = useState('');
  const submit = async (/** @type {Date} */ at) => {
    await deeds.act('snooze', {seconds: Math.max(60, Math.round((at.getTime() - Date.now()) / 1000))});
    toast(t('chat.snoozed', {time: moment(at)}));
    onClose();
  };
  const till = own ? new Date(own) : null;
  return html`<${Dialog} title=${t('chat.do.snooze')} onClose=${onClose}>
    <p>${t('chat.snooze.text')}</p>
    <div class="cards">
      ${times().map(([name, at]) => html`<button type="button" key=${name} onClick=${() => submit(at).catch(complain)}>${t(`chat.snooze.${name}`)} <span class="muted">${moment(at)}</span></button>`)}
    </div>
    <${Form}
      onSubmit=${() => submit(/** @type {Date} */ (till))}
      label=${t('chat.do.snooze')}
      disabled=${!till || Number.isNaN(till.getTime()) || till.getTime() < Date.now()}
    >
      <${Field} label=${t('chat.snooze.own')} type="datetime-local" value=${own} onInput=${setOwn} />
    <//>
  <//>`;
}

/** @param {{talk: import('./talk.js').Talk, deeds: any, onClose: () => void}} props */
function Labels({talk, deeds, onClose}) {
  const [text, setText] = useState((talk.chat.value?.labels || []).join(', '));
  const submit = async () => {
    const labels = [
      ...new Set(
        text
          .split(',')
          .map(one => one.trim())
          .filter(Boolean),
      ),
    ];
    await deeds.act('labels', {labels});
    onClose();
  };
  return html`<${Dialog} title=${t('chat.do.labels')} onClose=${onClose}>
    <${Form} onSubmit=${submit} label=${t('save')}>
      <${Field}
        label=${t('chat.card.labels')}
        hint=${t('chat.labels.hint')}
        maxlength="400"
        value=${text}
        onInput=${setText}
      />
    <//>
  <//>`;
}

/** @param {{talk: import('./talk.js').Talk, deeds: any, onClose: () => void}} props */
function Close({talk, deeds, onClose}) {
  const [why, setWhy] = useState('solved');
  const unsent = talk.drafts.reply.value.trim() || talk.dirty;
  const submit = async () => {
    await deeds.act('close', {reason: why});
    toast(t('chat.closed'));
    onClose();
  };
  return html`<${Dialog} title=${t('chat.do.close')} onClose=${onClose}>
    ${unsent && html`<p class="wrong">${t('chat.close.draft')}</p>`}
    <${Form} onSubmit=${submit} label=${t('chat.do.close')}>
      <${Choice}
        label=${t('chat.close.reason')}
        value=${why}
        onInput=${setWhy}
        options=${REASONS.map(one => [one, t(`chat.reason.${one}`)])}
      />
    <//>
  <//>`;
}
