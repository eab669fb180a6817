// Where an invitation leads: what it is about, and joining with an account or a new one.
import {html, useState} from '../libraries.js';
import {post} from '../api.js';
import {Card} from '../frame.js';
import {go} from '../router.js';
import {entered, me} from '../session.js';
import {Field, Form} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {t} from '../words.js';
import {SignIn} from './signin.js';

export function InvitationPage() {
  const [token] = useState(() => new URLSearchParams(location.hash.slice(1)).get('token') || '');
  const loaded = useLoad(() => post('/auth/invitation/look', {token}), [token]);
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [signIn, setSignIn] = useState(false);
  const signedIn = !!me.value;
  const submit = async () => {
    const body = signedIn ? {token} : {token, name: name.trim(), password};
    entered(await post('/auth/invitation', body));
    go(`/sites/${loaded.value.site}`, {replace: true});
  };
  if (signIn && !signedIn) return html`<${SignIn} />`;
  return html`<${Card} title=${t('invitation.title')}>
    <${Loaded} from=${loaded}>
      ${(/** @type {{site: number, site_name: string, email: string, role: string, account: boolean}} */ found) =>
        html` <p>${t('invitation.text', {site: found.site_name, role: t(`role.${found.role}`)})}</p>
          ${
            !signedIn && found.account
              ? html`<p>${t('invitation.account', {email: found.email})}</p>
                  <button type="button" class="primary" onClick=${() => setSignIn(true)}>${t('signin.title')}</button>`
              : html`<${Form} onSubmit=${submit} label=${t('invitation.go')}>
                  ${
                    signedIn
                      ? html`<p class="muted">${t('invitation.as', {name: me.value?.account.email || ''})}</p>`
                      : html`<${Field}
                            label=${t('email')}
                            type="email"
                            value=${found.email}
                            readonly
                            autocomplete="username"
                          />
                          <${Field}
                            label=${t('name')}
                            hint=${t('invitation.name')}
                            required
                            maxlength="200"
                            autocomplete="name"
                            value=${name}
                            onInput=${setName}
                          />
                          <${Field}
                            label=${t('password')}
                            hint=${t('password.hint')}
                            type="password"
                            required
                            minlength="10"
                            maxlength="1000"
                            autocomplete="new-password"
                            value=${password}
                            onInput=${setPassword}
                          />`
                  }
                <//>`
          }`}
    <//>
  <//>`;
}
