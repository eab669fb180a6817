/* Pictures made smaller before they are sent: a telephone's have four times the points that anybody sees. */
import {Promise} from '../lib/loader.js';

// Points of the longer side, and bytes above which it is worth the work.
const SIDE = 2000;
const SMALL = 400e3;
// These may move; a canvas would hold them still.
const MOVING = /gif|webp|apng|avif/;

// What was made, so that sending a picture again goes on with what was sent of it.
/** @type {WeakMap<Blob, Promise<Blob>>} */
const smaller = new WeakMap();

/**
 * The picture as it is sent; the same each time that it is asked for.
 * @param {Blob} blob
 * @returns {Promise<Blob>}
 */
export function shrink(blob) {
  const made = smaller.get(blob) || make(blob);
  smaller.set(blob, made);
  return made;
}

/**
 * The picture as it is sent; itself where that is small, moves, or can't be read here (the server has the last word).
 * @param {Blob} blob
 * @returns {Promise<Blob>}
 */
async function make(blob) {
  if (MOVING.test(blob.type)) return blob;
  let image;
  try {
    image = await createImageBitmap(blob, {imageOrientation: 'from-image'});
  } catch {
    return blob;
  }
  const share = Math.min(1, SIDE / Math.max(image.width, image.height));
  if (share === 1 && blob.size < SMALL) return blob;
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(image.width * share);
  canvas.height = Math.round(image.height * share);
  const context = canvas.getContext('2d');
  if (!context) return blob;
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  image.close();
  // What is clear would be black in a JPEG.
  const type = blob.type === 'image/png' ? 'image/webp' : 'image/jpeg';
  /** @type {Blob | null} */
  const made = await new Promise(done => canvas.toBlob(done, type, 0.88));
  return made && made.size < blob.size ? made : blob;
}
