/* Questions and answers below the reviews of a product, where the site has them: read when they are opened. */
import {nameOf} from './item.js';
import {el, press} from '../../../web/lib/dom.js';
import {Draft} from '../../../web/lib/drafts.js';
import {safeHtml} from '../../../web/lib/html.js';
import {loader} from '../../../web/lib/loader.js';
import {pageUrl} from '../../../web/lib/page_url.js';
import {reason} from '../../../web/lib/reasons.js';
import {asObject, uid} from '../../../web/lib/values.js';
import {seqOf} from './store.js';

/** @typedef {import('./store.js').Review} Review */
/** @typedef {import('./widget.js').Reviews} Reviews */

/** @param {Reviews} w */
export function beginQuestions(w) {
  const {t, store} = w;
  if (!w.settings.questions) return;
  /** @type {Map<string, Review>} */
  const all = new Map();
  /** @type {string | null} */
  let cursor = null;
  let open = false;
  const list = el('div.mcr-asked', {role: 'list', hidden: true});
  const more = el('button.mcr-more', {hidden: true, onclick: () => load()}, t('reviewMore'));
  const box = el('div', {hidden: true}, list, more);
  const head = el('button.mcr-plain', {'aria-expanded': 'false', onclick: toggle}, '');
  const title = () => {
    head.textContent = t('reviewQuestions', {n: store.summary.questions});
  };
  title();
  w.questions.hidden = false;
  w.questions.replaceChildren(head, box);
  w.node.addEventListener('mcr-question', event => {
    const told = /** @type {Review} */ (/** @type {CustomEvent} */ (event).detail);
    title();
    if (!open) return;
    take(told);
    draw();
  });

  function toggle() {
    open = !open;
    box.hidden = !open;
    head.setAttribute('aria-expanded', '' + open);
    if (open && !list.firstChild) {
      if (!w.channel.locked && w.settings.posting !== false) box.append(writer('question', ''));
      load();
    }
  }
  /** @param {Review} one */
  function take(one) {
    if (one.kind === 'question') {
      const known = all.get(one.id);
      all.set(one.id, {...one, answers: one.answers || (known && known.answers) || []});
    } else {
      const question = one.parent ? all.get(one.parent) : null;
      if (!question) return;
      question.answers = [...(question.answers || []).filter(other => other.id !== one.id), one];
    }
  }
  async function load() {
    const query = new URLSearchParams({channel: w.key, kind: 'question', sort: 'new', readPreference: 'nearest'});
    if (cursor) query.set('cursor', cursor);
    try {
      const {page} = await w.api('GET', '/reviews?' + query);
      page.reviews.forEach(take);
      cursor = page.cursor;
      more.hidden = !cursor;
      draw();
    } catch (error) {
      list.hidden = false;
      list.replaceChildren(el('div.mcr-error', {role: 'alert'}, reason(t, /** @type {any} */ (error))));
    }
  }
  /** @param {Review} one */
  const by = one =>
    el(
      'div.mcr-by',
      null,
      el('bdi.mcr-who', {dir: 'auto'}, nameOf(w, one.author)),
      one.staff && el('span.mcr-badge', null, t('staff')),
      one.verified === 'order' && el('span.mcr-badge', null, t('reviewVerified')),
      w.times.node(one.created),
      one.state && el('span.mcr-when', null, t('reviewWaits')),
    );
  function draw() {
    const focused = list.contains(document.activeElement);
    if (focused && /** @type {Element} */ (document.activeElement).tagName === 'TEXTAREA') return;
    list.hidden = !all.size;
    list.replaceChildren(
      ...[...all.values()].map(one => {
        const slot = el('div');
        const answer = press(
          'mcr-link',
          {
            onclick: () => {
              const form = writer('answer', one.id);
              slot.replaceChildren(form);
              /** @type {any} */ (form.querySelector('textarea')).focus();
            },
          },
          t('reviewAnswer'),
        );
        return el(
          'div.mcr-c',
          {role: 'listitem', id: 'cr-' + one.id},
          by(one),
          el('div.mcr-text.mcr-question', null, safeHtml(one.html)),
          (one.answers || []).map(other =>
            el('div.mcr-reply', null, by(other), el('div.mcr-text', null, safeHtml(other.html))),
          ),
          !one.state && !w.channel.locked && answer,
          slot,
        );
      }),
    );
  }
  /**
   * @param {'question' | 'answer'} kind
   * @param {string} parent
   */
  function writer(kind, parent) {
    const label = t(kind === 'question' ? 'reviewAsk' : 'reviewAnswer');
    const input = el('textarea.mcr-input', {
      rows: 2,
      'aria-label': label,
      placeholder: label,
      dir: 'auto',
      maxlength: w.settings.max_length || 8000,
      oninput: () => {
        go.disabled = !input.value.trim();
        // Something else than what was sent before.
        key = uid();
        draft.touch();
      },
    });
    const error = el('div.mcr-error', {role: 'alert'});
    const go = el('button.mcr-btn', {disabled: true, onclick: send}, t('post'));
    const draft = new Draft(['review-' + kind, w.site, w.key, parent].join(':'), () => input.value);
    let key = uid();
    input.value = draft.stored;
    go.disabled = !input.value.trim();
    async function send() {
      const text = input.value.trim();
      go.disabled = true;
      error.textContent = '';
      try {
        const channel = {key: w.key, url: pageUrl(w.o), title: w.o.title || document.title};
        const name = loader.text(asObject(w.session.person()).name) || loader.text(w.session.get('name')) || 'Guest';
        const data = await w.api('POST', '/reviews', {
          key,
          body: {channel, kind, parent: parent || undefined, text, name},
        });
        draft.drop();
        key = uid();
        input.value = '';
        input.blur();
        take(data.review);
        store.count(data.summary, seqOf(data));
        title();
        draw();
      } catch (e) {
        error.textContent = reason(t, /** @type {any} */ (e), true);
        go.disabled = false;
      }
    }
    return el('div.mcr-ask', null, input, error, el('div.mcr-foot', null, go));
  }
}
