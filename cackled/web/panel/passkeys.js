// Passkeys: what the server and the browser's authenticator say to each other (WebAuthn, sections 5.1 and 5.10).
import {post} from './api.js';

/** Whether this browser knows passkeys. */
export const able = () =>
  typeof PublicKeyCredential === 'function' && 'parseCreationOptionsFromJSON' in PublicKeyCredential;

/** Somebody closed the browser's window, or it ran out of time. */
export class Cancelled extends Error {}

/**
 * @param {() => Promise<Credential | null>} call
 * @returns {Promise<any>}
 */
async function credential(call) {
  let made;
  try {
    made = await call();
  } catch (error) {
    if (/** @type {any} */ (error).name === 'NotAllowedError') throw new Cancelled();
    throw error;
  }
  if (!made) throw new Cancelled();
  return /** @type {any} */ (made).toJSON();
}

/**
 * Make a passkey and have the server keep it.
 * @param {string} name what its owner calls it
 */
export async function add(name) {
  const options = await post('/auth/passkeys/options');
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options.publicKey ?? options);
  await post('/auth/passkeys', {credential: await credential(() => navigator.credentials.create({publicKey})), name});
}

/** Have somebody show a passkey; -> what the server is to see. */
export async function show() {
  const options = await post('/auth/passkey/options');
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options.publicKey ?? options);
  return credential(() => navigator.credentials.get({publicKey}));
}
