/* The wall: words that visitors put there, the newest first. */
import {Store} from './store.js';
import {el} from '../../../../cackled/web/lib/dom.js';
import {register, Widget} from '../../../../cackled/web/lib/widget.js';

export class Wall extends Widget {
  /**
   * @param {string} name
   * @param {import('../../../../cackled/web/lib/loader.js').Mounted} mounted
   */
  constructor(name, mounted) {
    super(name, mounted, 'wall');
    this.store = new Store();
    this.title = el('h3.mc-title');
    this.list = el('ul.mc-wall');
  }
  /**
   * @override
   * @param {any} data
   */
  render(data) {
    this.store.begin(data.reactions);
    this.node.replaceChildren(this.title, this.list);
    this.draw();
    import('./live.js').then(live => live.follow(this, data.position));
    this.fire('ready', {});
  }
  draw() {
    const all = [...this.store.reactions.values()].reverse();
    this.title.textContent = this.t('reactions', {n: all.length});
    this.list.replaceChildren(...all.map(one => el('li', {dir: 'auto'}, one.words)));
  }
}
register('Wall', Wall, 'wall');
