/* Three ways to the same messages. Each: open(base, positions, tokens, on) -> {send?, close}; on = {open(), message(m), close(fatal)}; fatal: the
   status that was answered, where it makes no sense to ask again.
   After close() or on.close() nothing more is called. */
// @ts-nocheck
import {ownFetch} from './api.js';
import {toJson} from './values.js';

function query(positions, tokens) {
  return positions
    .map(p => 'sub=' + encodeURIComponent(p))
    .concat(tokens.map(t => 'token=' + encodeURIComponent(t)))
    .join('&');
}
function parse(text, on) {
  var message;
  try {
    message = JSON.parse(text);
  } catch (e) {
    return;
  }
  on.message(message);
}

function websocket(base, positions, tokens, on) {
  var socket = new WebSocket(base.replace(/^http/, 'ws') + '/rt/ws?' + query(positions, tokens), 'cackle.v1');
  var timer = setTimeout(() => {
      end(true);
    }, 8000),
    ended = false;
  function end(tell) {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
    socket.close();
    if (tell) on.close();
  }
  socket.onopen = () => {
    clearTimeout(timer);
    on.open();
  };
  socket.onmessage = event => {
    if (!ended) parse(event.data, on);
  };
  socket.onerror = socket.onclose = () => {
    end(true);
  };
  return {
    send: message => {
      if (socket.readyState === 1) socket.send(toJson(message));
    },
    close: () => {
      end(false);
    },
  };
}

function eventsource(base, positions, tokens, on) {
  // Reconnecting is ours: with our own positions, our own jitter and, perhaps, another server.
  var source = new EventSource(base + '/rt/sse?' + query(positions, tokens)),
    timer = setTimeout(() => {
      end(true);
    }, 10000);
  function end(tell) {
    if (!source) return;
    clearTimeout(timer);
    source.close();
    source = null;
    if (tell) on.close();
  }
  source.onopen = () => {
    clearTimeout(timer);
    on.open();
  };
  source.onmessage = event => {
    if (source) parse(event.data, on);
  };
  source.onerror = () => {
    end(true);
  };
  return {
    close: () => {
      end(false);
    },
  };
}

function longpoll(base, positions, tokens, on) {
  var control = new AbortController(),
    opened = false,
    ended = false;
  function end(tell, fatal) {
    if (ended) return;
    ended = true;
    control.abort();
    if (tell) on.close(fatal);
  }
  function poll() {
    var timer = setTimeout(() => {
      end(true);
    }, 40000);
    // The first question is short: its answer tells that this way is open.
    ownFetch(base + '/rt/poll?' + query(positions, tokens) + '&wait=' + (opened ? 25 : 1), {
      credentials: 'omit',
      signal: control.signal,
    })
      .then(answer => {
        if (answer.ok) return answer.json();
        end(
          true,
          answer.status > 399 && answer.status < 500 && answer.status !== 408 && answer.status !== 429 && answer.status,
        );
        throw answer;
      })
      .then(data => {
        clearTimeout(timer);
        if (ended) return;
        if (!opened) {
          opened = true;
          on.open();
        }
        data.events.forEach(m => {
          if (!ended) on.message(m);
        });
        if (data.cursor && data.cursor.length) positions = data.cursor;
        if (!ended) poll();
      })
      .catch(() => {
        clearTimeout(timer);
        end(true);
      });
  }
  poll();
  return {
    close: () => {
      end(false);
    },
  };
}

export const transports = {ws: window.WebSocket && websocket, sse: window.EventSource && eventsource, poll: longpoll};
