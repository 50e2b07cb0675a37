/**
 * Sandloop's SDK for JavaScript and TypeScript: handlers of network protocols, each in a sandbox, on an event loop.
 *
 * ```js
 * import { Connection, plugin } from 'sandloop';
 *
 * class Echo extends Connection {
 *   receiveData(data) { this.sendData(data); }
 * }
 *
 * export default plugin({ Echo });
 * ```
 *
 * The names are EventMachine's. One callback runs at a time in the whole sandbox, always: no callback is called inside another one,
 * and what a callback asks for (a close, a connect, a timer) happens after it has returned.
 *
 * **Promises work.** A callback may be `async`, and so may `serve`. What it waits for goes on after the host's next event; a second
 * `receiveData` may begin before the first has ended. What rejects a promise that nobody waits for is an error, as an exception is.
 *
 * **An error that a callback does not catch ends its sandbox**, and one line of the host's log says which, with the file and line of
 * the author's own source.
 *
 * **The top level of a module runs when the plugin is built.** There is no host then: what calls it belongs into `start()`,
 * `postInit()` or another callback.
 *
 * Times are milliseconds. Data is text, which goes out in UTF-8, or bytes; what comes is a `Uint8Array`.
 */
declare module 'sandloop' {
  /** Text, which goes out in UTF-8, or bytes. */
  export type Data = string | Uint8Array | ArrayBuffer | ArrayBufferView;

  /** The contract's error codes. */
  export type ErrorCode = 'closed' | 'closing' | 'outbox-full' | 'denied' | 'limit' | 'invalid-argument' | 'unsupported';

  /** Why a connection has ended. */
  export type CloseReason =
    /** The peer closed its side, and everything queued for it was sent. With TLS it said so: its stream is whole. */
    | 'peer-closed'
    /** This plugin closed it. */
    | 'closed'
    /** The host is stopping. */
    | 'stopped'
    /** Outgoing: nobody listens there. */
    | 'refused'
    /** Outgoing: no answer within the pending-connect timeout. */
    | 'connect-timeout'
    /** Outgoing: the name has no address. */
    | 'name-not-found'
    /** Outgoing: no route to the host. */
    | 'unreachable'
    /** Nothing was read or written for the comm-inactivity timeout. */
    | 'inactivity-timeout'
    /** The peer reset it; with TLS also: its stream stopped without a word, so that something may be missing. */
    | 'reset'
    /** The peer did not read what was left in time; or the deadline of the TLS handshake. */
    | 'limit'
    /** Any other failure of the socket or of its TLS. */
    | 'failed';

  /** An end of a connection. */
  export type Address = { host: string; port: number } | { path: string };

  /** The host refuses what was asked for. The message says what was asked, the code, and what to do. */
  export class HostError extends Error {
    /** The contract's code; of files, proxying and listeners theirs; of `connect` that is waited for, the `CloseReason`. */
    readonly code: string;
  }

  /** A connection: a class extends this one, its fields are a connection's state, its methods are called with what happens. */
  export class Connection {
    /** Only the host makes connections. A constructor of one's own gets the listener's options and calls `super()`. */
    constructor(options?: Record<string, string>);

    // ---- Callbacks, each of which may be left out ----

    /** The connection exists. Called once, first. An outgoing one is not connected yet; what it sends here is sent when it is. */
    postInit(): void | Promise<void>;
    /** An outgoing connection is made. */
    connectionCompleted(): void | Promise<void>;
    /** Bytes from the peer: at least one, in order, cut anywhere. Behind `udp://` one datagram. */
    receiveData(data: Uint8Array): void | Promise<void>;
    /** The outbox was above its high mark and has fallen below the low one: a good moment to send more. */
    drained(): void | Promise<void>;
    /** The connection has ended. Called once, last. */
    unbind(reason: CloseReason): void | Promise<void>;
    /** TLS is there, by `startTls` or by a `tls://` listener. */
    tlsCompleted(): void | Promise<void>;
    /** Whether the peer is taken, by its certificate and those that lead to its authority, each as DER. `false` unless it is overridden; not async. */
    verifyPeer(chain: Uint8Array[]): boolean;
    /**
     * The connection is to come to its end within so many milliseconds, since the host stops or its plugin is replaced. After
     * `'when-idle'`, the default, the host closes it once nothing of it is under way; after `'until-closed'` it goes on until the
     * plugin closes it. Where the plugin is replaced the host closes nothing before the end. Not async.
     */
    draining(milliseconds: number): 'when-idle' | 'until-closed' | void;
    /** The target that this connection was proxied to has ended. */
    proxyTargetUnbound(): void | Promise<void>;
    /** As many bytes as were to be proxied have gone over. */
    proxyCompleted(): void | Promise<void>;
    /**
     * Instead of `receiveData`: called once, after `postInit`, and reads by `lines()`, `read()` and the like. Its end does not close
     * the connection.
     */
    serve?(): Promise<void>;

    // ---- What it is ----

    /** What the operator has written as `options` of the listener. */
    readonly options: Record<string, string>;
    /** The listener's address as it is served; undefined for an outgoing connection. */
    readonly listener: string | undefined;
    /** Why it has ended; undefined while it has not. */
    readonly closed: CloseReason | undefined;
    /** The number that the host's log gives it. */
    readonly id: number;
    /** The other end, where it is connected. */
    readonly peerAddress: Address | undefined;
    /** This end, where it is connected. */
    readonly localAddress: Address | undefined;
    /** Bytes that wait in the outbox. */
    readonly outboundDataSize: number;
    /** Milliseconds since something was last read or written. */
    readonly idleTime: number;
    /** Whether the peer has ended its side. */
    readonly peerFinished: boolean;

    // ---- Sending and closing ----

    /**
     * Sends, in order, never blocking. It never fails: on a connection that is closing it does nothing, on one that has ended it does
     * nothing and the log says so once. Where the outbox is full the connection is closed, since a stream with a hole in it is worse
     * than none.
     *
     * @throws TypeError where `data` is neither text nor bytes.
     */
    sendData(data: Data): void;
    /** As `sendData`. @throws HostError `closed`, `closing`, `outbox-full` (nothing was taken: `drained` tells when there is room). */
    trySendData(data: Data): void;
    /** Closes without waiting for the outbox. `unbind` follows. */
    closeConnection(): void;
    /** Closes once the outbox is empty. */
    closeConnectionAfterWriting(): void;
    /** Ends the write side once the outbox is empty; reading goes on. @throws HostError `closed`, `closing`. */
    halfClose(): void;
    /** Whether it stays open for writing when the peer ends its side; not unless this was called. */
    keepHalfOpen(keep?: boolean): void;

    // ---- Reading by waiting ----

    /** What has come, as soon as there is something; `null` when the connection has ended. */
    read(): Promise<Uint8Array | null>;
    /** So many bytes; `null` when it ends before. */
    readExactly(count: number): Promise<Uint8Array | null>;
    /** A line without its end, `\n` or `\r\n`, as text; `null` when the connection has ended. @throws RangeError for a line of more than `most` bytes, 65,536 unless given. */
    readLine(most?: number): Promise<string | null>;
    /** Lines until the end: `for await (const line of this.lines())`. */
    lines(most?: number): AsyncGenerator<string, void, void>;
    /** Pieces until the end: `for await (const data of connection)`. */
    [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void>;
    /** Stops reading. Bytes stay with the operating system and the peer feels it. */
    pause(): void;
    /** Starts reading again. */
    resume(): void;
    readonly isPaused: boolean;

    // ---- What ends with the connection ----

    /** As the global one; ends with the connection. */
    setTimeout(action: (...values: any[]) => unknown, time?: number, ...values: any[]): Timer;
    /** As the global one; ends with the connection. */
    setInterval(action: (...values: any[]) => unknown, time: number, ...values: any[]): Timer;
    /** Subscribes to a channel until the connection ends. */
    subscribe(channel: string | Channel, action: (message: Uint8Array) => unknown): Subscription;

    // ---- Settings ----

    /** Closes it with `inactivity-timeout` after so long in which nothing was read or written; 0, at first, turns it off. */
    setCommInactivityTimeout(time: number): void;
    readonly commInactivityTimeout: number;
    /** Outgoing: how long all attempts to connect may take together, 20,000 at first. */
    setPendingConnectTimeout(time: number): void;
    readonly pendingConnectTimeout: number;
    /** Has the system probe a silent peer: seconds, seconds, probes; 0 leaves each as the system has it. */
    enableKeepalive(probes?: { idle?: number; interval?: number; count?: number }): void;
    disableKeepalive(): void;
    readonly keepalive: { idle: number; interval: number; count: number } | undefined;
    /** Whether small pieces go out at once, as at first, or wait for the answer to what is on its way. */
    setNodelay(nodelay?: boolean): void;
    readonly nodelay: boolean;
    /**
     * Connects again and goes on with the same object: in `unbind` and nowhere else. `postInit` is not called again;
     * `connectionCompleted` is, or `unbind` where nobody answers.
     */
    reconnect(host: string, port: number): void;

    // ---- TLS ----

    /**
     * Goes on with TLS once what was sent before has gone out. With `serverName` as the side that begins, with `profile` alone as the
     * side that shows a certificate; `profile` is the NAME of `[plugins.….tls.NAME]`. What the peer sent behind its STARTTLS and
     * `receiveData` has got must be forgotten.
     *
     * @throws HostError `closed`, `closing`, `unsupported`, `denied` (no such profile, or not for this side), `invalid-argument`, `limit`.
     */
    startTls(settings: TlsClient | TlsServer): void;
    /** What two sides agreed on, once the handshake is complete; still there in `unbind`. */
    readonly tlsSession: TlsSession | undefined;
    /** The peer's certificate, then those that lead to its authority, each as DER. */
    readonly peerCertificates: Uint8Array[];
    /** How the peer's stream has ended: not yet, by its own word, or cut. */
    readonly endOfStream: 'none' | 'said' | 'cut';
    /** Why the handshake failed, in `unbind`. */
    readonly tlsFailure: { kind: string; words: string } | undefined;

    // ---- Proxying, files, datagrams ----

    /** Has what comes on this connection go to `target`, past the plugin. 0 bytes is without end. */
    proxyIncomingTo(target: Connection, options?: { buffer?: number; bytes?: number }): void;
    stopProxying(): void;
    /** Bytes that have gone over since this connection was last told to be proxied. */
    readonly proxiedBytes: number;
    /** Sends a file of a folder that `allow.read` names; the promise has the bytes that were sent. */
    sendFile(path: string, part?: { offset?: number; length?: number }): Promise<number>;
    /** As `sendFile`, where the file still has this size and time. */
    sendFileVersion(path: string, version: { size: number; seconds: number; nanoseconds: number }, part?: { offset?: number; length?: number }): Promise<number>;
    /** Sends one datagram from a socket of `openDatagramSocket`. */
    sendDatagram(data: Data, host: string, port: number): void;
  }

  export interface TlsClient {
    /** The name, or the IP address, that the server's certificate must be for. */
    serverName: string;
    profile?: string;
    /** The protocols to choose from (ALPN), the best first. */
    alpn?: string[];
    verification?: Verification;
  }

  export interface TlsServer {
    profile: string;
    alpn?: string[];
    verification?: Verification;
  }

  /** Who decides whether the peer's certificate is taken: the host, the host and then `verifyPeer`, or `verifyPeer` alone. */
  export type Verification = 'host' | 'host-and-plugin' | 'plugin';

  export interface TlsSession {
    version: 'tls12' | 'tls13';
    cipher: string;
    cipherBits: number;
    alpn: string | null;
    serverName: string | null;
    resumed: boolean;
  }

  type Make<C extends Connection> = (new (options: Record<string, string>) => C) | ((options: Record<string, string>) => C);

  /** What is around the connections. Each may be left out; the first six make the plugin a program, for `isolation = "plugin"`. */
  export interface Extra {
    /** Before the loop runs, also in `sandloop check`: a place to read the options. An error stops the host's start, with its text. */
    prepare?(): void;
    /** The loop runs: make clients, timers, ticks. An error ends the sandbox. */
    start?(): void | Promise<void>;
    /** The host is about to stop; what is sent here still goes out. */
    stopping?(): void;
    /** The loop does not run any more. */
    stopped?(): void;
    /** This plugin is replaced: what the next version is to have, at most as much as a message may be; nothing where there is none. */
    save?(): Uint8Array | string | void;
    /** What the version before has saved, between `prepare` and `start`. With an error the plugin begins without. */
    restore?(state: Uint8Array): void;
    /** What `defer` can ask for: each gets the argument and returns the result; an error's text is the answer. */
    operations?: Record<string, (argument: any) => unknown>;
    /** What `spawn` can make. */
    processes?: Record<string, new () => Process>;
  }

  /** An answer of `plugin`, to be the default export of the module. */
  export interface Plugin {
    readonly program: boolean;
  }

  /** Makes a plugin of classes of connections. A handler's name, which a `[[listen]]` gives, is its class's in lower case. */
  export function plugin(handlers: Record<string, new (...values: any[]) => Connection>, extra?: Extra): Plugin;

  // ---- Connecting and listening ----

  /** Connects by TCP; `make`, a class or a function, makes the connection. @throws HostError `denied` (not in `allow.connect`), `limit`, `invalid-argument`. */
  export function connect<C extends Connection>(host: string, port: number, make: Make<C>): void;
  /** Connects by TCP and waits for it. Rejected with a HostError whose code is the close reason where nobody answers. */
  export function connect(host: string, port: number): Promise<Connection>;
  /** As `connect`, to a Unix stream socket. */
  export function connectUnix<C extends Connection>(path: string, make: Make<C>): void;
  export function connectUnix(path: string): Promise<Connection>;
  /** As `connect`, from an address of the machine that `allow.listen` names. */
  export function bindConnect<C extends Connection>(bindHost: string, bindPort: number, host: string, port: number, make: Make<C>): void;
  /** Opens a UDP socket; returns the address that it has. Each datagram is one `receiveData`. */
  export function openDatagramSocket<C extends Connection>(host: string, port: number, make: Make<C>): { host: string; port: number };
  /** The connections of this sandbox, with its listeners and datagram sockets. */
  export function connectionCount(): number;

  /** Listens at `tcp://127.0.0.1:7000`, `udp://…` or `unix:///path`, which `allow.listen` names, with a handler of `plugin`. */
  export function startServer(address: string, handler?: string, options?: Record<string, string | number | boolean>): Server;
  export interface Server {
    /** Where it listens: port 0 has become the real one. */
    readonly address: Address;
    stop(): void;
  }

  // ---- Timers and ticks ----

  export class Timer {
    private constructor();
    /** Ends it. */
    cancel(): void;
    /** Begins its time anew, also after it has fired. */
    restart(): this;
    readonly active: boolean;
  }
  export function setTimeout<A extends unknown[]>(action: (...values: A) => unknown, time?: number, ...values: A): Timer;
  /** Counts from the end of one call to the next. */
  export function setInterval<A extends unknown[]>(action: (...values: A) => unknown, time: number, ...values: A): Timer;
  export function clearTimeout(timer: Timer | undefined): void;
  export function clearInterval(timer: Timer | undefined): void;
  /** Calls `action` when this turn's events are done; asked for in a tick, in the next turn. */
  export function nextTick<A extends unknown[]>(action: (...values: A) => unknown, ...values: A): void;
  /** Calls `action` right after the callback that is running. */
  export function queueMicrotask(action: () => void): void;
  /** `await sleep(1000)`. */
  export function sleep<T = void>(time: number, value?: T): Promise<T>;

  // ---- Channels and queues ----

  /** One to all: a name that all sandboxes of a tenant mean the same channel by. */
  export class Channel {
    constructor(name: string);
    readonly name: string;
    subscribe(action: (message: Uint8Array) => unknown): Subscription;
    /** To all subscribers. At the bound the message is lost, and the log says so. */
    push(message: Data): void;
    readonly numSubscribers: number;
  }
  export class Subscription {
    private constructor();
    readonly channel: Channel;
    /** To all subscribers but this one. */
    pushToOthers(message: Data): void;
    unsubscribe(): void;
  }
  /** One to one: items wait for pops and pops for items, first come, first served. */
  export class Queue {
    constructor(name: string);
    readonly name: string;
    /** @throws HostError `limit` where the queue is full. */
    push(item: Data): void;
    /** One item, as soon as there is one. */
    pop(): Promise<Uint8Array>;
    pop(action: (item: Uint8Array) => unknown): { cancel(): void };
    readonly size: number;
    readonly numWaiting: number;
  }

  // ---- Work off the loop ----

  /**
   * Has a worker, a sandbox of its own without connections, do the operation `name` of `plugin(…, { operations })`. Argument and
   * result are bytes or whatever JSON has. Rejected with an `OperationError`, or a `HostError` where the job was not begun.
   */
  export function defer(name: string, argument?: unknown): Promise<any>;
  export function defer(name: string, argument: unknown, callback: (result: any) => unknown, errback?: (error: Error) => unknown): void;
  export class OperationError extends Error {
    readonly kind: 'failed' | 'trapped' | 'too-long' | 'too-large' | 'unavailable';
  }

  // ---- Processes ----

  /** A sandbox of the plugin's own making, with a mailbox. */
  export class Process {
    spawned(argument: Uint8Array): void | Promise<void>;
    notified(message: Uint8Array): void | Promise<void>;
  }
  export type ExitReason = 'finished' | 'killed' | 'trapped' | 'unavailable';
  export interface SpawnedProcess {
    /** Holds in every sandbox of the tenant. */
    readonly id: number;
    readonly exited: Promise<ExitReason>;
    notify(message: Data): void;
    kill(): void;
  }
  /** Starts a process that `plugin(…, { processes })` names, or one of another plugin that `allow.spawn` names. */
  export function spawn(name: string, argument?: Data, options?: { plugin?: string; exited?: (reason: ExitReason) => unknown }): SpawnedProcess;
  /** Puts a message into the mailbox of a process. */
  export function notify(id: number, message: Data): void;
  /** Ends the process that this is. */
  export function exit(): void;
  /** The id of the process that this sandbox is. */
  export function currentProcess(): number | undefined;

  // ---- HTTP ----

  /**
   * A connection whose peer sends requests, HTTP/1.1 and 1.0. They come whole, one after the other; the next one waits for the answer.
   * A head has 16 KiB and 100 fields at most, a body 1 MiB, and a request 30 seconds. What is no request is refused with its status.
   *
   * ```js
   * class Hello extends HttpServer {
   *   processHttpRequest(request, response) { response.contentType('text/plain').sendResponse('hello\n'); }
   * }
   * ```
   */
  export class HttpServer extends Connection {
    /** A request. It is answered by `response.sendResponse`, here or later. */
    processHttpRequest(request: HttpRequest, response: HttpResponse): void | Promise<void>;
  }
  export interface HttpRequest {
    readonly method: string;
    /** As it came. */
    readonly target: string;
    /** Of the target, percent-encoded as it came. */
    readonly path: string;
    /** What follows the `?`, as it came. */
    readonly queryString: string;
    readonly version: '1.0' | '1.1';
    /** By their names in lower case; what came more than once is joined by `, `. */
    readonly headers: Map<string, string>;
    header(name: string): string | undefined;
    readonly content: Uint8Array;
    /** The content as text. */
    text(): string;
  }
  export interface HttpResponse {
    /** 200 at first. */
    status: number;
    content: Data;
    /** Adds a field. Length, `Connection` and `Date` are the server's. @throws TypeError for those, and for what is no field. */
    header(name: string, value: string | number): this;
    contentType(type: string): this;
    /** Sends the answer, once. Where the connection has ended it goes nowhere. */
    sendResponse(content?: Data): void;
  }

  // ---- The rest ----

  /** Watches a file or folder below one that `allow.read` names. */
  export function watchFile(
    path: string,
    actions: { modified?(): unknown; moved?(): unknown; deleted?(): unknown; ended?(error: string): unknown },
  ): { unwatch(): void };
  /** What the operator wrote under `[plugins.NAME.options]`: text as it is, numbers and booleans as TOML writes them, the rest as JSON. */
  export const options: {
    get(key: string): string | undefined;
    get(key: string, fallback: string): string;
    /** @throws Error that names the missing line of plugins.toml. */
    required(key: string): string;
    all(): Record<string, string>;
  };
  /** Ends the host's loops. @throws HostError `denied` without `allow.stop = true`. */
  export function stop(): void;
  export function isRunning(): boolean;
  /** Called before `stopping`, in a program; the last one first. */
  export function addShutdownHook(action: () => void): void;
  /** The text of bytes in UTF-8; what is none becomes U+FFFD. */
  export function text(bytes: Uint8Array): string;
  /** The bytes of a text in UTF-8. */
  export function encode(text: string): Uint8Array;

  // ---- Node's dialect ----

  /** A plugin with one handler, `serve`, as Node's `net.createServer`: `export default serve((socket) => socket.on('data', …))`. */
  export function serve(action: (socket: Socket, options: Record<string, string>) => unknown, extra?: Extra): Plugin;
  /** As Node's `net.createConnection`. */
  export function createConnection(port: number, host?: string, connected?: () => unknown): Socket;
  export class EventEmitter {
    on(name: string, action: (...values: any[]) => unknown): this;
    once(name: string, action: (...values: any[]) => unknown): this;
    off(name: string, action: (...values: any[]) => unknown): this;
    emit(name: string, ...values: unknown[]): Promise<unknown> | undefined;
    listenerCount(name: string): number;
  }
  /** Events: 'data', 'end', 'close', 'error', 'drain', 'timeout', 'connect'. */
  export class Socket extends EventEmitter {
    private constructor();
    readonly connection: Connection;
    /** False where much waits in the outbox: 'drain' tells when there is room. */
    write(data: Data): boolean;
    /** Sends what is given, then ends the connection. */
    end(data?: Data): this;
    destroy(): this;
    /** Has 'data' bring text. */
    setEncoding(encoding: 'utf8' | 'utf-8'): this;
    pause(): this;
    resume(): this;
    /** Closes after so long without a byte, with 'timeout'. */
    setTimeout(time: number, action?: () => unknown): this;
    setNoDelay(nodelay?: boolean): this;
    setKeepAlive(keep?: boolean, delay?: number): this;
    readonly remoteAddress: string | undefined;
    readonly remotePort: number | undefined;
    readonly localAddress: string | undefined;
    readonly localPort: number | undefined;
    readonly destroyed: boolean;
  }
}

// What is global. Lines of the console are lines of the host's log, by their levels.
declare var console: {
  log(...values: unknown[]): void;
  info(...values: unknown[]): void;
  debug(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
  trace(...values: unknown[]): void;
  dir(value: unknown): void;
  table(value: unknown): void;
  assert(holds: unknown, ...values: unknown[]): void;
  count(label?: string): void;
  time(label?: string): void;
  timeEnd(label?: string): void;
};
declare function setTimeout<A extends unknown[]>(action: (...values: A) => unknown, time?: number, ...values: A): import('sandloop').Timer;
declare function setInterval<A extends unknown[]>(action: (...values: A) => unknown, time: number, ...values: A): import('sandloop').Timer;
declare function clearTimeout(timer: import('sandloop').Timer | undefined): void;
declare function clearInterval(timer: import('sandloop').Timer | undefined): void;
declare function setImmediate<A extends unknown[]>(action: (...values: A) => unknown, ...values: A): void;
declare function queueMicrotask(action: () => void): void;
declare const performance: { now(): number };
declare const crypto: { getRandomValues<T extends ArrayBufferView>(array: T): T; randomUUID(): string };
declare class TextEncoder {
  readonly encoding: string;
  encode(text?: string): Uint8Array;
  encodeInto(text: string, target: Uint8Array): { read: number; written: number };
}
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  decode(bytes?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string;
}
declare function btoa(text: string): string;
declare function atob(text: string): string;
