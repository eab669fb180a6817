/* Names that were chosen from the list: in the box they are words, and what is sent says whom they mean. */

/** @typedef {{id: string, name: string}} Person */

const SENT = /@\[([^[\]\n]{1,80})\]\(visitor:([1-9]\d{0,18})\)/g;

/** @param {string} name */
const bare = name => name.replace(/[[\]\n]/g, '');

/**
 * Where a text has a name after an @, by itself.
 * @param {string} text
 * @param {string} name
 */
function* places(text, name) {
  const word = '@' + name;
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    if (!/^[\p{L}\p{N}_]/u.test(text.slice(at + word.length))) yield at;
  }
}

/** The names of one box. */
export class Named {
  constructor() {
    /** @type {Map<string, string[]>} the numbers of those who were meant by a name, in the order of the text */
    this.ids = new Map();
  }

  /**
   * Somebody was chosen.
   * @param {Person} person
   * @param {string} before the text before the name
   */
  add({id, name}, before) {
    const all = this.ids.get(name) || [];
    if (all.length === 1 && all[0] === id) return;
    all.splice([...places(before, name)].length, 0, id);
    this.ids.set(name, all);
  }

  /**
   * What was sent, as it is written in the box.
   * @param {string} text
   */
  shown(text) {
    return text.replace(SENT, (_, name, id) => {
      this.ids.set(name, [...(this.ids.get(name) || []), id]);
      return '@' + name;
    });
  }

  /**
   * What is in the box, as it is sent. Of two of one name each stands where they were chosen.
   * @param {string} text
   */
  sent(text) {
    /** @type {[number, string, string][]} */
    const found = [];
    this.ids.forEach((ids, name) => {
      let n = 0;
      for (const at of places(text, name)) {
        found.push([at, name, ids[Math.min(n, ids.length - 1)]]);
        n++;
      }
    });
    let end = 0;
    let made = '';
    // The longer of two names that begin alike.
    found.sort((a, b) => a[0] - b[0] || b[1].length - a[1].length);
    for (const [at, name, id] of found) {
      if (at < end || !bare(name)) continue;
      made += text.slice(end, at) + '@[' + bare(name) + '](visitor:' + id + ')';
      end = at + 1 + name.length;
    }
    return made + text.slice(end);
  }
}
