/* What the loader (/widget.js) gives, and what the bundles of a page share. */

/**
 * What the loader knows of a widget that it has mounted.
 * @typedef {object} Mounted
 * @property {Record<string, any>} options as the page gave them: of any type
 * @property {string} site
 * @property {Record<string, string>} page what names the conversation: its channel, or the page's address
 * @property {HTMLElement} node
 * @property {string} lang
 * @property {Record<string, any>} ask what its first request asked for
 * @property {Promise<Response>} first the answer to the first request
 * @property {unknown} [widget] what was made of it
 */

/**
 * @typedef {object} Loader
 * @property {{servers: unknown[], bundles: Record<string, {js: string[], css: string[], words?: string[]}>, path: string, locales: string[]}} config paths of files stand below its path
 * @property {string} origin
 * @property {PromiseConstructor} Promise the browser's own: pages replace theirs
 * @property {Record<string, (widget: Mounted) => unknown>} widgets by name: mounts one
 * @property {(value: unknown) => string} text a string or number as whole characters, anything else as ''
 * @property {(key: string) => any} load what was stored; of any type
 * @property {() => string} base the server in use
 * @property {(url: string) => void} move uses another server
 * @property {(base: string) => void} fail says that a server did not answer
 * @property {(path: string, options?: RequestInit) => Promise<Response>} get
 * @property {(paths: string[]) => Promise<unknown>} files loads files, each once
 * @property {(name: string) => string[]} paths the files of a bundle that no widget starts with
 * @property {(name: string) => Promise<any>} lazy loads a bundle; gives what it exports, in prod
 * @property {(what: string, value?: unknown, more?: unknown) => void} warn tells the page's owner what only they can put right
 * @property {(what: string, value?: unknown, more?: unknown) => void} tell the same, once rare.js has come
 * @property {(site: string) => void} ask
 * @property {(options: Record<string, any>) => Record<string, string>} channel
 * @property {Record<string, Record<string, any>>} locales words by language
 * @property {(words: string) => DocumentFragment} markup
 * @property {Record<string, (key: string, count: number) => void>} [counters] by site
 * @property {Element | null} [styled] the style of what comes after the first render
 * @property {boolean} [refused] the site does not name this origin
 * @property {() => void} [wake] the server has just answered
 */

const page = /** @type {Window & {Cackle: Loader}} */ (/** @type {unknown} */ (window));
export const loader = page.Cackle;
/** Pages replace Promise. */
export const Promise = loader.Promise;
/**
 * The address of a widget's file.
 * @param {string} path as the loader's configuration names it
 */
export const href = path => loader.base() + loader.config.path + path;
