/** Why the host refused what was asked for; `None` where it did not. */
export enum ErrorCode {
  None,
  /** The connection has ended: `unbind` was its last callback. */
  Closed,
  /** A close was asked for earlier; nothing more can be sent. */
  Closing,
  /** There is no room for these bytes, and none of them was taken: wait for `drained`. */
  OutboxFull,
  /** plugins.toml does not allow it, and the log names the line that would; or the reactor does not run. */
  Denied,
  /** A count or a size is at its limit. */
  Limit,
  /** An argument makes no sense. */
  InvalidArgument,
  /** This kind of connection, or the plugin that was named, cannot do it. */
  Unsupported,
}

/** An error code in words, with the remedy. */
export function describe(code: ErrorCode): string {
  switch (code) {
    case ErrorCode.None: return "no error";
    case ErrorCode.Closed: return "closed: the connection or process has ended; unbind was its last callback";
    case ErrorCode.Closing: return "closing: nothing can be sent after closeConnectionAfterWriting or halfClose";
    case ErrorCode.OutboxFull: return "outbox-full: the peer reads too slowly; wait for drained before sending more";
    case ErrorCode.Denied: return "denied: plugins.toml does not allow it, and the log names the line that would; or the reactor does not run";
    case ErrorCode.Limit: return "limit: too many of these, or too large; try again later, or raise the limit in plugins.toml";
    case ErrorCode.InvalidArgument: return "invalid-argument: an empty name, port 0 or a time of 0";
    default: return "unsupported: this kind of connection or plugin cannot do it";
  }
}

/** For what fails only at a limit, or where the operator has not allowed it. */
export function must(what: string, code: ErrorCode): void {
  if (code != ErrorCode.None) throw new Error(what + ": " + describe(code));
}

/** Why a connection ended. */
export enum CloseReason {
  PeerClosed,
  Closed,
  Stopped,
  Refused,
  ConnectTimeout,
  NameNotFound,
  Unreachable,
  InactivityTimeout,
  Reset,
  Limit,
  Failed,
}

const reasons: string[] = ["peer-closed", "closed", "stopped", "refused", "connect-timeout", "name-not-found", "unreachable",
  "inactivity-timeout", "reset", "limit", "failed"];

/** A close reason in the contract's word. */
export function reasonName(reason: CloseReason): string {
  return reason < reasons.length ? reasons[reason] : reason.toString();
}

/** One end of a connection: a host and a port, or the path of a Unix socket. */
export class Address {
  constructor(
    /** A name or an IP address; the path, of a Unix socket. */
    public host: string,
    public port: u16 = 0,
    public isUnix: bool = false,
  ) {}

  /** Reads `host:port` or `unix:/path`; null where it is neither. */
  static parse(text: string): Address | null {
    if (text.startsWith("unix:")) return new Address(text.substring(5), 0, true);
    const colon = text.lastIndexOf(":");
    if (colon <= 0) return null;
    const port = I32.parseInt(text.substring(colon + 1));
    if (port < 1 || port > 65535) return null;
    return new Address(text.substring(0, colon).replace("[", "").replace("]", ""), <u16>port);
  }

  toString(): string {
    if (this.isUnix) return "unix:" + this.host;
    const host = this.host.includes(":") ? "[" + this.host + "]" : this.host;
    return host + ":" + this.port.toString();
  }
}
