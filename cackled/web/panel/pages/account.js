// Somebody's own account: name, password, second factors, passkeys, where it is signed in, and the end of it.
import {html, useState} from '../libraries.js';
import {OwnPicture} from './account_picture.js';
import {ask, get, patch, post, put, remove} from '../api.js';
import * as passkeys from '../passkeys.js';
import {go} from '../router.js';
import {load, me} from '../session.js';
import {complain, toast} from '../toasts.js';
import {Dialog} from '../ui/dialog.js';
import {Copy, Field, Form} from '../ui/form.js';
import {Fresh} from '../ui/fresh.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Heading, Mark, When} from '../ui/parts.js';
import {QrCode} from '../ui/qr.js';
import {Table} from '../ui/table.js';
import {t} from '../words.js';

export function AccountPage() {
  return html`<div class="page narrow">
    <${Heading}>${t('account.title')}<//>
    <${Name} /><${OwnPicture} /><${SignInWays} /><${Sessions} /><${End} />
  </div>`;
}

function Name() {
  const [name, setName] = useState(me.value?.account.name || '');
  const submit = async () => {
    await patch('/auth/me', {name: name.trim()});
    await load();
    toast(t('saved'));
  };
  return html`<section class="panel">
    <h2>${t('account.you')}</h2>
    <p class="muted">${me.value?.account.email}</p>
    <${Form} onSubmit=${submit} label=${t('save')} disabled=${name.trim() === me.value?.account.name}>
      <${Field}
        label=${t('name')}
        hint=${t('invitation.name')}
        required
        maxlength="200"
        autocomplete="name"
        value=${name}
        onInput=${setName}
    /><//>
  </section>`;
}

/** @typedef {{password: boolean, totp: boolean, recovery_codes: number, passkeys: {id: string, name: string, created: string, used: string | null}[]}} Factors */

function SignInWays() {
  const loaded = useLoad(signal => get('/auth/factors', {}, signal), []);
  const [open, setOpen] = useState(/** @type {any} */ (null));
  const close = () => setOpen(null);
  const done = async () => {
    close();
    toast(t('saved'));
    await loaded.again();
  };
  return html`<section class="panel">
    <h2>${t('account.ways')}</h2>
    <${Loaded} from=${loaded}>
      ${(/** @type {Factors} */ found) =>
        html`<dl class="ways">
            <div>
              <dt>${t('password')}</dt>
              <dd>${found.password ? t('account.set') : t('account.unset')}</dd>
              <dd>
                <button type="button" onClick=${() => setOpen({kind: 'password'})}>
                  ${found.password ? t('change') : t('account.choose')}
                </button>
              </dd>
            </div>
            <div>
              <dt>${t('account.totp')}</dt>
              <dd>${found.totp ? t('account.codes_left', {n: found.recovery_codes}) : t('account.unset')}</dd>
              <dd class="actions">
                ${
                  found.totp
                    ? html`<button type="button" onClick=${() => setOpen({kind: 'codes'})}>
                          ${t('account.new_codes')}
                        </button>
                        <button type="button" class="danger" onClick=${() => setOpen({kind: 'no_totp'})}>
                          ${t('remove')}
                        </button>`
                    : html`<button type="button" onClick=${() => setOpen({kind: 'totp'})}>
                        ${t('account.set_up')}
                      </button>`
                }
              </dd>
            </div>
            ${found.passkeys.map(
              one =>
                html`<div key=${one.id}>
                  <dt>${t('account.passkey')}: <bdi>${one.name}</bdi></dt>
                  <dd>${one.used ? html`${t('account.used')} <${When} at=${one.used} />` : t('never')}</dd>
                  <dd>
                    <button
                      type="button"
                      class="danger"
                      aria-label=${`${t('remove')}: ${one.name}`}
                      onClick=${() => setOpen({kind: 'no_passkey', one})}
                    >
                      ${t('remove')}
                    </button>
                  </dd>
                </div>`,
            )}
          </dl>
          ${passkeys.able() && html`<div class="actions"><button type="button" onClick=${() => setOpen({kind: 'passkey'})}>${t('account.add_passkey')}</button></div>`}`}
    <//>
    ${open?.kind === 'password' && html`<${Password} onClose=${close} onDone=${done} />`}
    ${open?.kind === 'totp' && html`<${Totp} onClose=${close} onDone=${loaded.again} />`}
    ${open?.kind === 'codes' && html`<${NewCodes} onClose=${close} onDone=${loaded.again} />`}
    ${open?.kind === 'passkey' && html`<${AddPasskey} onClose=${close} onDone=${done} />`}
    ${open?.kind === 'no_totp' && html`<${Sure} title=${t('account.totp')} text=${t('account.no_totp')} path="/auth/totp" onClose=${close} onDone=${done} />`}
    ${open?.kind === 'no_passkey' && html`<${Sure} title=${open.one.name} text=${t('account.no_passkey')} path=${`/auth/passkeys/${open.one.id}`} onClose=${close} onDone=${done} />`}
  </section>`;
}

/** Something that is taken away. @param {{title: string, text: string, path: string, onClose: () => void, onDone: () => void}} props */
function Sure({title, text, path, onClose, onDone}) {
  const yes = async () => {
    await remove(path);
    onDone();
  };
  return html`<${Dialog} title=${title} onClose=${onClose}
    ><p>${text}</p>
    <${Fresh}><${Form} onSubmit=${yes} label=${t('remove')} /><//
  ><//>`;
}

/** @param {{onClose: () => void, onDone: () => void}} props */
function Password({onClose, onDone}) {
  const [password, setPassword] = useState('');
  const submit = async () => {
    await put('/auth/password', {password});
    onDone();
  };
  return html`<${Dialog} title=${t('password')} onClose=${onClose}
    ><${Fresh}
      ><${Form} onSubmit=${submit} label=${t('save')}>
        <p class="muted">${t('account.password.text')}</p>
        <${Field}
          label=${t('account.new_password')}
          hint=${t('password.hint')}
          type="password"
          required
          minlength="10"
          maxlength="200"
          autocomplete="new-password"
          value=${password}
          onInput=${setPassword}
        /> <//><//
  ><//>`;
}

/** @param {{codes: string[], onClose: () => void}} props */
const Codes = ({codes, onClose}) =>
  html`<p role="status">${t('account.codes.text')}</p>
    <${Copy} label=${t('account.codes')} text=${codes.join('\n')} rows=${codes.length} />
    <div class="actions"><button type="button" class="primary" onClick=${onClose}>${t('done')}</button></div>`;

/** @param {{onClose: () => void, onDone: () => void}} props */
function Totp({onClose, onDone}) {
  const [setup, setSetup] = useState(/** @type {any} */ (null));
  const [code, setCode] = useState('');
  const [codes, setCodes] = useState(/** @type {string[] | null} */ (null));
  const begin = async () => setSetup(await post('/auth/totp'));
  const finish = async () => {
    setCodes(
      (await put('/auth/totp', {token: setup.token, secret: setup.secret, code: code.replace(/\s/g, '')}))
        .recovery_codes,
    );
    onDone();
  };
  return html`<${Dialog} title=${t('account.totp')} onClose=${onClose}>
    ${
      codes
        ? html`<${Codes} codes=${codes} onClose=${onClose} />`
        : html`<${Fresh}
            >${
              setup
                ? html`<${Form} onSubmit=${finish} label=${t('account.totp.finish')}>
                    <p>${t('account.totp.text')}</p>
                    <${QrCode} qr=${setup.qr} label=${t('account.totp.qr')} />
                    <p><a href=${setup.uri}>${t('account.totp.open')}</a></p>
                    <${Copy} label=${t('account.totp.secret')} text=${setup.secret} />
                    <${Field}
                      label=${t('signin.code')}
                      required
                      inputmode="numeric"
                      autocomplete="one-time-code"
                      maxlength="40"
                      value=${code}
                      onInput=${setCode}
                  /><//>`
                : html`<${Form} onSubmit=${begin} label=${t('account.set_up')}><p>${t('account.totp.why')}</p><//>`
            }<//
          >`
    }
  <//>`;
}

/** @param {{onClose: () => void, onDone: () => void}} props */
function NewCodes({onClose, onDone}) {
  const [codes, setCodes] = useState(/** @type {string[] | null} */ (null));
  const submit = async () => {
    setCodes((await post('/auth/recovery-codes')).recovery_codes);
    onDone();
  };
  return html`<${Dialog} title=${t('account.codes')} onClose=${onClose}>
    ${
      codes
        ? html`<${Codes} codes=${codes} onClose=${onClose} />`
        : html`<${Fresh}
            ><${Form} onSubmit=${submit} label=${t('account.new_codes')}><p>${t('account.codes.replace')}</p><//><//
          >`
    }
  <//>`;
}

/** @param {{onClose: () => void, onDone: () => void}} props */
function AddPasskey({onClose, onDone}) {
  const [name, setName] = useState('');
  const submit = async () => {
    try {
      await passkeys.add(name.trim());
      onDone();
    } catch (error) {
      if (!(error instanceof passkeys.Cancelled)) throw error;
    }
  };
  return html`<${Dialog} title=${t('account.add_passkey')} onClose=${onClose}
    ><${Fresh}
      ><${Form} onSubmit=${submit} label=${t('account.add_passkey')}>
        <p>${t('account.passkey.text')}</p>
        <${Field}
          label=${t('name')}
          hint=${t('account.passkey.hint')}
          maxlength="200"
          value=${name}
          onInput=${setName} /><//><//
  ><//>`;
}

const BROWSERS = [
  'Edg',
  'OPR',
  'SamsungBrowser',
  'YaBrowser',
  'Vivaldi',
  'Firefox',
  'FxiOS',
  'CriOS',
  'Chrome',
  'Safari',
];
const SYSTEMS = ['Android', 'iPhone', 'iPad', 'Windows', 'Mac OS X', 'CrOS', 'Linux'];
const NAMES = /** @type {Record<string, string>} */ ({
  Edg: 'Edge',
  OPR: 'Opera',
  SamsungBrowser: 'Samsung Internet',
  YaBrowser: 'Yandex',
  FxiOS: 'Firefox',
  CriOS: 'Chrome',
  'Mac OS X': 'macOS',
  CrOS: 'ChromeOS',
});

/** What people call a browser and its system; the whole text where neither is known. @param {string} agent */
function browser(agent) {
  const found = [BROWSERS.find(one => agent.includes(`${one}/`)), SYSTEMS.find(one => agent.includes(one))].filter(
    one => one !== undefined,
  );
  return found.map(one => NAMES[one] || one).join(', ') || agent;
}

/** @typedef {{id: string, address: string, agent: string, created: string, seen: string, way: string}} Session */

function Sessions() {
  const loaded = useLoad(signal => get('/auth/sessions', {}, signal), []);
  /** @param {string} [id] */
  const end = async id => {
    try {
      await remove(id ? `/auth/sessions/${id}` : '/auth/sessions');
      toast(t('account.ended'));
      await loaded.again();
    } catch (error) {
      complain(error);
    }
  };
  return html`<section class="stack">
    <div class="row">
      <h2>${t('account.sessions')}</h2>
      <span class="grow"></span> <button type="button" onClick=${() => end()}>${t('account.end_others')}</button>
    </div>
    <${Loaded} from=${loaded}>
      ${(/** @type {{sessions: Session[], current: string}} */ found) =>
        html`<${Table}
          label=${t('account.sessions')}
          rows=${found.sessions}
          id=${(/** @type {Session} */ one) => one.id}
          columns=${[
            {
              label: t('account.browser'),
              cell: (/** @type {Session} */ one) =>
                html`<span class="break" title=${one.agent}>${browser(one.agent)}</span>
                  ${one.id === found.current && html` <${Mark} kind="good">${t('account.this')}<//>`}`,
            },
            {
              label: t('queue.ip'),
              cell: (/** @type {Session} */ one) => html`<span class="code">${one.address}</span>`,
            },
            {label: t('account.used'), cell: (/** @type {Session} */ one) => html`<${When} at=${one.seen} />`},
            {
              label: t('actions'),
              hidden: true,
              cell: (/** @type {Session} */ one) =>
                one.id !== found.current &&
                html`<div class="actions end">
                  <button type="button" onClick=${() => end(one.id)}>${t('leave')}</button>
                </div>`,
            },
          ]}
        />`}
    <//>
  </section>`;
}

function End() {
  const [open, setOpen] = useState('');
  const save = async () => {
    const {body} = await ask('GET', '/auth/export');
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([JSON.stringify(body, null, 2)], {type: 'application/json'}));
    link.download = 'account.json';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    setOpen('');
  };
  const end = async () => {
    await remove('/auth/me');
    me.value = null;
    go('/', {replace: true, force: true});
  };
  return html`<section class="panel">
    <h2>${t('account.data')}</h2>
    <div class="actions">
      <button type="button" onClick=${() => setOpen('export')}>${t('account.export')}</button>
      <button type="button" class="danger" onClick=${() => setOpen('end')}>${t('account.delete')}</button>
    </div>
    ${
      open === 'export' &&
      html`<${Dialog} title=${t('account.export')} onClose=${() => setOpen('')}
        ><p>${t('account.export.text')}</p>
        <${Fresh}><${Form} onSubmit=${save} label=${t('account.export')} /><//
      ><//>`
    }
    ${
      open === 'end' &&
      html`<${Dialog} title=${t('account.delete')} onClose=${() => setOpen('')}
        ><p>${t('account.delete.text')}</p>
        <${Fresh}><${Form} onSubmit=${end} label=${t('account.delete')} /><//
      ><//>`
    }
  </section>`;
}
