import { NumberAction } from "./actions";
import { plain, takeAddress } from "./answers";
import { Level, log } from "./log";
import { answer, at, isError, size, utf8 } from "./memory";
import { Address, CloseReason, ErrorCode } from "./types";

/** How a connection that is being drained comes to its end. */
export enum Drain {
  /** The host closes it once nothing of it is under way. */
  WhenIdle,
  /** It goes on until the plugin closes it. */
  UntilClosed,
}

/** How the system finds out that a silent peer has gone, in seconds; 0 leaves each as the system has it. */
export class Probes {
  constructor(public idle: u32, public interval: u32, public count: u32) {}
}

/**
 * One connection: a plugin's class extends it and writes the callbacks that it needs. The host owns the real socket; kept longer
 * than the connection it is harmless: what it is asked then does nothing, or answers `ErrorCode.Closed`.
 */
export class Connection {
  /** The host's handle; 0 is none. */
  socket: u32 = 0;
  isMade: bool = false;
  isUnbinding: bool = false;
  isAgain: bool = false;
  files: Map<u32, NumberAction> | null = null;
  /** The address of the listener that accepted the connection, as it is served; empty of an outgoing one. */
  listener: string = "";
  /** What the operator wrote under the options of the listener. */
  options: Map<string, string> | null = null;

  /** The connection exists. Called exactly once, first. */
  postInit(): void {}
  /** An outgoing connection is made. Never called for an accepted one. */
  connectionCompleted(): void {}
  /** Bytes from the peer, at least one, cut anywhere. They are the plugin's to keep. */
  receiveData(data: Uint8Array): void {}
  /** The outbox was above its high mark and has fallen below the low one: a good moment to send more. */
  drained(): void {}
  /** TLS is there, from `startTls` or a `tls://` listener. */
  tlsCompleted(): void {}
  /** Whether the peer is taken, by its certificate and those that lead to its authority, each as DER. The default is no. */
  verifyPeer(chain: Uint8Array[]): bool { return false; }
  /** The target that this connection was proxied to has ended. */
  proxyTargetUnbound(): void {}
  /** As many bytes as were to be proxied have gone over. */
  proxyCompleted(): void {}
  /** The connection is to come to its end within so many milliseconds, since the host stops or the plugin is replaced. */
  draining(milliseconds: u32): Drain { return Drain.WhenIdle; }
  /** The connection has ended, and why. Called exactly once, last. */
  unbind(reason: CloseReason): void {}

  /** The host's handle; a connection that the host has not made is a mistake. */
  handle(): u32 {
    if (!this.isMade) throw new Error("this connection has no socket yet: connections are made by the host, after plugin().handler or by connect, and are used from postInit on");
    return this.socket;
  }

  /**
   * Sends bytes, in order, never blocking. As in EventMachine it never fails: on a connection that has ended or is closing it does
   * nothing. Where the outbox is full the connection is closed and the log says so; `trySendData` answers instead.
   */
  sendData(data: Uint8Array): void { this.sends(data.dataStart, data.byteLength); }

  /** `sendData` of text. */
  sendText(text: string): void {
    const bytes = utf8(text);
    this.sends(at(bytes), size(bytes));
  }

  private sends(from: usize, length: usize): void {
    if (this.trySend(from, length) == ErrorCode.OutboxFull) {
      log(Level.Error, "connection " + this.id().toString() + ": its outbox has no room for " + length.toString() + " bytes; closing it");
      this.closeConnection();
    }
  }

  /** `sendData`, and answers `Closed`, `Closing` or `OutboxFull`, where nothing was taken, or `None`. */
  trySendData(data: Uint8Array): ErrorCode { return this.trySend(data.dataStart, data.byteLength); }

  private trySend(from: usize, length: usize): ErrorCode {
    const socket = this.handle();
    if (socket == 0) return ErrorCode.Closed;
    hostSendData(socket, from, length, answer);
    return plain();
  }

  /** Closes without waiting for the outbox. `unbind` follows after this callback has returned. */
  closeConnection(): void {
    const socket = this.handle();
    if (socket != 0) hostClose(socket);
  }

  /** Closes once what was sent has gone out. */
  closeConnectionAfterWriting(): void {
    const socket = this.handle();
    if (socket != 0) hostCloseAfterWriting(socket);
  }

  /** Ends the write side once the outbox is empty; reading goes on. */
  halfClose(): ErrorCode {
    const socket = this.handle();
    if (socket == 0) return ErrorCode.Closed;
    hostHalfClose(socket, answer);
    return plain();
  }

  /** With true, the connection stays open for writing when the peer ends its side, until the plugin closes it. */
  keepHalfOpen(keep: bool): void {
    const socket = this.handle();
    if (socket != 0) hostKeepHalfOpen(socket, keep ? 1 : 0);
  }

  /** The peer has ended its side. */
  peerFinished(): bool {
    const socket = this.handle();
    return socket != 0 && hostPeerFinished(socket) != 0;
  }

  /** Stops reading; the peer feels it. */
  pause(): void {
    const socket = this.handle();
    if (socket != 0) hostPause(socket);
  }

  /** Starts reading again. */
  resume(): void {
    const socket = this.handle();
    if (socket != 0) hostResume(socket);
  }

  /** Between `pause` and `resume`. */
  isPaused(): bool {
    const socket = this.handle();
    return socket != 0 && hostIsPaused(socket) != 0;
  }

  /** The other end; null when it is not connected (yet, or any more). */
  peerAddress(): Address | null {
    const socket = this.handle();
    if (socket == 0) return null;
    hostPeerAddress(socket, answer);
    return isError() ? takeAddress(answer + 4) : null;
  }

  /** This end; null when it is not connected (yet, or any more). */
  localAddress(): Address | null {
    const socket = this.handle();
    if (socket == 0) return null;
    hostLocalAddress(socket, answer);
    return isError() ? takeAddress(answer + 4) : null;
  }

  /** Closes the connection with `InactivityTimeout` after so many milliseconds without a byte. 0, the default, turns it off. */
  setCommInactivityTimeout(milliseconds: u32): void {
    const socket = this.handle();
    if (socket != 0) hostSetInactivity(socket, milliseconds);
  }

  /** What `setCommInactivityTimeout` was last given. */
  commInactivityTimeout(): u32 {
    const socket = this.handle();
    return socket == 0 ? 0 : hostInactivity(socket);
  }

  /** How many milliseconds all attempts to connect may take together, 20,000 at first. */
  setPendingConnectTimeout(milliseconds: u32): ErrorCode {
    const socket = this.handle();
    if (socket == 0) return ErrorCode.Closed;
    hostSetPending(socket, milliseconds, answer);
    return plain();
  }

  /** What `setPendingConnectTimeout` was last given. */
  pendingConnectTimeout(): u32 {
    const socket = this.handle();
    return socket == 0 ? 0 : hostPending(socket);
  }

  /** Bytes that wait in the outbox. */
  outboundDataSize(): u32 {
    const socket = this.handle();
    return socket == 0 ? 0 : hostOutbound(socket);
  }

  /** Milliseconds since something was last read or written. */
  idleTime(): u32 {
    const socket = this.handle();
    return socket == 0 ? 0 : hostIdleTime(socket);
  }

  /** The number that the host's log gives this connection. */
  id(): u32 {
    const socket = this.handle();
    return socket == 0 ? 0 : hostId(socket);
  }

  /** Has the system probe a peer that says nothing; with null no more. */
  setKeepalive(probes: Probes | null): ErrorCode {
    const socket = this.handle();
    if (socket == 0) return ErrorCode.Closed;
    if (probes) hostSetKeepalive(socket, 1, probes.idle, probes.interval, probes.count, answer);
    else hostSetKeepalive(socket, 0, 0, 0, 0, answer);
    return plain();
  }

  /** What the socket has of that now; null where it does not probe or is not connected. */
  keepalive(): Probes | null {
    const socket = this.handle();
    if (socket == 0) return null;
    hostKeepalive(socket, answer);
    return isError() ? new Probes(load<u32>(answer, 4), load<u32>(answer, 8), load<u32>(answer, 12)) : null;
  }

  /** Whether small pieces go out at once, as at first, or wait for the answer to what is on its way. */
  setNodelay(nodelay: bool): ErrorCode {
    const socket = this.handle();
    if (socket == 0) return ErrorCode.Closed;
    hostSetNodelay(socket, nodelay ? 1 : 0, answer);
    return plain();
  }

  /** What `setNodelay` was last given. */
  nodelay(): bool {
    const socket = this.handle();
    return socket != 0 && hostNodelay(socket) != 0;
  }

  /**
   * Connects again, to the same place or another, and goes on with the same object: for its `unbind`, and nowhere else. `postInit` is
   * not called again; `connectionCompleted` is, or `unbind`.
   */
  reconnect(host: string, port: u16): ErrorCode {
    if (!this.isUnbinding || this.isAgain) return ErrorCode.InvalidArgument;
    const code = connect(host, port, this);
    this.isAgain = code == ErrorCode.None;
    return code;
  }
}

/** The connections that were asked for and have not come. */
export const pending = new Map<u32, Connection>();
let lastToken: u32 = 0;

export function nextToken(): u32 { return ++lastToken; }

/**
 * Starts an outgoing connection to a name or IP address and a port, and returns at once. The connection's `postInit` is called after
 * this callback, then `connectionCompleted`, or `unbind` with why there is none.
 */
export function connect(host: string, port: u16, connection: Connection): ErrorCode {
  return connectTo(new Address(host, port), connection);
}

/** `connect`, to an address of either kind. */
export function connectTo(address: Address, connection: Connection): ErrorCode {
  const host = utf8(address.host);
  const token = nextToken();
  hostConnect(address.isUnix ? 1 : 0, at(host), size(host), address.port, token, answer);
  const code = plain();
  if (code == ErrorCode.None) pending.set(token, connection);
  return code;
}

/** `connect` from this address and port of the machine; port 0 is one of the system's choice. `allow.listen` lists what may be. */
export function bindConnect(bindHost: string, bindPort: u16, host: string, port: u16, connection: Connection): ErrorCode {
  const from = utf8(bindHost);
  const to = utf8(host);
  const token = nextToken();
  hostConnectFrom(at(from), size(from), bindPort, 0, at(to), size(to), port, token, answer);
  const code = plain();
  if (code == ErrorCode.None) pending.set(token, connection);
  return code;
}

/** How many connections this sandbox has, with its listeners and datagram sockets. */
export function connectionCount(): u32 { return hostConnectionCount(); }

export function dropSocket(connection: Connection): void {
  if (connection.socket != 0) hostDrop(connection.socket);
  connection.socket = 0;
}

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.send-data")
declare function hostSendData(socket: u32, data: usize, length: usize, to: usize): void;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.close-connection")
declare function hostClose(socket: u32): void;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.close-connection-after-writing")
declare function hostCloseAfterWriting(socket: u32): void;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.half-close")
declare function hostHalfClose(socket: u32, to: usize): void;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.keep-half-open")
declare function hostKeepHalfOpen(socket: u32, keep: u32): void;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.peer-finished")
declare function hostPeerFinished(socket: u32): u32;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.pause")
declare function hostPause(socket: u32): void;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.resume")
declare function hostResume(socket: u32): void;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.is-paused")
declare function hostIsPaused(socket: u32): u32;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.peer-address")
declare function hostPeerAddress(socket: u32, to: usize): void;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.local-address")
declare function hostLocalAddress(socket: u32, to: usize): void;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.set-comm-inactivity-timeout")
declare function hostSetInactivity(socket: u32, milliseconds: u32): void;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.comm-inactivity-timeout")
declare function hostInactivity(socket: u32): u32;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.set-pending-connect-timeout")
declare function hostSetPending(socket: u32, milliseconds: u32, to: usize): void;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.pending-connect-timeout")
declare function hostPending(socket: u32): u32;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.outbound-data-size")
declare function hostOutbound(socket: u32): u32;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.idle-time")
declare function hostIdleTime(socket: u32): u32;

@external("sandloop:plugin/sockets@0.1.1", "[method]socket.id")
declare function hostId(socket: u32): u32;

@external("sandloop:plugin/sockets@0.1.1", "[resource-drop]socket")
declare function hostDrop(socket: u32): void;

@external("sandloop:plugin/sockets@0.1.1", "connect")
declare function hostConnect(kind: u32, host: usize, length: usize, port: u32, token: u32, to: usize): void;

@external("sandloop:plugin/socket-options@0.1.1", "connect-from")
declare function hostConnectFrom(local: usize, localLength: usize, localPort: u32, kind: u32, host: usize, length: usize, port: u32, token: u32, to: usize): void;

@external("sandloop:plugin/socket-options@0.1.1", "connection-count")
declare function hostConnectionCount(): u32;

@external("sandloop:plugin/socket-options@0.1.1", "set-keepalive")
declare function hostSetKeepalive(socket: u32, some: u32, idle: u32, interval: u32, count: u32, to: usize): void;

@external("sandloop:plugin/socket-options@0.1.1", "keepalive")
declare function hostKeepalive(socket: u32, to: usize): void;

@external("sandloop:plugin/socket-options@0.1.1", "set-nodelay")
declare function hostSetNodelay(socket: u32, nodelay: u32, to: usize): void;

@external("sandloop:plugin/socket-options@0.1.1", "nodelay")
declare function hostNodelay(socket: u32): u32;
