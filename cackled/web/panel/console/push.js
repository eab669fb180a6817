// Notes of the system while the panel is closed: this browser's subscription with its push service (RFC 8030).
import {get, post, put} from '../api.js';
import {signal} from '../libraries.js';
import {known} from '../words.js';

const WORKER = '/panel/worker.js';

/** Registering takes an address that is trusted; ours is this one. */
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy('cackled-worker', {
  createScriptURL: () => WORKER,
});

/** @param {string} text base64url */
const bytes = text => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), one => one.charCodeAt(0));

export class Push {
  /** @param {string} site @param {import('./talk.js').Keep} keep */
  constructor(site, keep) {
    this.base = `/sites/${site}/chats/desk/push`;
    this.keep = keep;
    this.key = `cackled-chat:push:${site}`;
    this.able = 'serviceWorker' in navigator && 'PushManager' in globalThis;
    this.on = signal(this.able && keep.get(this.key) === 'on');
    // A push service may have given another address meanwhile.
    if (this.on.peek()) this.renew().catch(() => {});
  }

  async subscription() {
    const found = await navigator.serviceWorker.getRegistration('/panel/');
    return (await found?.pushManager?.getSubscription()) || null;
  }

  async renew() {
    const there = await this.subscription();
    if (there) await this.tell(there);
    else this.set(false);
  }

  /** @param {PushSubscription} there */
  tell(there) {
    return put(this.base, {...there.toJSON(), expirationTime: undefined, language: known.peek()});
  }

  /** @param {boolean} on */
  set(on) {
    this.on.value = on;
    this.keep.set(this.key, on ? 'on' : '');
  }

  /** Tell this browser from now on; gives whether it may be told. */
  async begin() {
    if ((await Notification.requestPermission()) !== 'granted') return false;
    await navigator.serviceWorker.register(policy ? policy.createScriptURL('') : WORKER, {scope: '/panel/'});
    const ready = await navigator.serviceWorker.ready;
    const {key} = await get(this.base);
    const options = {userVisibleOnly: true, applicationServerKey: bytes(key)};
    let made = await ready.pushManager.subscribe(options).catch(async error => {
      // One that was made with another key has to end first.
      const old = await ready.pushManager.getSubscription();
      if (!old) throw error;
      await old.unsubscribe();
      return null;
    });
    made ??= await ready.pushManager.subscribe(options);
    await this.tell(made);
    this.set(true);
    return true;
  }

  /** Tell it no more. Other sites of the panel keep the browser's subscription. */
  async end() {
    this.set(false);
    const there = await this.subscription();
    if (there) await post(`${this.base}/gone`, {endpoint: there.endpoint});
  }
}
