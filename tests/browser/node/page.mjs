// The widget's own files in a page of paper: enough of a DOM for comments to be put, moved and taken away, and no more.
class Classes extends Set {
  toggle(name, on) { if (on === undefined ? !this.has(name) : on) this.add(name); else this.delete(name); }
  contains(name) { return this.has(name); }
  remove(...names) { names.forEach(n => this.delete(n)); }
}

class Node {
  constructor(name) {
    this.classList = new Classes();
    this.localName = name;
    this.childNodes = [];
    this.parentNode = null;
    this.attributes = {};
    this.style = {setProperty() {}};
    this.hidden = false;
    this.textContent = '';
  }
  set className(names) { this.classList = new Classes(names.split(' ')); }
  addEventListener(type, f) { this['on' + type] = f; }
  put(nodes, at) {
    for (const node of nodes.flat()) {
      if (!(node instanceof Node)) continue;
      const before = node.parentNode === this && this.childNodes.indexOf(node) < at ? 1 : 0;
      node.remove();
      at -= before;
      this.childNodes.splice(at++, 0, node);
      node.parentNode = this;
    }
  }
  append(...nodes) { this.put(nodes, this.childNodes.length); }
  prepend(...nodes) { this.put(nodes, 0); }
  before(...nodes) { this.parentNode.put(nodes, this.parentNode.childNodes.indexOf(this)); }
  remove() {
    if (!this.parentNode) return;
    this.parentNode.childNodes.splice(this.parentNode.childNodes.indexOf(this), 1);
    this.parentNode = null;
  }
  replaceWith(node) { this.before(node); this.remove(); }
  replaceChildren(...nodes) { [...this.childNodes].forEach(n => n.remove()); this.append(...nodes); }
  insertBefore(node, ref) { ref.before(node); }
  get firstChild() { return this.childNodes[0] || null; }
  get children() { return this.childNodes; }
  get lastElementChild() { return this.childNodes[this.childNodes.length - 1] || null; }
  get nextElementSibling() { const all = this.parentNode ? this.parentNode.childNodes : []; return all[all.indexOf(this) + 1] || null; }
  get previousElementSibling() { const all = this.parentNode ? this.parentNode.childNodes : []; return all[all.indexOf(this) - 1] || null; }
  get isConnected() { return true; }
  contains() { return false; }
  setAttribute(key, value) { this.attributes[key] = value; if (key === 'id') this.id = value; }
  removeAttribute(key) { delete this.attributes[key]; }
  hasAttribute(key) { return key in this.attributes; }
  querySelector() { return null; }
  querySelectorAll() { return []; }
  // Everything stands far below the reader: what comes is shown at once, unless `window.reads` says that it waits.
  getBoundingClientRect() { return {top: globals.reads ? -5000 : 5000, bottom: globals.reads ? -100 : 9000, left: 0, right: 0, height: 0}; }
  focus() {}
  compareDocumentPosition() { return 0; }
  scrollIntoView() {}
}

const globals = {reads: false};
Object.assign(globalThis, {
  window: globalThis, innerHeight: 900, addEventListener() {}, matchMedia: () => ({matches: true}),
  localStorage: {getItem: () => null, setItem() {}, removeItem() {}}, sessionStorage: {getItem: () => null, setItem() {}},
  location: {href: 'http://page.example/', hash: '', origin: 'http://page.example'},
  document: {activeElement: null, querySelector: () => null, querySelectorAll: () => [], getElementById: () => null, hidden: false, title: '', addEventListener() {},
    createElement: name => new Node(name), createElementNS: (space, name) => new Node(name), createDocumentFragment: () => new Node('i')},
  Cackle: {Promise, widgets: {}, config: {servers: [{}], bundles: {}}, paths: name => [name], origin: 'http://a.example', locales: {en: {problems: {}}}, text: v => v === undefined ? '' : String(v), load: () => null, base: () => '', lazy: () => Promise.resolve()}
});
const {el} = await import('../../../cackled/web/lib/dom.js');
const reckon = await import('../../../cackled/products/comments/web/reckon.js');
const {Comments, fillList, takePage} = await import('../../../cackled/products/comments/web/widget.js');
const {nextPage} = await import('../../../cackled/products/comments/web/paging.js');
const live = await import('../../../cackled/products/comments/web/live.js');
const arrivals = await import('../../../cackled/products/comments/web/arrivals.js');
const {resendFailed, sendEntry} = await import('../../../cackled/products/comments/web/sending.js');
const {loadReplies, resort} = await import('../../../cackled/products/comments/web/paging.js');
const {castVote} = await import('../../../cackled/products/comments/web/vote.js');
const {eraseComment, finishAway} = await import('../../../cackled/products/comments/web/actions.js');
const {isPosting, missing} = await import('../../../cackled/products/comments/web/judge.js');
const later = await import('../../../cackled/products/comments/web/later.js');
const {Reader} = await import('../../../cackled/products/comments/web/reader.js');

/* A rendered widget, with what tests do to it. call(method, path) answers its calls. */
export function open(first, call, sort = 'best', size = 5) {
  const node = el('div.node');
  const made = new Comments('Comment', {options: {}, site: '1', page: {}, node, lang: 'en', ask: {sort, size}, first: new Promise(() => {})});
  Object.assign(made, {later, reader: new Reader(), key: 'k', recount: 0, settings: {level: 3, votes: true},
    session: {visitor: () => 'me', call, get: () => '', set() {}, grant: () => null, view: () => null}});
  node.append(made.list, made.foot);
  takePage(made, first);
  fillList(made, first.page.comments);
  const {store} = made;
  return {
    made, store, list: made.list,
    get items() { return store.items; }, get waiting() { return store.waiting; }, get votes() { return store.votes; }, get tally() { return store.tally; },
    get held() { return store.held; }, get cursor() { return store.cursor; }, get moreButton() { return made.moreButton; }, get channel() { return made.channel; },
    missing: () => missing(store), event: m => live.onEvent(made, m), next: () => nextPage(made), vote: (item, value) => castVote(made, item, value),
    send: entry => sendEntry(made, entry), replies: (item, button) => loadReplies(made, item, button), resort: name => resort(made, name),
    remove: (item, tombstone) => live.removeItem(made, item, tombstone), reload: seq => live.reloadPage(made, seq), flush: () => arrivals.flushWaiting(made),
    erase: item => eraseComment(made, item), finish: (item, leaving) => finishAway(made, item, leaving), resend: () => resendFailed(made),
    get pauses() { return store.pauses; }, get recounting() { return made.timers.count; }, posting: () => isPosting(store),
  };
}
export {reckon, globals};
