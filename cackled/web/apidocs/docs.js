// The API's description as a page: every call with a form that makes it. No library; nothing is put into the page as markup.
const root = /** @type {HTMLElement} */ (document.getElementById('docs'));
/** @type {Record<string, string>} */
const words = JSON.parse(root.dataset.words || '{}');
/** @param {string} key */
const say = key => words[key] || key;

/**
 * @param {string} tag
 * @param {Record<string, any>} [given] properties; `class`, `for` and names with a hyphen are attributes
 * @param {...(Node | string)} children
 * @returns {any}
 */
function make(tag, given = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (/-|^(class|for|dir|role)$/.test(name)) node.setAttribute(name, value);
    else /** @type {any} */ (node)[name] = value;
  }
  node.append(...children);
  return node;
}

let count = 0;
/**
 * A field with its label.
 * @param {string} label
 * @param {any} input
 * @param {string} [hint]
 */
function field(label, input, hint) {
  input.id = `f${++count}`;
  const parts = [make('label', {for: input.id}, label), input];
  if (hint) {
    parts.push(make('p', {class: 'hint', id: `${input.id}-hint`}, hint));
    input.setAttribute('aria-describedby', `${input.id}-hint`);
  }
  return make('div', {class: 'field'}, ...parts);
}

/** @type {any} */
let api;
/**
 * A value that fits a schema, for somebody to change.
 * @param {any} schema
 * @param {number} [depth]
 * @returns {any}
 */
function example(schema, depth = 0) {
  if (!schema || depth > 4) return null;
  if (schema.$ref) return example(api.components.schemas[schema.$ref.split('/').pop()], depth + 1);
  if ('default' in schema) return schema.default;
  if (schema.examples) return schema.examples[0];
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf || schema.oneOf) return example((schema.anyOf || schema.oneOf)[0], depth + 1);
  if (schema.type === 'object') {
    const needed = new Set(schema.required || []);
    const members = Object.entries(schema.properties || {}).filter(([name]) => needed.has(name));
    return Object.fromEntries(members.map(([name, one]) => [name, example(one, depth + 1)]));
  }
  const simple = /** @type {Record<string, any>} */ ({array: [], integer: 1, number: 1, boolean: true, string: ''});
  return simple[schema.type] ?? null;
}

const token = make('input', {type: 'password', autocomplete: 'off', spellcheck: false});

/**
 * The form of one call.
 * @param {string} base
 * @param {string} path
 * @param {string} method
 * @param {any} call
 */
function form(base, path, method, call) {
  /** @type {{name: string, where: string, input: any}[]} */
  const fields = (call.parameters || []).map((/** @type {any} */ one) => {
    const input = one.schema?.enum
      ? make('select', {}, ...['', ...one.schema.enum].map(value => make('option', {value}, value || '–')))
      : make('input', {type: 'text', required: one.required && one.in === 'path', spellcheck: false});
    if (one.name === 'site') input.value = '1';
    return {name: one.name, where: one.in, input, text: one.description, needed: one.required};
  });
  const schema = call.requestBody?.content['application/json']?.schema;
  const body = schema && make('textarea', {rows: 6, spellcheck: false, dir: 'ltr'});
  if (body) body.value = JSON.stringify(example(schema), null, 2);
  const answer = make('pre', {class: 'answer', tabIndex: 0, hidden: true, dir: 'ltr', 'aria-label': say('answer')});
  const status = make('p', {role: 'status', class: 'status'});
  const button = make('button', {type: 'submit'}, say('send'));

  /** @param {Event} event */
  const submit = async event => {
    event.preventDefault();
    let address = path;
    const query = new URLSearchParams();
    /** @type {Record<string, string>} */
    const headers = {accept: 'application/json'};
    for (const {name, where, input} of fields) {
      if (where === 'path') address = address.replace(`{${name}}`, encodeURIComponent(input.value));
      else if (input.value && where === 'query') query.append(name, input.value);
      else if (input.value && where === 'header') headers[name] = input.value;
    }
    if (body) headers['content-type'] = 'application/json';
    if (token.value) headers.authorization = `Bearer ${token.value}`;
    else if (method !== 'get') headers['x-cackled-panel'] = '1';
    button.disabled = true;
    status.textContent = say('sending');
    try {
      const got = await fetch(`${base}${address}${query.size ? `?${query}` : ''}`, {
        method: method.toUpperCase(),
        headers,
        body: body ? body.value : undefined,
        credentials: token.value ? 'omit' : 'same-origin',
        redirect: 'manual',
        cache: 'no-store',
      });
      let text = await got.text();
      try {
        text = JSON.stringify(JSON.parse(text), null, 2);
      } catch {
        // No JSON: as it is.
      }
      const told = ['etag', 'ratelimit', 'retry-after'].filter(name => got.headers.has(name));
      status.textContent = [`${got.status} ${got.statusText}`, ...told.map(name => `${name}: ${got.headers.get(name)}`)]
        .map(one => one.trim())
        .join(' · ');
      answer.textContent = text;
      answer.hidden = !text;
    } catch (error) {
      status.textContent = String(error);
      answer.hidden = true;
    }
    button.disabled = false;
  };
  return make(
    'form',
    {onsubmit: submit},
    ...(fields.length ? [make('h2', {}, say('arguments'))] : []),
    ...fields.map((/** @type {any} */ one) => field(one.name + (one.needed ? ' *' : ''), one.input, one.text)),
    ...(body ? [field(say('body'), body)] : []),
    make('div', {class: 'actions'}, button, status),
    answer,
  );
}

/**
 * @param {string} path
 * @param {string} method
 * @param {any} call
 * @param {string} base
 */
function operation(path, method, call, base) {
  const details = make(
    'details',
    {id: call.operationId},
    make(
      'summary',
      {},
      make('span', {class: `method ${method}`}, method.toUpperCase()),
      make('code', {dir: 'ltr'}, path),
      make('span', {class: 'what'}, call.summary || ''),
    ),
  );
  // Made when it is opened: there are many.
  details.addEventListener('toggle', () => {
    if (!details.open || details.dataset.made) return;
    details.dataset.made = '1';
    const only = call['x-own-pages'] && !call['x-scope'];
    details.append(...(only ? [make('p', {class: 'hint'}, say('hidden'))] : []), form(base, path, method, call));
  });
  return {details, text: `${method} ${path} ${call.operationId} ${call.summary}`.toLowerCase()};
}

async function start() {
  api = await (await fetch('/api/v1/openapi.json')).json();
  const base = api.servers[0].url;
  const all = Object.entries(/** @type {Record<string, any>} */ (api.paths)).flatMap(([path, item]) =>
    ['get', 'post', 'put', 'patch', 'delete']
      .filter(method => item[method])
      .map(method => operation(path, method, item[method], (item[method].servers || item.servers)?.[0].url ?? base)),
  );
  const list = make('div', {class: 'calls'}, ...all.map(one => one.details));
  const none = make('p', {role: 'status', class: 'hint', hidden: true}, say('none'));
  const find = make('input', {type: 'search', spellcheck: false});
  find.oninput = () => {
    const wanted = find.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const one of all) {
      const fits = wanted.every((/** @type {string} */ word) => one.text.includes(word));
      one.details.hidden = !fits;
      if (fits) shown++;
    }
    none.hidden = shown > 0;
  };
  root.replaceChildren(
    make('h1', {}, say('title')),
    make('p', {class: 'lead'}, say('lead')),
    make(
      'p',
      {},
      `${say('clients')}: `,
      make('a', {href: '/api/docs/cackled.py', download: 'cackled_client.py'}, say('python')),
      ' · ',
      make('a', {href: '/api/docs/cackled.ts', download: 'cackled.ts'}, say('typescript')),
      ' · ',
      make('a', {href: '/api/v1/openapi.json'}, say('description')),
    ),
    field(say('token'), token, `${say('tokenHint')} ${say('staff')}`),
    field(say('find'), find),
    none,
    list,
  );
  const asked = document.getElementById(location.hash.slice(1));
  if (asked instanceof HTMLDetailsElement) asked.open = true;
}

start().catch(error => {
  root.replaceChildren(make('p', {role: 'alert'}, String(error)));
});
