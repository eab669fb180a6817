// Calls of the API, as the panel makes them: with the session's cookie and the header that says that they are ours.

/**
 * What a problem document says (RFC 9457). `slug` is the last part of its type.
 * @typedef {object} Problem
 * @property {string} [type]
 * @property {string} [title]
 * @property {string} [detail]
 * @property {number} status
 */

/** The server said no, or could not be reached (`status` 0). */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {Partial<Problem> & Record<string, any>} problem
   * @param {number} [after] seconds to wait before the next try
   */
  constructor(status, problem, after = 0) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
    this.problem = problem;
    this.slug = String(problem.type || '').replace(/^.*[/:#]/, '');
    this.after = after;
  }
}

/** @type {Set<(refused: Refused) => void>} */
const listeners = new Set();

/**
 * Hear of every refusal, before whoever called does; the session listens for its end.
 * @param {(refused: Refused) => void} listener
 */
export function onRefused(listener) {
  listeners.add(listener);
}

/**
 * @typedef {object} CallOptions
 * @property {any} [body] sent as JSON; a Blob as it is
 * @property {string} [match] If-Match
 * @property {string} [key] Idempotency-Key: what is sent again with the same one is done once
 * @property {AbortSignal} [signal]
 * @property {Record<string, string | number | boolean | null | undefined>} [query]
 */

/**
 * One answer, with its ETag.
 * @typedef {{body: any, etag: string, response: Response}} Answer
 */

const TIMEOUT = 20_000;

/**
 * The If-Match of a change of what was listed with its version; of what is new: there must be none yet.
 * @param {{version?: number} | undefined} one
 */
export const tagOf = one => `"${one?.version ?? 0}"`;

/**
 * @param {string} method
 * @param {string} path below `/api/v1`
 * @param {CallOptions} [options]
 * @returns {Promise<Answer>}
 * @throws {Refused}
 */
export async function ask(method, path, {body, match, key, signal, query} = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query || {})) {
    if (value !== null && value !== undefined && value !== '') search.set(name, String(value));
  }
  const address = `/api/v1${path}${search.size ? `?${search}` : ''}`;
  /** @type {Record<string, string>} */
  const headers = {accept: 'application/json'};
  if (method !== 'GET') headers['x-cackled-panel'] = '1';
  const raw = body instanceof Blob;
  if (body !== undefined) headers['content-type'] = raw ? 'application/octet-stream' : 'application/json';
  if (match) headers['if-match'] = match;
  if (key) headers['idempotency-key'] = key;
  const limit = AbortSignal.timeout(raw ? 6 * TIMEOUT : TIMEOUT);
  let response;
  let text;
  try {
    response = await fetch(address, {
      method,
      headers,
      body: body === undefined || raw ? body : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw tell(new Refused(0, {type: 'unreachable'}));
  }
  let read;
  try {
    read = text ? JSON.parse(text) : null;
  } catch {
    read = text;
  }
  if (!response.ok) {
    const after = Number(response.headers.get('retry-after')) || 0;
    throw tell(new Refused(response.status, read && typeof read === 'object' ? read : {}, after));
  }
  return {body: read, etag: response.headers.get('etag') || '', response};
}

/**
 * @param {Refused} refused
 * @returns {Refused}
 */
function tell(refused) {
  for (const listener of listeners) listener(refused);
  return refused;
}

/**
 * @param {string} path
 * @param {CallOptions['query']} [query]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export const get = async (path, query, signal) => (await ask('GET', path, {query, signal})).body;

/**
 * @param {string} path
 * @param {any} [body]
 * @param {CallOptions} [options]
 * @returns {Promise<any>}
 */
export const post = async (path, body = {}, options = {}) => (await ask('POST', path, {...options, body})).body;

/**
 * @param {string} path
 * @param {any} [body]
 * @param {CallOptions} [options]
 * @returns {Promise<any>}
 */
export const put = async (path, body = {}, options = {}) => (await ask('PUT', path, {...options, body})).body;

/**
 * @param {string} path
 * @param {any} [body]
 * @param {CallOptions} [options]
 * @returns {Promise<any>}
 */
export const patch = async (path, body = {}, options = {}) => (await ask('PATCH', path, {...options, body})).body;

/**
 * @param {string} path
 * @param {CallOptions} [options]
 * @returns {Promise<any>}
 */
export const remove = async (path, options = {}) => (await ask('DELETE', path, options)).body;
