import { plain, takeAddress } from "./answers";
import { Connection, nextToken, pending } from "./connection";
import { Level, log } from "./log";
import { Headers, answer, at, isError, size, takeString, utf8 } from "./memory";
import { Address, ErrorCode } from "./types";

/** An open listener. */
export class Listener {
  constructor(
    public id: u32,
    /** With the real port. */
    public address: Address,
  ) {}

  /** Closes it; accepted connections stay. */
  stop(): void { hostStop(this.id); }
}

const errors: string[] = ["denied: allow.listen in plugins.toml does not list it, and the log names the line that would; or the reactor does not run",
  "in-use: somebody else has the address", "invalid-address: it needs an IP address, not a name", "unavailable: the machine does not have the address",
  "forbidden: the system does not let the host have it", "limit: too many listeners or file descriptors",
  "too-large: the handler's name and the options are too long", "failed: the log has the system's words at the level debug"];

/** Listens, and has connections made by this handler with these options. Null, with a line in the log, where it cannot be. */
export function startServer(address: Address, handler: string = "", options: Map<string, string> | null = null): Listener | null {
  return start(address.isUnix ? 2 : 0, address, handler, options);
}

/** `startServer` over UDP: each peer is a connection. */
export function startUdpServer(address: Address, handler: string = "", options: Map<string, string> | null = null): Listener | null {
  return start(1, address, handler, options);
}

function start(kind: u32, address: Address, handler: string, options: Map<string, string> | null): Listener | null {
  const texts: string[] = [];
  if (options) {
    const keys = options.keys();
    for (let i = 0; i < keys.length; i++) texts.push(keys[i]), texts.push(options.get(keys[i]));
  }
  const pairs = new Headers(texts);
  const host = utf8(address.host);
  const name = utf8(handler);
  hostStart(kind, at(host), size(host), address.port, at(name), size(name), at(pairs.list), texts.length / 2, answer);
  if (isError()) {
    log(Level.Error, "startServer " + address.toString() + ": " + errors[load<u8>(answer, 4)]);
    return null;
  }
  return new Listener(load<u32>(answer, 4), takeAddress(answer + 8, 2));
}

/**
 * Opens a UDP socket of the connection's: `receiveData` is told one datagram each time, and `peerAddress` who sent it. The address that
 * it has is answered at once; null, with a line in the log, where it cannot be.
 */
export function openDatagramSocket(host: string, port: u16, connection: Connection): Address | null {
  const local = utf8(host);
  const token = nextToken();
  hostOpen(at(local), size(local), port, token, answer);
  if (isError()) {
    log(Level.Error, "openDatagramSocket " + host + ": " + errors[load<u8>(answer, 4)]);
    return null;
  }
  pending.set(token, connection);
  return new Address(takeString(load<u32>(answer, 4), load<u32>(answer, 8)), load<u16>(answer, 12));
}

/** Sends one datagram from a socket of `openDatagramSocket` to an IP address and a port. */
export function sendDatagram(on: Connection, data: Uint8Array, host: string, port: u16): ErrorCode {
  const socket = on.handle();
  if (socket == 0) return ErrorCode.Closed;
  const to = utf8(host);
  hostSend(socket, data.dataStart, data.byteLength, at(to), size(to), port, answer);
  return plain();
}

@external("sandloop:plugin/listeners@0.1.1", "start-server")
declare function hostStart(kind: u32, host: usize, length: usize, port: u32, handler: usize, handlerLength: usize, options: usize, count: usize, to: usize): void;

@external("sandloop:plugin/listeners@0.1.1", "stop-server")
declare function hostStop(id: u32): void;

@external("sandloop:plugin/datagrams@0.1.1", "open-datagram-socket")
declare function hostOpen(host: usize, length: usize, port: u32, token: u32, to: usize): void;

@external("sandloop:plugin/datagrams@0.1.1", "send-datagram")
declare function hostSend(socket: u32, data: usize, length: usize, host: usize, hostLength: usize, port: u32, to: usize): void;
