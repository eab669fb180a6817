// Who is signed in, and where they work.
import {computed, signal} from './libraries.js';
import {get, onRefused, post} from './api.js';

/** @typedef {'owner' | 'admin' | 'moderator' | 'operator' | 'analyst'} Role */
/** @typedef {{site: number, name: string, role: Role, sections: string[], logo?: string}} SiteRole */
/** @typedef {{account: {id: string, email: string, name: string, [more: string]: any}, sites: SiteRole[]}} Me */

/** undefined: not known yet; null: nobody. @type {import('@preact/signals').Signal<Me | null | undefined>} */
export const me = signal(/** @type {Me | null | undefined} */ (undefined));
export const failed = signal(/** @type {any} */ (null));

export const sites = computed(() => me.value?.sites ?? []);

/** What a role may do besides its own: as the server's table of roles says. @type {Record<Role, Role[]>} */
const INCLUDES = {
  owner: ['owner', 'admin', 'moderator', 'operator', 'analyst'],
  admin: ['admin', 'moderator', 'operator', 'analyst'],
  moderator: ['moderator', 'analyst'],
  operator: ['operator'],
  analyst: ['analyst'],
};

/**
 * @param {number | string} site
 * @returns {SiteRole | undefined}
 */
export const roleOn = site => sites.value.find(one => one.site === Number(site));

/**
 * Whether whoever is signed in has the powers of *role* on *site*. For what is shown; the server decides.
 * @param {number | string} site
 * @param {Role} role
 */
export function may(site, role) {
  const own = roleOn(site);
  return own !== undefined && (INCLUDES[own.role] || []).includes(role);
}

/** Whether whoever is signed in is for the whole of *site*, and not for sections of it. @param {number | string} site */
export const everywhere = site => !roleOn(site)?.sections.length;

/** Ask who is signed in. */
export async function load() {
  failed.value = null;
  try {
    me.value = await get('/auth/me');
  } catch (error) {
    const status = /** @type {any} */ (error).status;
    if (status === 401) me.value = null;
    else failed.value = error;
  }
}

/** @param {Me} found */
export function entered(found) {
  me.value = found;
}

/** Sign out. */
export async function leave() {
  await post('/auth/logout');
  me.value = null;
}

// A session may end while the page is open: by time, by a sign-out elsewhere.
onRefused(refused => {
  // A wrong code, or a passkey of another account, ends nothing.
  if (refused.slug === 'signed-out' && me.peek()) me.value = null;
});
