// Comments below a page of a React application.
//
//   <Comments server="https://comments.example" site={1} channel={route.path} />
//
// `channel` names the conversation: when it changes, another one is shown. A path stands for the page there, with or
// without a slash at its end, as counters beside links have it. More options of the embed call go in `options`.
import {useEffect, useId, useRef} from 'react';

/** The loader, once for the whole page. */
function load(server) {
  if (window.Cackle || document.querySelector('script[data-cackled]')) return;
  const script = document.createElement('script');
  script.src = `${server}/widget.js`;
  script.async = true;
  script.dataset.cackled = '';
  document.head.append(script);
}

export function Comments({server, site, channel, options}) {
  const id = `mc-${useId().replace(/\W/g, '')}`;
  const place = useRef(null);
  useEffect(() => {
    const node = place.current;
    // The widget's own place: React knows nothing of what is in it.
    const container = document.createElement('div');
    container.id = id;
    node.replaceChildren(container);
    window.cackle_widget = window.cackle_widget || [];
    const named = /^\//.test(channel) ? new URL(channel, location.href).href : channel;
    const widget = {widget: 'Comment', id: site, container: id, ...(named && {channel: named}), ...options};
    window.cackle_widget.push(widget);
    load(server);
    return () => {
      const at = window.cackle_widget.indexOf(widget);
      if (at >= 0) window.cackle_widget.splice(at, 1);
      container.cackle?.widget?.close();
      node.replaceChildren();
    };
  }, [id, server, site, channel]);
  return <div ref={place} />;
}
