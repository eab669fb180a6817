// Parts of the panel that are fetched when they are needed. `Cackle` is where bundles meet: the console finds in it what
// the panel has, and gives what it exports.

/** @type {any} */
const page = globalThis;
page.Cackle ??= {};
const shared = page.Cackle;
// What modules take that widgets have too.
shared.Promise ??= Promise;

/** The addresses that the page names. @returns {Record<string, string[]>} */
const addresses = () => JSON.parse(document.getElementById('panel')?.dataset.parts || '{}');

/** @type {any} */
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy('cackled-parts', {
  createScriptURL: (/** @type {string} */ to) => {
    if (!Object.values(addresses()).flat().includes(to)) throw new TypeError('a part of the panel alone');
    return to;
  },
});

/** @param {string} to @returns {Promise<void>} */
function file(to) {
  return new Promise((done, failed) => {
    const style = to.endsWith('.css');
    const node = style
      ? Object.assign(document.createElement('link'), {rel: 'stylesheet', href: to})
      : Object.assign(document.createElement('script'), {src: policy ? policy.createScriptURL(to) : to});
    node.onload = () => done();
    node.onerror = () => {
      node.remove();
      failed(Object.assign(new Error(to), {status: 0, slug: 'unreachable', problem: {}}));
    };
    document.head.append(node);
  });
}

/**
 * A part, by the name of its bundle; what it exports.
 * @param {string} name
 * @returns {Promise<any>}
 */
export async function part(name) {
  for (const to of addresses()[name] || []) await file(to);
  return shared[name];
}
