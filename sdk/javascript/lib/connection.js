// Connections: the class that authors extend, and connecting.
import * as host from './host.js';
import { milliseconds, needHost, u32 } from './calls.js';
import { subscribe } from './channels.js';
import { HostError, ask, codeOf, frames, kindOf } from './errors.js';
import { sendFile, sendVersion } from './files.js';
import { Promise } from './promise.js';
import { Reader } from './reader.js';
import { bytesOf } from './text.js';
import { setInterval, setTimeout } from './timers.js';
import { startTls } from './tls.js';

/** What the connection that is being made will find: its socket and the rest. */
let born;

/** Makes a connection with `make`, which is a class, or a function that returns a connection. */
export function give(birth, make) {
  born = birth;
  try {
    const connection = isClass(make) ? new make(birth.options) : make(birth.options);
    if (!(connection instanceof Connection)) {
      throw new TypeError(`the function that makes connections returned ${kindOf(connection)}: it has to return a Connection`);
    }
    return connection;
  } finally {
    born = undefined;
  }
}

/** Whether it is a class of connections. */
export const isClass = (make) => typeof make === 'function' && (make === Connection || make.prototype instanceof Connection);

const sizeOf = ({ high, low }) => high * 4294967296 + low;
const countOf = (bytes) => ({ high: u32(Math.floor(bytes / 4294967296)), low: u32(bytes % 4294967296) });

export class Connection {
  constructor() {
    if (!born) {
      throw new Error(`new ${new.target.name}(): the host makes connections: name the class in plugin({ ${new.target.name} }), or hand it to connect(host, port, ${new.target.name})`);
    }
    const { socket, options, listener } = born;
    born = undefined;
    this.socket = socket;
    this.options = options;
    this.listener = listener;
    this.closed = undefined;
    if (typeof this.serve === 'function') this.reader = new Reader(this);
  }

  // ---- What the host calls ----

  postInit() {}
  connectionCompleted() {}
  receiveData(data) {
    this.reader?.push(data);
  }
  drained() {}
  unbind(reason) {}
  tlsCompleted() {}
  verifyPeer(chain) {
    return false;
  }
  draining(milliseconds) {
    return 'when-idle';
  }
  proxyTargetUnbound() {}
  proxyCompleted() {}

  // ---- Sending and closing ----

  sendData(data) {
    const bytes = data instanceof Uint8Array ? data : bytesOf(data, 'sendData');
    try {
      this.socket.sendData(bytes);
    } catch (error) {
      this.#refused(codeOf(error), bytes.length, error);
    }
  }

  /** A stream with a hole in it is worse than none; what comes too late goes nowhere, and is told once. */
  #refused(code, length, error) {
    if (code === 'outbox-full') {
      host.log.log('error', `connection ${this.id}: its outbox has no room for ${length} bytes; closing it. trySendData and drained() wait instead`);
      this.closeConnection();
    } else if (code === 'closed') {
      this.#tooLate();
    } else if (code !== 'closing') {
      throw code === undefined ? error : new HostError(`sendData of ${length} bytes`, code);
    }
  }

  #tooLate() {
    if (this.told || this.closed === undefined) return;
    this.told = true;
    const where = frames(new Error('here').stack);
    host.log.log(
      'warn',
      `sendData on a connection that has ended (${this.closed}) sends nothing${where.length ? ` at ${where.join(' < ')}` : ''}: end in unbind() what sends, such as a timer or a subscription (this.setInterval, this.subscribe do it by themselves)`,
    );
  }

  trySendData(data) {
    const bytes = bytesOf(data, 'trySendData');
    ask(`trySendData of ${bytes.length} bytes`, () => this.socket.sendData(bytes));
  }

  closeConnection() {
    this.socket.closeConnection();
  }

  closeConnectionAfterWriting() {
    this.socket.closeConnectionAfterWriting();
  }

  halfClose() {
    ask('halfClose', () => this.socket.halfClose());
  }

  keepHalfOpen(keep = true) {
    this.socket.keepHalfOpen(Boolean(keep));
  }

  get peerFinished() {
    return this.socket.peerFinished();
  }

  // ---- Reading ----

  pause() {
    this.socket.pause();
  }

  resume() {
    this.socket.resume();
  }

  get isPaused() {
    return this.socket.isPaused();
  }

  #readerOf() {
    if (!this.reader) {
      this.reader = new Reader(this);
      if (this.closed !== undefined) this.reader.end();
    }
    return this.reader;
  }

  read() {
    return this.#readerOf().read();
  }

  readExactly(count) {
    return this.#readerOf().readExactly(count);
  }

  readLine(most) {
    return this.#readerOf().readLine(most);
  }

  async *lines(most) {
    for (;;) {
      const line = await this.readLine(most);
      if (line === null) return;
      yield line;
    }
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      const data = await this.read();
      if (data === null) return;
      yield data;
    }
  }

  // ---- What ends with the connection ----

  #own(ending) {
    this.owned ??= new Set();
    if (this.owned.size >= 32) {
      for (const other of this.owned) if (other.active === false) this.owned.delete(other);
    }
    this.owned.add(ending);
    return ending;
  }

  setTimeout(action, time, ...values) {
    return this.#own(setTimeout(action, time, ...values));
  }

  setInterval(action, time, ...values) {
    return this.#own(setInterval(action, time, ...values));
  }

  subscribe(channel, action) {
    return this.#own(subscribe(channel, action));
  }

  /** For the SDK: it has ended. */
  ended(reason) {
    this.closed = reason;
    for (const ending of this.owned ?? []) ending.cancel();
    this.owned = undefined;
    this.reader?.end();
  }

  // ---- What it is ----

  get peerAddress() {
    return addressOf(this.socket.peerAddress());
  }

  get localAddress() {
    return addressOf(this.socket.localAddress());
  }

  get id() {
    return this.socket.id();
  }

  get outboundDataSize() {
    return this.socket.outboundDataSize();
  }

  get idleTime() {
    return this.socket.idleTime();
  }

  get commInactivityTimeout() {
    return this.socket.commInactivityTimeout();
  }

  setCommInactivityTimeout(time) {
    this.socket.setCommInactivityTimeout(milliseconds(time));
  }

  get pendingConnectTimeout() {
    return this.socket.pendingConnectTimeout();
  }

  setPendingConnectTimeout(time) {
    ask('setPendingConnectTimeout', () => this.socket.setPendingConnectTimeout(milliseconds(time)));
  }

  enableKeepalive({ idle = 0, interval = 0, count = 0 } = {}) {
    ask('enableKeepalive', () => host.socketOptions.setKeepalive(this.socket, { idle, interval, count }));
  }

  disableKeepalive() {
    ask('disableKeepalive', () => host.socketOptions.setKeepalive(this.socket, null));
  }

  get keepalive() {
    return host.socketOptions.keepalive(this.socket) ?? undefined;
  }

  setNodelay(nodelay = true) {
    ask('setNodelay', () => host.socketOptions.setNodelay(this.socket, Boolean(nodelay)));
  }

  get nodelay() {
    return host.socketOptions.nodelay(this.socket);
  }

  // ---- Connecting again ----

  reconnect(address, port) {
    if (!this.unbinding) throw new Error('reconnect: only in the unbind() of the connection, and once: connect(host, port, Handler) makes another one');
    this.unbinding = false;
    dial(`reconnect to ${address}:${port}`, { tag: 'tcp', val: { host: address, port } }, (birth) => {
      this.socket = birth.socket;
      this.closed = undefined;
      return this;
    });
  }

  // ---- TLS ----

  startTls(settings) {
    startTls(this, settings);
  }

  get tlsSession() {
    return host.tls.session(this.socket) ?? undefined;
  }

  get peerCertificates() {
    return host.tls.peerCertificates(this.socket);
  }

  get endOfStream() {
    return host.tls.endOfStream(this.socket);
  }

  get tlsFailure() {
    return host.tls.failure(this.socket) ?? undefined;
  }

  // ---- Proxying, files, datagrams ----

  proxyIncomingTo(target, { buffer = 0, bytes = 0 } = {}) {
    ask('proxyIncomingTo', () => host.proxying.proxyIncomingTo(this.socket, target.socket, { buffer, bytes: countOf(bytes) }));
  }

  stopProxying() {
    host.proxying.stopProxying(this.socket);
  }

  get proxiedBytes() {
    return sizeOf(host.proxying.getProxiedBytes(this.socket));
  }

  sendFile(path, part) {
    return sendFile(this, path, part);
  }

  sendFileVersion(path, version, part) {
    return sendVersion(this, path, version, part);
  }

  sendDatagram(data, address, port) {
    const bytes = bytesOf(data, 'sendDatagram');
    ask(`sendDatagram to ${address}:${port}`, () => host.datagrams.sendDatagram(this.socket, bytes, { host: address, port }));
  }
}

/** An address as authors see it: `{ host, port }` or `{ path }`. */
export function addressOf(address) {
  if (!address) return undefined;
  return address.tag === 'unix' ? { path: address.val } : address.val;
}

// ---- Connecting ----

/** What makes the connection of each connect, by its token. */
const makers = new Map();
let lastToken = 0;

/** Asks the host for a connection that `make` makes of its birth. */
export function withToken(what, make, call) {
  needHost(what);
  do lastToken = (lastToken + 1) & 0x3fffffff;
  while (makers.has(lastToken));
  const token = lastToken;
  makers.set(token, make);
  try {
    return ask(what, () => call(token));
  } catch (error) {
    makers.delete(token);
    throw error;
  }
}

/** What makes the connection of this token. */
export function makerOf(token) {
  const make = makers.get(token);
  makers.delete(token);
  return make;
}

function dial(what, address, make) {
  withToken(what, make, (token) => host.sockets.connect(address, token));
}

/** What makes a connection out of what an author gives: a class, or a function. */
export function maker(make, call) {
  if (typeof make !== 'function') throw new TypeError(`${call} takes a class that extends Connection, not ${kindOf(make)}`);
  return (birth) => give(birth, make);
}

/** A connection that is waited for: it is there when it is made. */
class Awaited extends Connection {
  constructor() {
    super();
    this.reader = new Reader(this);
  }

  connectionCompleted() {
    this.answer.resolve(this);
  }

  unbind(reason) {
    this.answer.reject(new HostError(this.what, reason));
  }
}

function open(what, ask) {
  const answer = Promise.withResolvers();
  ask((birth) => Object.assign(give(birth, Awaited), { answer, what }));
  return answer.promise;
}

export function connect(address, port, make) {
  const what = `connect to ${address}:${port}`;
  const target = { tag: 'tcp', val: { host: address, port } };
  if (make === undefined) return open(what, (make) => dial(what, target, make));
  dial(what, target, maker(make, 'connect'));
}

export function connectUnix(path, make) {
  const what = `connect to ${path}`;
  const target = { tag: 'unix', val: path };
  if (make === undefined) return open(what, (make) => dial(what, target, make));
  dial(what, target, maker(make, 'connectUnix'));
}

export function bindConnect(bindHost, bindPort, address, port, make) {
  const what = `connect from ${bindHost}:${bindPort} to ${address}:${port}`;
  const target = { tag: 'tcp', val: { host: address, port } };
  withToken(what, maker(make, 'bindConnect'), (token) =>
    host.socketOptions.connectFrom({ host: bindHost, port: bindPort }, target, token),
  );
}

export const connectionCount = () => host.socketOptions.connectionCount();

export function openDatagramSocket(address, port, make) {
  return withToken(`openDatagramSocket at ${address}:${port}`, maker(make, 'openDatagramSocket'), (token) =>
    host.datagrams.openDatagramSocket({ host: address, port }, token),
  );
}
