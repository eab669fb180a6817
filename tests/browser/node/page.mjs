// The widget's own files in a page of paper: enough of a DOM for comments to be put, moved and taken away, and no more.
import {readFileSync} from 'node:fs';
import vm from 'node:vm';

const WEB = new URL('../../../cackled/web/', import.meta.url);
const FILES = ['lib/api.js', 'comments/reckon.js', 'comments/widget.js', 'comments/item.js', 'comments/vote.js', 'comments/composer.js',
  'comments/actions.js', 'comments/paging.js', 'comments/sending.js', 'comments/live.js'];

class Classes extends Set {
  toggle(name, on) { if (on === undefined ? !this.has(name) : on) this.add(name); else this.delete(name); }
  contains(name) { return this.has(name); }
  remove(...names) { names.forEach(n => this.delete(n)); }
}

class Node {
  constructor(spec, props) {
    this.classList = new Classes(spec.split('.').slice(1));
    this.localName = spec.split('.')[0];
    this.childNodes = [];
    this.parentNode = null;
    this.attributes = {};
    this.style = {setProperty() {}};
    this.hidden = false;
    this.textContent = '';
    for (const key in props || {}) {
      if (key === 'id') this.id = props[key];
      else if (typeof props[key] === 'function') this[key] = props[key];
    }
  }
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
  setAttribute(key, value) { this.attributes[key] = value; }
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

const globals = {console, setTimeout, clearTimeout, setInterval, clearInterval, URLSearchParams, URL, Map, Set, Promise, Math, Date, JSON, innerHeight: 900, reads: false,
  location: {href: 'http://page.example/', hash: '', origin: 'http://page.example'}, addEventListener() {}, matchMedia: () => ({matches: true}),
  document: {activeElement: null, querySelector: () => null, querySelectorAll: () => [], getElementById: () => null, hidden: false, title: ''}};
globals.window = globals;
const el = (spec, props, ...children) => { const node = new Node(spec, props); node.append(...children); return node; };
const Cackle = globals.Cackle = {Promise, widgets: {}, el, press: (spec, ...rest) => el('span.' + spec, ...rest), icon: () => el('svg'), html: () => el('i'),
  text: v => v === undefined ? '' : String(v), load: () => null, save() {}, tab: {get: () => null, set() {}}, now: () => Date.now(), clock() {}, lazy: () => Promise.resolve(), uid: () => 'key-' + Math.random()};
vm.createContext(globals);
for (const file of FILES) vm.runInContext(readFileSync(new URL(file, WEB), 'utf8'), globals, {filename: file});

/* A rendered widget. call(method, path) answers its calls. */
export function open(first, call, sort = 'best', size = 5) {
  const widget = Object.create(Cackle.Comments.prototype), t = (key, values) => key + (values && values.n !== undefined ? values.n : '');
  t.number = n => '' + n;
  t.problem = slug => slug;
  t.lang = 'en';
  Object.assign(widget, {o: {}, widget: {size}, t, times: {node: () => el('time'), full: () => ''}, items: new Map(), waiting: new Map(), held: [], seq: 0, closers: [],
    blocked: new Set(), votes: {}, tally: Cackle.tally(), ghosts: new Map(), gone: new Set(), site: '1', key: 'k', sort, level: 3, settings: {level: 3, votes: true},
    session: {visitor: () => 'me', call, get: () => '', set() {}, grant: () => null, view: () => null}});
  for (const name of ['node', 'title', 'online', 'sorts', 'bar', 'pill', 'typing', 'live', 'list', 'foot', 'skip']) widget[name] = el('div.' + name);
  widget.RECOUNT = 0;
  widget.node.append(widget.list, widget.foot);
  widget.flash = widget.announce = widget.say = widget.notice = widget.fire = () => {};
  widget.page(first);
  widget.fill(first.page.comments);
  return widget;
}
export {Cackle, globals};
