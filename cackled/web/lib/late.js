/* Files that are fetched only when they are needed, and can't be had at that moment. The loader forgets those that
   failed, so that whoever asks again fetches again. */
import {Promise} from './loader.js';

// Milliseconds: the first pause before what nobody waits for is fetched again, and the longest.
const PAUSE = 2000;
const LONGEST = 60000;

/**
 * Fetches what somebody asked for. Where it can't be had they are told, and given a way to try again.
 * @template T
 * @param {() => Promise<T>} load
 * @param {(again: () => void) => void} tell says so; `again` loads once more
 * @returns {Promise<T>} settled once it is there
 */
export const late = (load, tell) => load().catch(() => new Promise(done => tell(() => done(late(load, tell)))));

/**
 * Fetches what nobody pressed a button for: again and again until it is there.
 * @template T
 * @param {() => Promise<T>} load
 * @param {() => void} [tell] says once that it can't be had yet
 * @param {number} [pause] milliseconds before the next try
 * @returns {Promise<T>} settled once it is there
 */
export const untilThere = (load, tell, pause = PAUSE) =>
  load().catch(() => {
    if (tell) tell();
    const next = Math.min(LONGEST, pause * 2);
    return new Promise(done => setTimeout(() => done(untilThere(load, undefined, next)), pause));
  });
