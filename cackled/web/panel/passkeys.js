// Passkeys: what the server and the browser's authenticator say to each other (WebAuthn, sections 5.1 and 5.10).
import {post} from './api.js';

/**
 * Whether this browser knows passkeys, and the panel is opened by a name: they belong to one, never to an address (Web
 * Authentication, section 5.1.3).
 */
export const able = () =>
  typeof PublicKeyCredential === 'function' &&
  'parseCreationOptionsFromJSON' in PublicKeyCredential &&
  !/^[\d.]+$|:/.test(location.hostname);

/** Somebody closed the browser's window, or it ran out of time. */
export class Cancelled extends Error {}

/** The device has a passkey of this account already. */
class Known extends Error {
  status = 409;
  slug = 'passkey-known';
}

/**
 * @param {() => Promise<Credential | null>} call
 * @returns {Promise<any>}
 */
async function credential(call) {
  let made;
  try {
    made = await call();
  } catch (error) {
    const {name} = /** @type {any} */ (error);
    if (name === 'NotAllowedError') throw new Cancelled();
    if (name === 'InvalidStateError') throw new Known();
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
