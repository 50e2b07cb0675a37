import { plain } from "./answers";
import { Connection } from "./connection";
import { Headers, answer, at, isError, size, takeChain, takeString, utf8 } from "./memory";
import { ErrorCode } from "./types";

/** Who decides whether the peer's certificate is taken. */
export enum Verification {
  /** The host, by the profile's authorities or the system's. */
  Host,
  /** The host, and then the connection's `verifyPeer` as well. */
  HostAndPlugin,
  /** `verifyPeer` alone. The operator has to have allowed it. */
  Plugin,
}

/** Has the connection go on with TLS as a client: the server's certificate must be for `serverName`. A profile is the operator's name for authorities and an own certificate; "" is none. */
export function startTls(connection: Connection, serverName: string, profile: string = "", alpn: string[] = [], verification: Verification = Verification.Host): ErrorCode {
  const socket = connection.handle();
  if (socket == 0) return ErrorCode.Closed;
  const name = utf8(serverName);
  const own = utf8(profile);
  const protocols = new Headers(alpn);
  hostStartTls(socket, 0, at(name), size(name), profile == "" ? 0 : 1, at(own), size(own), at(protocols.list), alpn.length, verification, answer);
  return plain();
}

/** The same as the server: the profile is the operator's name for the certificates. */
export function startTlsServer(connection: Connection, profile: string, alpn: string[] = [], verification: Verification = Verification.Host): ErrorCode {
  const socket = connection.handle();
  if (socket == 0) return ErrorCode.Closed;
  const own = utf8(profile);
  const protocols = new Headers(alpn);
  hostStartTls(socket, 1, at(own), size(own), at(protocols.list), alpn.length, verification, 0, 0, 0, answer);
  return plain();
}

/** What two sides agreed on. */
export class TlsSession {
  constructor(
    /** "TLS 1.2" or "TLS 1.3". */
    public version: string,
    public cipher: string,
    public cipherBits: u32,
    /** The protocol that was chosen; null for none. */
    public alpn: string | null,
    /** What the client asked for. */
    public serverName: string | null,
    public isResumed: bool,
  ) {}
}

/** There once the handshake is complete, also in `unbind`. */
export function tlsSession(connection: Connection): TlsSession | null {
  const socket = connection.handle();
  if (socket == 0) return null;
  hostSession(socket, answer);
  if (!isError()) return null;
  const cipher = takeString(load<u32>(answer, 8), load<u32>(answer, 12));
  const alpn = load<u8>(answer, 20) != 0 ? takeString(load<u32>(answer, 24), load<u32>(answer, 28)) : null;
  const name = load<u8>(answer, 32) != 0 ? takeString(load<u32>(answer, 36), load<u32>(answer, 40)) : null;
  return new TlsSession(load<u8>(answer, 4) == 0 ? "TLS 1.2" : "TLS 1.3", cipher, load<u32>(answer, 16), alpn, name, load<u8>(answer, 44) != 0);
}

/** The peer's certificate, then those that lead to its authority, each as DER. */
export function peerCertificates(connection: Connection): Uint8Array[] {
  const socket = connection.handle();
  if (socket == 0) return [];
  hostCertificates(socket, answer);
  return takeChain(load<u32>(answer), load<u32>(answer, 4));
}

/** How the peer's stream has ended. */
export enum StreamEnd {
  /** Not yet, or there is no TLS. */
  None,
  /** The peer has said so; nothing is missing. */
  Said,
  /** It stopped without a word; something may be missing. */
  Cut,
}

/** How the peer's stream has ended, also in `unbind`. */
export function endOfStream(connection: Connection): StreamEnd {
  const socket = connection.handle();
  return socket == 0 ? StreamEnd.None : <StreamEnd>hostEndOfStream(socket);
}

const failures: string[] = ["unknown-authority", "expired", "wrong-name", "bad-certificate", "no-certificate", "not-taken", "refused",
  "nothing-in-common", "not-tls", "cut", "too-late", "other"];

/** Why a handshake failed: the contract's word, a colon, and words for a person. Null where it did not. */
export function tlsFailure(connection: Connection): string | null {
  const socket = connection.handle();
  if (socket == 0) return null;
  hostFailure(socket, answer);
  if (!isError()) return null;
  return failures[load<u8>(answer, 4)] + ": " + takeString(load<u32>(answer, 8), load<u32>(answer, 12));
}

@external("sandloop:plugin/tls@0.1.1", "start-tls")
declare function hostStartTls(socket: u32, role: u32, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize, g: usize, h: u32, to: usize): void;

@external("sandloop:plugin/tls@0.1.1", "session")
declare function hostSession(socket: u32, to: usize): void;

@external("sandloop:plugin/tls@0.1.1", "peer-certificates")
declare function hostCertificates(socket: u32, to: usize): void;

@external("sandloop:plugin/tls@0.1.1", "end-of-stream")
declare function hostEndOfStream(socket: u32): u32;

@external("sandloop:plugin/tls@0.1.1", "failure")
declare function hostFailure(socket: u32, to: usize): void;
