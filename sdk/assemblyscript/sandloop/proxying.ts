import { Connection } from "./connection";
import { answer, isError } from "./memory";

/** Why nothing is proxied; `None` where it is. */
export enum ProxyError {
  None,
  SourceClosed,
  TargetClosed,
  /** Source and target are one connection. */
  Itself,
  /** `stopProxying` ends that. */
  AlreadyProxying,
  /** Another connection is proxied to it. */
  BusyTarget,
  Unsupported,
}

/**
 * Has what comes on `source` go to `target`, past the plugin. At most `buffer` bytes wait in the target's outbox, 0 is its high mark;
 * after so many bytes it stops with `proxyCompleted`, 0 is without end.
 */
export function proxyIncomingTo(source: Connection, target: Connection, buffer: u32 = 0, bytes: u64 = 0): ProxyError {
  const from = source.handle();
  const to = target.handle();
  if (from == 0) return ProxyError.SourceClosed;
  if (to == 0) return ProxyError.TargetClosed;
  hostProxy(from, to, buffer, <u32>(bytes >> 32), <u32>bytes, answer);
  return isError() ? <ProxyError>(load<u8>(answer, 1) + 1) : ProxyError.None;
}

/** Has what comes on `source` be told by `receiveData` again. */
export function stopProxying(source: Connection): void {
  const from = source.handle();
  if (from != 0) hostStop(from);
}

/** Bytes that have gone over since `proxyIncomingTo`, also in `unbind`. */
export function proxiedBytes(source: Connection): u64 {
  const from = source.handle();
  if (from == 0) return 0;
  hostBytes(from, answer);
  return (<u64>load<u32>(answer) << 32) | load<u32>(answer, 4);
}

@external("sandloop:plugin/proxying@0.1.1", "proxy-incoming-to")
declare function hostProxy(source: u32, target: u32, buffer: u32, high: u32, low: u32, to: usize): void;

@external("sandloop:plugin/proxying@0.1.1", "stop-proxying")
declare function hostStop(source: u32): void;

@external("sandloop:plugin/proxying@0.1.1", "get-proxied-bytes")
declare function hostBytes(source: u32, to: usize): void;
