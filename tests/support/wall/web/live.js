/* What is put on the wall while somebody looks at it. */
import {subscribe} from '../../../../cackled/web/lib/live.js';
import {loader} from '../../../../cackled/web/lib/loader.js';

/** @typedef {import('./wall.js').Wall} Wall */

/**
 * @param {Wall} wall
 * @param {string} position
 */
export function follow(wall, position) {
  const sub = subscribe(
    position,
    {
      event: m => {
        if (m.type !== 'reaction.put') return;
        wall.store.put(m.data.reaction);
        wall.draw();
      },
      status: () => {},
      reset: async seq => {
        const answer = await loader.get(wall.address(seq));
        wall.render(await answer.json());
        return seq;
      },
    },
    wall.session.grant(),
  );
  wall.closers.push(() => sub.close());
}
