// Node's dialect of connections: a socket with events, over the class Connection.
import { Connection, connect } from './connection.js';
import { plugin } from './plugin.js';
import { TextDecoder } from './text.js';

/** So much waits in the outbox when `write` says that it is enough. */
const ENOUGH = 65536;

/** The events of Node, as many of them as a socket needs. */
export class EventEmitter {
  #actions = new Map();

  on(name, action) {
    if (typeof action !== 'function') throw new TypeError(`on('${name}') takes a function`);
    if (!this.#actions.has(name)) this.#actions.set(name, []);
    this.#actions.get(name).push(action);
    return this;
  }

  once(name, action) {
    const once = (...values) => {
      this.off(name, once);
      return action(...values);
    };
    return this.on(name, once);
  }

  off(name, action) {
    this.#actions.set(
      name,
      (this.#actions.get(name) ?? []).filter((other) => other !== action),
    );
    return this;
  }

  /** Promises of listeners are waited for, as those of callbacks are. */
  emit(name, ...values) {
    const actions = this.#actions.get(name) ?? [];
    const answers = actions.map((action) => action.apply(this, values)).filter((answer) => typeof answer?.then === 'function');
    return answers.length ? Promise.all(answers) : undefined;
  }

  listenerCount(name) {
    return (this.#actions.get(name) ?? []).length;
  }
}

EventEmitter.prototype.addListener = EventEmitter.prototype.on;
EventEmitter.prototype.removeListener = EventEmitter.prototype.off;

/** Reasons that are a peer's or a plugin's ordinary end; every other one is an 'error' first. */
const ORDINARY = ['peer-closed', 'closed', 'stopped'];

/** A connection as Node's `net` shows it. */
export class Socket extends EventEmitter {
  #connection;
  #decoder;
  #timeout = 0;

  constructor(connection) {
    super();
    this.#connection = connection;
  }

  /** The connection behind it, for what Node has no word for. */
  get connection() {
    return this.#connection;
  }

  write(data) {
    this.#connection.sendData(data);
    return this.#connection.outboundDataSize < ENOUGH;
  }

  end(data) {
    if (data !== undefined) this.#connection.sendData(data);
    this.#connection.closeConnectionAfterWriting();
    return this;
  }

  destroy() {
    this.#connection.closeConnection();
    return this;
  }

  setEncoding(encoding) {
    this.#decoder = new TextDecoder(encoding);
    return this;
  }

  pause() {
    this.#connection.pause();
    return this;
  }

  resume() {
    this.#connection.resume();
    return this;
  }

  /** The connection is closed after so long without a byte, with 'timeout'. */
  setTimeout(time, action) {
    this.#connection.setCommInactivityTimeout(time);
    if (action) this.once('timeout', action);
    return this;
  }

  setNoDelay(nodelay = true) {
    this.#connection.setNodelay(nodelay);
    return this;
  }

  setKeepAlive(keep = false, delay = 0) {
    if (keep) this.#connection.enableKeepalive({ idle: Math.ceil(delay / 1000) });
    else this.#connection.disableKeepalive();
    return this;
  }

  get remoteAddress() {
    return this.#connection.peerAddress?.host;
  }

  get remotePort() {
    return this.#connection.peerAddress?.port;
  }

  get localAddress() {
    return this.#connection.localAddress?.host;
  }

  get localPort() {
    return this.#connection.localAddress?.port;
  }

  get destroyed() {
    return this.#connection.closed !== undefined;
  }

  /** For the SDK: bytes have come. */
  told(data) {
    return this.emit('data', this.#decoder ? this.#decoder.decode(data, { stream: true }) : data);
  }

  /** For the SDK: it has ended. */
  async ended(reason) {
    if (reason === 'peer-closed') await this.emit('end');
    if (reason === 'inactivity-timeout') await this.emit('timeout');
    else if (!ORDINARY.includes(reason) && this.listenerCount('error')) {
      await this.emit('error', Object.assign(new Error(`the connection has ended: ${reason}`), { code: reason }));
    }
    await this.emit('close', !ORDINARY.includes(reason));
  }
}

const socketClass = (begun) =>
  class Served extends Connection {
    postInit() {
      this.node = new Socket(this);
      return begun(this.node, this.options);
    }
    connectionCompleted() {
      return this.node.emit('connect');
    }
    receiveData(data) {
      return this.node.told(data);
    }
    drained() {
      return this.node.emit('drain');
    }
    unbind(reason) {
      return this.node.ended(reason);
    }
  };

export function serve(action, extra) {
  if (typeof action !== 'function') throw new TypeError('serve takes a function of a socket: serve(socket => { … })');
  return plugin({ serve: socketClass(action) }, extra);
}

export function createConnection(port, host = '127.0.0.1', connected) {
  let socket;
  const waiting = [];
  // Node answers with a socket at once, the host after this callback: what is asked of it until then waits for it.
  const early = new Proxy(
    {},
    {
      get: (_, name) => {
        if (socket) return typeof socket[name] === 'function' ? socket[name].bind(socket) : socket[name];
        return (...values) => {
          waiting.push([name, values]);
          return early;
        };
      },
    },
  );
  connect(
    host,
    port,
    socketClass((made) => {
      socket = made;
      if (connected) socket.once('connect', connected);
      for (const [name, values] of waiting) socket[name](...values);
    }),
  );
  return early;
}
