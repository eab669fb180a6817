// Who works on a site, and who was asked to.
import {html, useState} from '../libraries.js';
import {get, patch, post, remove, tagOf} from '../api.js';
import {may, me} from '../session.js';
import {complain, toast} from '../toasts.js';
import {Confirm, Dialog} from '../ui/dialog.js';
import {Choice, Copy, Field, Form} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Avatar, Heading, Mark, Name, When} from '../ui/parts.js';
import {Table} from '../ui/table.js';
import {t} from '../words.js';

/** @typedef {{account: string, email: string, name: string, role: string, sections: string[], since: string, seen: string | null, version: number, picture: string}} Member */
/** @typedef {{id: string, email: string, role: string, sections: string[], created: string, expires: string}} Invitation */

const ROLES = ['owner', 'admin', 'moderator', 'operator', 'analyst'];

/** The roles that somebody may give on a site. @param {string} site */
const roles = site =>
  /** @type {[string, string][]} */ (
    ROLES.filter(one => one !== 'owner' || may(site, 'owner')).map(one => [
      one,
      `${t(`role.${one}`)}: ${t(`role.${one}.may`)}`,
    ])
  );

/** Sections as they are typed. @param {string} text */
const split = text =>
  text
    .split(',')
    .map(one => one.trim())
    .filter(Boolean);

/** The role, and of which sections. @param {Member | Invitation} one */
const roleOf = one =>
  html`${t(`role.${one.role}`)}${one.sections.length > 0 && html` <span class="muted">${one.sections.join(', ')}</span>`}`;

/** @param {{role: string, sections: string, setRole: any, setSections: any, site: string}} props */
function RoleFields({role, sections, setRole, setSections, site}) {
  return html`<${Choice} label=${t('members.role')} value=${role} options=${roles(site)} onInput=${setRole} /> ${
      role === 'moderator' &&
      html`<${Field}
        label=${t('members.sections')}
        hint=${t('members.sections.hint')}
        value=${sections}
        onInput=${setSections}
      />`
    }`;
}

/** @param {{site: string}} props */
export function MembersPage({site}) {
  const loaded = useLoad(signal => get(`/sites/${site}/members`, {}, signal), [site]);
  const [open, setOpen] = useState(/** @type {any} */ (null));
  const close = () => setOpen(null);
  const done = async (/** @type {string} */ text) => {
    close();
    toast(text);
    await loaded.again();
  };
  /** @param {Invitation} one */
  const withdraw = async one => {
    try {
      await remove(`/sites/${site}/invitations/${one.id}`);
      await done(t('members.withdrawn'));
    } catch (error) {
      complain(error);
    }
  };
  return html`<div class="page">
    <${Heading}
      aside=${html`<button type="button" class="primary" onClick=${() => setOpen({kind: 'invite'})}>${t('members.invite')}</button>`}
      >${t('nav.members')}<//
    >
    <${Loaded} from=${loaded}>
      ${(/** @type {{members: Member[], invitations: Invitation[]}} */ found) =>
        html` <${Table}
            label=${t('nav.members')}
            rows=${found.members}
            id=${(/** @type {Member} */ one) => one.account}
            columns=${[
              {
                label: t('name'),
                cell: (/** @type {Member} */ one) =>
                  html`<${Avatar} name=${one.name || one.email} id=${one.account} picture=${one.picture} />
                    <${Name}
                      name=${one.name || one.email.split('@')[0]}
                    />${one.account === me.value?.account.id && html` <${Mark}>${t('you')}<//>`}`,
              },
              {label: t('email'), cell: (/** @type {Member} */ one) => one.email},
              {label: t('members.role'), cell: roleOf},
              {label: t('members.seen'), cell: (/** @type {Member} */ one) => html`<${When} at=${one.seen} />`},
              {
                label: t('actions'),
                hidden: true,
                cell: (/** @type {Member} */ one) =>
                  html`<div class="actions end">
                    <button
                      type="button"
                      aria-label=${t('members.change.of', {name: one.name})}
                      onClick=${() => setOpen({kind: 'change', one})}
                    >
                      ${t('change')}
                    </button>
                    <button
                      type="button"
                      class="danger"
                      aria-label=${t('members.remove.of', {name: one.name})}
                      onClick=${() => setOpen({kind: 'remove', one})}
                    >
                      ${t('remove')}
                    </button>
                  </div>`,
              },
            ]}
          />
          ${
            found.invitations.length > 0 &&
            html`<section class="stack">
              <h2>${t('members.invitations')}</h2>
              <${Table}
                label=${t('members.invitations')}
                rows=${found.invitations}
                id=${(/** @type {Invitation} */ one) => one.id}
                columns=${[
                  {label: t('email'), cell: (/** @type {Invitation} */ one) => one.email},
                  {label: t('members.role'), cell: roleOf},
                  {label: t('expires'), cell: (/** @type {Invitation} */ one) => html`<${When} at=${one.expires} />`},
                  {
                    label: t('actions'),
                    hidden: true,
                    cell: (/** @type {Invitation} */ one) =>
                      html`<div class="actions end">
                        <button type="button" onClick=${() => withdraw(one)}>${t('members.withdraw')}</button>
                      </div>`,
                  },
                ]}
              />
            </section>`
          }`}
    <//>
    ${open?.kind === 'invite' && html`<${Invite} site=${site} onClose=${close} onDone=${loaded.again} />`}
    ${open?.kind === 'change' && html`<${Change} site=${site} member=${open.one} onClose=${close} onDone=${() => done(t('saved'))} />`}
    ${open?.kind === 'remove' && html`<${Remove} site=${site} member=${open.one} onClose=${close} onDone=${() => done(t('members.removed'))} />`}
  </div>`;
}

/** @param {{site: string, onClose: () => void, onDone: () => void}} props */
function Invite({site, onClose, onDone}) {
  const [email, setEmail] = useState('');
  const [role, setRole] = useState('moderator');
  const [sections, setSections] = useState('');
  const [made, setMade] = useState(/** @type {any} */ (null));
  const submit = async () => {
    setMade(
      await post(`/sites/${site}/members`, {
        email: email.trim(),
        role,
        sections: role === 'moderator' ? split(sections) : [],
      }),
    );
    onDone();
  };
  return html`<${Dialog} title=${t('members.invite')} onClose=${onClose}>
    ${
      made
        ? html`<p role="status">${made.mailed ? t('members.mailed', {email: made.email}) : t('members.by_hand')}</p>
            ${made.link && html`<${Copy} label=${t('members.link')} text=${made.link} />`}
            <div class="actions"><button type="button" class="primary" onClick=${onClose}>${t('done')}</button></div>`
        : html`<${Form} onSubmit=${submit} label=${t('members.invite')}>
            <${Field}
              label=${t('email')}
              type="email"
              required
              maxlength="250"
              value=${email}
              onInput=${setEmail}
              autocomplete="off"
            />
            <${RoleFields} ...${{role, sections, setRole, setSections, site}} />
          <//>`
    }
  <//>`;
}

/** @param {{site: string, member: Member, onClose: () => void, onDone: () => void}} props */
function Change({site, member, onClose, onDone}) {
  const [role, setRole] = useState(member.role);
  const [sections, setSections] = useState(member.sections.join(', '));
  const submit = async () => {
    const body = {role, sections: role === 'moderator' ? split(sections) : []};
    await patch(`/sites/${site}/members/${member.account}`, body, {match: tagOf(member)});
    onDone();
  };
  return html`<${Dialog} title=${t('members.change.of', {name: member.name})} onClose=${onClose}>
    <${Form} onSubmit=${submit} label=${t('save')} onTheirs=${onDone}
      ><${RoleFields} ...${{role, sections, setRole, setSections, site}}
    /><//>
  <//>`;
}

/** @param {{site: string, member: Member, onClose: () => void, onDone: () => void}} props */
function Remove({site, member, onClose, onDone}) {
  const [busy, setBusy] = useState(false);
  const yes = async () => {
    setBusy(true);
    try {
      await remove(`/sites/${site}/members/${member.account}`);
      onDone();
    } catch (error) {
      complain(error);
      setBusy(false);
    }
  };
  return html`<${Confirm}
    title=${t('members.remove.of', {name: member.name})}
    text=${t('members.remove.text')}
    label=${t('remove')}
    busy=${busy}
    onYes=${yes}
    onClose=${onClose}
  />`;
}
