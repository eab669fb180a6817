/* What people change of themselves, on their own card: their picture, the name that others see, whether their comments are shown on their profile,
   whether their picture may be asked for by their mail. */
import {ownPicture} from './own_picture.js';
import {el, press} from '../lib/dom.js';
import {openData} from '../lib/own_data.js';

/**
 * @param {import('./people.js').Host & {signOut: () => void, said: (error: any) => string}} host
 * @param {HTMLElement} card
 * @param {() => void} shut closes the card
 */
export function fillOwn(host, card, shut) {
  const t = host.t;
  const name = el('input.mc-field', {maxlength: 60, autocomplete: 'nickname', dir: 'auto', required: true});
  const box = () => el('input.mc-tick', {type: 'checkbox'});
  const hidden = box();
  const picture = box();
  /**
   * @param {HTMLElement} input
   * @param {string} words
   * @param {string} [hint]
   */
  const line = (input, words, hint) =>
    el('label.mc-choice', null, input, el('span', null, words, hint && el('span.mc-note', null, hint)));
  const told = el('div.mc-error', {role: 'alert'});
  const save = el(
    'button.mc-formbtn',
    {disabled: true, onclick: () => /** @type {HTMLFormElement} */ (form).requestSubmit()},
    t('save'),
  );
  /** @type {Record<string, any>} */
  let was = {};
  const form = el(
    'form.mc-self',
    {
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        // What is being typed here must not reach the page's forms.
        event.stopPropagation();
        /** @type {Record<string, any>} */
        const body = {};
        if (name.value.trim() !== was.name) body.name = name.value.trim();
        if (hidden.checked !== was.private) body.private = hidden.checked;
        if (picture.checked !== was.gravatar) body.gravatar = picture.checked;
        if (!Object.keys(body).length) return shut();
        save.disabled = true;
        host.session.call('PATCH', '/me', {body}).then(
          (/** @type {any} */ now) => {
            shut();
            host.session.set('person', {...host.session.person(), name: now.name, avatar: now.avatar});
            // The name and the picture stand in many places.
            if (body.name || 'gravatar' in body) host.done();
          },
          (/** @type {any} */ error) => {
            save.disabled = false;
            told.textContent = host.said(error);
          },
        );
      },
    },
    el('label', null, t('ownName'), name),
    line(hidden, t('makePrivate'), t('makePrivateHint')),
    line(picture, t('gravatar'), t('gravatarHint')),
    told,
    el(
      'div.mc-acts',
      null,
      save,
      press('mc-act', {onclick: () => host.signOut()}, t('signOut')),
      press(
        'mc-act',
        {onclick: () => openData(host.session, error => (told.textContent = host.said(error)))},
        t('myData'),
      ),
    ),
  );
  card.append(form);
  return host.session.call('GET', '/me', {mine: true}).then((/** @type {any} */ me) => {
    was = me;
    name.value = me.name;
    hidden.checked = me.private;
    picture.checked = me.gravatar;
    // Without an address there is nothing to look a picture up by.
    if (!me.email) /** @type {HTMLElement} */ (picture.closest('label')).remove();
    if (typeof me.picture === 'boolean') {
      const tell = (/** @type {any} */ error) => (told.textContent = error ? host.said(error) : '');
      form.prepend(
        ownPicture(host, me, tell, now => {
          host.session.set('person', {...host.session.person(), avatar: now.avatar});
          shut();
          host.done();
        }),
      );
    }
    save.disabled = false;
  });
}
