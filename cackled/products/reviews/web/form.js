/* The form: one thing at a time in a narrow column, all at once in a wide one. What was filled in is kept until the server
   has taken it. */
import {forgetOrder, orderKey, own, starField, stored, tellOrder, titleOf} from './form_parts.js';
import {flash, showPill} from './live.js';
import {signButton} from './sign.js';
import {drawAll, notice} from './widget.js';
import {el, press} from '../../../web/lib/dom.js';
import {Draft} from '../../../web/lib/drafts.js';
import {loader} from '../../../web/lib/loader.js';
import {pageUrl} from '../../../web/lib/page_url.js';
import {reason} from '../../../web/lib/reasons.js';
import {tabStorage} from '../../../web/lib/storage.js';
import {serverNow} from '../../../web/lib/time.js';
import {toJson, uid} from '../../../web/lib/values.js';

/** @typedef {import('./widget.js').Reviews} Reviews */

// An answer may have run out, or been used, before it came.
const MOST_PROOFS = 3;
const MOST_PHOTOS = 10;
const ALL = ['title', 'pros', 'cons', 'text', 'recommend', 'experienced', 'variant', 'media'];
/** @type {Record<string, string>} the field that a refusal is about */
const ABOUT = {
  'star-missing': 'star',
  criteria: 'star',
  attribute: 'attributes',
  'text-too-long': 'text',
  'text-empty': 'text',
};

/**
 * What a link to this page brought: a token of an order, stars, a name. Once; it leaves the address.
 * @param {Reviews} w
 */
export function fromLink(w) {
  const ours = /^#mc-review=([\w.~-]{1,4000})(?:&star=([1-5]))?$/.exec(location.hash);
  const old = /^#cr\/(.*)\/?$/.exec(location.hash);
  if (!ours && !old) {
    // The tab was loaded anew before anything was sent.
    w.order = loader.text(tabStorage.get(orderKey(w)));
    return;
  }
  history.replaceState(history.state, '', location.href.split('#')[0]);
  if (ours) {
    w.order = ours[1];
    tabStorage.set(orderKey(w), w.order);
    return openForm(w, {star: +(ours[2] || 0)});
  }
  let name = '';
  try {
    name = decodeURIComponent(/** @type {any} */ (old)[1].split(':')[5] || '');
  } catch {
    // It is what somebody wrote.
  }
  openForm(w, {name: name.slice(0, 50)});
}
/** Whether the visitor may not write here before they have signed in. @param {Reviews} w */
function isMute(w) {
  const level = w.session.get('level');
  if (w.settings.writers === 'signed-in' && !level) return true;
  return !!(w.write && (w.write === 'signed-in' ? !level : level !== 'site'));
}

/**
 * Opens the form, to write or to edit; or goes to it where it is open.
 * @param {Reviews} w
 * @param {{star?: number, name?: string}} [given]
 */
export function openForm(w, given = {}) {
  const {t, store, settings} = w;
  if (w.form) {
    if (given.star) w.form.set({star: given.star});
    return w.form.show();
  }
  if (w.channel.locked || settings.posting === false) return notice(w, t('reviewClosed'));
  w.opener.setAttribute('aria-expanded', 'true');
  if (isMute(w)) {
    w.desk.replaceChildren(el('div.mcr-none', null, el('div', null, t('reviewToWrite')), signButton(w)));
    return;
  }
  const mine = store.mine;
  const person = w.session.person();
  const fields = new Set(settings.fields || ALL);
  const begun = Date.now();
  const draft = new Draft(['review', w.site, w.key, mine ? mine.id : ''].join(':'), () => (dirty ? toJson(value) : ''));
  /** @type {Record<string, any>} */
  const value = {
    star: 0,
    title: '',
    pros: '',
    cons: '',
    text: '',
    recommend: null,
    criteria: {},
    attributes: {},
    variant: '',
    experienced: '',
    media: [],
    pictures: [],
    ...(mine && own(mine)),
    ...stored(draft.stored),
  };
  if (given.star) value.star = given.star;
  const before = toJson(mine ? own(mine) : {});
  let dirty = !!draft.stored;
  let name = loader.text(given.name) || loader.text(w.session.get('name'));
  let key = uid();
  let busy = false;
  let at = 0;
  let proofs = 0;
  let proof = '';
  /** @type {any} */
  let pictures = null;
  const trap = el('input', {hidden: true, name: 'website', autocomplete: 'off', tabindex: -1});
  const error = el('div.mcr-error', {role: 'alert'});
  const step = el('span.mcr-stepname');
  // No buttons: the one button of the form is what Enter presses.
  const back = press('mcr-plain.mcr-back', {onclick: () => go(at - 1)}, t('reviewBack'));
  const next = press('mcr-btn.mcr-next', {onclick: () => go(at + 1)}, t('reviewNext'));
  const submit = el('button.mcr-btn.mcr-send', null, t(mine ? 'save' : 'reviewSend'));

  /** @param {Record<string, any>} part */
  function change(part) {
    Object.assign(value, part);
    dirty = true;
    // Something else than what was sent before.
    key = uid();
    error.textContent = '';
    draft.touch();
    if (!w.session.visitor()) w.session.open().catch(() => {});
  }
  /**
   * @param {string} label
   * @param {HTMLElement} control
   * @param {string} [hint]
   */
  const field = (label, control, hint) =>
    el(
      'label.mcr-field',
      null,
      el('span.mcr-label', {dir: 'auto'}, label),
      control,
      hint && el('span.mcr-hint', null, hint),
    );
  /**
   * @param {string} part
   * @param {string} label
   * @param {number} rows 0: one line
   * @param {number} most
   */
  const words = (part, label, rows, most) => {
    const input = el(rows ? 'textarea.mcr-input' : 'input.mcr-input', {
      ...(rows ? {rows} : {type: 'text'}),
      name: 'mc-' + part,
      dir: 'auto',
      maxlength: most,
      oninput: (/** @type {any} */ event) => change({[part]: event.target.value}),
    });
    /** @type {any} */ (input).value = value[part];
    return field(label, input);
  };
  /**
   * @param {string} label
   * @param {[any, string][]} choices
   * @param {any} chosen
   * @param {(value: any) => void} choose
   */
  const radios = (label, choices, chosen, choose) => {
    const id = 'mcl-' + uid();
    const group = 'mc-' + uid();
    return el(
      'div.mcr-field',
      {role: 'radiogroup', 'aria-labelledby': id},
      el('span.mcr-label', {id, dir: 'auto'}, label),
      el(
        'span.mcr-choices',
        null,
        choices.map(([one, text]) =>
          el(
            'label.mcr-choice',
            null,
            el('input', {type: 'radio', name: group, checked: one === chosen, onchange: () => choose(one)}),
            el('span', {dir: 'auto'}, text),
          ),
        ),
      ),
    );
  };
  const today = new Date(serverNow()).toISOString().slice(0, 10);
  const longest = settings.max_length || 8000;

  /** @type {[string, import('../../../web/lib/dom.js').Child[]][]} */
  const parts = [
    [
      'star',
      [
        starField(w, t('reviewYourStars'), value.star, n => change({star: n}), true),
        (settings.criteria || []).map((/** @type {any} */ c) =>
          starField(w, c.name, value.criteria[c.id] || 0, n => change({criteria: {...value.criteria, [c.id]: n}})),
        ),
      ],
    ],
    [
      'text',
      [
        fields.has('title') && words('title', t('reviewHeadline'), 0, 150),
        fields.has('pros') && words('pros', t('reviewPros'), 2, 2000),
        fields.has('cons') && words('cons', t('reviewCons'), 2, 2000),
        fields.has('text') && words('text', t('reviewText'), 4, longest),
      ],
    ],
    [
      'attributes',
      [
        fields.has('recommend') &&
          radios(
            t('reviewRecommendAsk'),
            [
              [true, t('reviewYes')],
              [false, t('reviewNo')],
            ],
            value.recommend,
            recommend => change({recommend}),
          ),
        (settings.attributes || []).map((/** @type {any} */ a) =>
          radios(
            a.name,
            (a.values || []).map((/** @type {string} */ one) => [one, one]),
            value.attributes[a.id],
            one => change({attributes: {...value.attributes, [a.id]: one}}),
          ),
        ),
        fields.has('variant') && words('variant', t('reviewVariant'), 0, 100),
        fields.has('experienced') && day(),
        settings.pictures ? picturesField() : fields.has('media') && photosField(),
      ],
    ],
    ['name', [!person && nameField(), el('div.mcr-hint', null, t('reviewPublic'))]],
  ];
  const steps = parts
    .filter(([, nodes]) => nodes.flat().some(one => one))
    .map(([about, nodes]) => el('div.mcr-step', {'data-about': about}, nodes));
  const form = el(
    'form.mc-form.mcr-form',
    {
      novalidate: true,
      'aria-label': t(mine ? 'reviewEdit' : 'reviewWrite'),
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        if (narrowed() && at < steps.length - 1) go(at + 1);
        else send();
      },
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key === 'Escape' && !event.isComposing) shut();
        else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) send();
      },
    },
    w.order && el('div.mcr-order', {role: 'status'}),
    steps,
    error,
    trap,
    el('div.mcr-foot', null, press('mcr-link.mcr-cancel', {onclick: shut}, t('cancel')), step, back, next, submit),
  );
  const narrowed = () => w.node.classList.contains('mc-narrow');

  function day() {
    const input = el('input.mcr-input', {
      type: 'date',
      name: 'mc-experienced',
      max: today,
      onchange: () => change({experienced: input.value}),
    });
    input.value = value.experienced || '';
    return field(t('reviewWhen'), input);
  }
  function nameField() {
    const input = el('input.mcr-input', {
      type: 'text',
      name: 'mc-name',
      autocomplete: 'nickname',
      maxlength: 50,
      dir: 'auto',
      oninput: () => {
        name = input.value.trim();
        w.session.set('name', name);
      },
    });
    input.value = name;
    return field(t('name'), input);
  }
  function photosField() {
    const input = el('textarea.mcr-input', {
      rows: 1,
      name: 'mc-media',
      inputmode: 'url',
      dir: 'ltr',
      placeholder: 'https://',
      oninput: () =>
        change({
          media: input.value
            .split(/\s+/)
            .filter(one => one)
            .slice(0, MOST_PHOTOS),
        }),
    });
    input.value = value.media.join('\n');
    return field(t('reviewPhotosField'), input, t('reviewPhotosHint'));
  }

  /** Pictures of one's own; addresses of before stay. */
  function picturesField() {
    const button = press('mcr-link', {onclick: () => pictures && pictures.choose()}, t('addPictures'));
    const place = el('div.mcr-field', {role: 'group', 'aria-label': t('reviewPhotosField')}, button);
    import('../../../web/pictures/pictures.js').then(
      module => {
        if (!place.isConnected) return;
        const {list, choose, close} = module.openPictures({
          node: form,
          place,
          session: w.session,
          t,
          site: w.site,
          count: MOST_PHOTOS,
          changed() {
            submit.disabled = busy || list.unsettled;
            if (toJson(list.kept) !== toJson(value.pictures)) change({pictures: list.kept});
          },
        });
        pictures = {list, choose, close};
        if (value.pictures.length) list.restore(value.pictures);
      },
      () => button.remove(),
    );
    return place;
  }

  /** @param {string} slug */
  function complain(slug, text = '') {
    error.textContent = text || t.problem(slug);
    const about = steps.findIndex(one => one.dataset.about === ABOUT[slug]);
    if (about >= 0) {
      if (narrowed()) show(about);
      const input = /** @type {any} */ (steps[about].querySelector('input, textarea'));
      if (input) input.focus();
    }
  }
  /** @param {number} to */
  function show(to) {
    at = Math.max(0, Math.min(steps.length - 1, to));
    steps.forEach((one, i) => one.classList.toggle('mcr-on', i === at));
    step.textContent = t('reviewStep', {n: at + 1, all: steps.length});
    back.hidden = !at;
    next.hidden = at === steps.length - 1;
    form.classList.toggle('mcr-last', next.hidden);
  }
  /** @param {number} to */
  function go(to) {
    if (to > at && at === 0 && !value.star) return complain('star-missing');
    show(to);
    const first = /** @type {any} */ (
      steps[at].querySelector('input:not([type=radio]), textarea, input:checked, input')
    );
    if (first) first.focus();
  }
  function shut() {
    draft.flush();
    if (dirty) notice(w, t('kept'));
    end();
    w.opener.focus();
  }
  function end() {
    if (pictures) pictures.close();
    w.form = null;
    w.desk.replaceChildren();
    w.opener.setAttribute('aria-expanded', 'false');
  }

  async function send() {
    if (busy) return;
    error.textContent = '';
    if (!value.star) return complain('star-missing');
    if (pictures && pictures.list.unsettled) return;
    busy = submit.disabled = true;
    draft.keep();
    /** @type {Record<string, any>} */
    const body = {star: value.star, criteria: value.criteria, attributes: value.attributes};
    if (fields.has('recommend')) body.recommend = value.recommend;
    if (fields.has('experienced')) body.experienced = value.experienced || null;
    if (fields.has('media') || settings.pictures)
      body.media = value.media.concat(value.pictures.map((/** @type {any} */ one) => one.id));
    ['title', 'pros', 'cons', 'text', 'variant'].forEach(part => {
      if (fields.has(part)) body[part] = value[part].trim();
    });
    try {
      const data = mine
        ? await w.api('PATCH', '/reviews/' + mine.id, {body: changed(body)})
        : await w.api('POST', '/reviews', {
            key,
            body: {
              ...body,
              channel: {key: w.key, url: pageUrl(w.o), title: titleOf(w)},
              name: person ? person.name : name || 'Guest',
              order: w.order || undefined,
              website: trap.value || undefined,
              seconds: Math.round((Date.now() - begun) / 100) / 10,
              proof: proof || undefined,
            },
          });
      draft.drop();
      dirty = false;
      w.order = '';
      tabStorage.set(orderKey(w), null);
      const review = store.wrote(data);
      end();
      drawAll(w);
      showPill(w);
      w.fire(mine ? 'edit' : 'submit', review);
      notice(w, t(review.state || review.revision ? 'reviewThanksWait' : 'reviewThanks'));
      const node = w.nodes.get(review.id);
      if (!node) return;
      node.scrollIntoView({block: 'nearest'});
      node.focus({preventScroll: true});
      flash(node);
    } catch (e) {
      const failed = /** @type {any} */ (e);
      busy = submit.disabled = false;
      if (failed.status === 428 && ++proofs <= MOST_PROOFS) return prove(failed.problem);
      const slug = loader
        .text(failed.problem && failed.problem.type)
        .split('/')
        .pop();
      if (/^order-/.test(slug || '')) forgetOrder(w, form);
      complain(slug || '', reason(t, failed, true));
    }
  }
  /** What differs from what the server has. @param {Record<string, any>} body */
  function changed(body) {
    const had = JSON.parse(before);
    had.media = (had.media || []).concat((had.pictures || []).map((/** @type {any} */ one) => one.id));
    /** @type {Record<string, any>} */
    const out = {};
    Object.keys(body).forEach(part => {
      if (toJson(body[part]) !== toJson(had[part] === '' && body[part] === null ? null : had[part]))
        out[part] = body[part];
    });
    return out;
  }
  /** @param {any} problem */
  function prove(problem) {
    const failed = () => complain('', t('network') + ' ' + t('safe'));
    busy = submit.disabled = true;
    import('../../../web/lib/proof.js').then(
      m =>
        m.solve(
          problem,
          (/** @type {string} */ found) => {
            proof = found;
            busy = false;
            send();
          },
          () => {
            busy = submit.disabled = false;
            failed();
          },
        ),
      failed,
    );
  }

  w.form = {
    keep: () => draft.flush(),
    show: () => form.scrollIntoView({block: 'nearest'}),
    /** @param {{star: number}} part */
    set: part => {
      change(part);
      draft.keep();
      end();
      openForm(w);
    },
  };
  w.desk.replaceChildren(form);
  show(0);
  form.scrollIntoView({block: 'nearest'});
  const first = /** @type {any} */ (form.querySelector('input:checked, input'));
  if (first) first.focus({preventScroll: true});
  if (w.order) tellOrder(w, form);
}
