import { NumberAction, NumberActionOf } from "./actions";
import { Connection } from "./connection";
import { answer, at, isError, size, utf8 } from "./memory";

/** Why a file was not sent, or not all of it; `None` where it was. */
export enum FileError {
  None,
  Closed,
  Closing,
  /** It is not below a folder of `allow.read`. */
  Denied,
  NotFound,
  NotAFile,
  Limit,
  Changed,
  Failed,
  Unsupported,
}

/**
 * Sends a file below a folder of `allow.read`, or a part of it (`length` 0 is all that there is), behind what was sent before. `sent` is
 * called with `context` and how many bytes have gone, or a negative `FileError`.
 */
export function sendFile<T>(to: Connection, path: string, context: T, sent: (context: T, bytes: i64) => void, offset: u64 = 0, length: u64 = 0): FileError {
  const socket = to.handle();
  if (socket == 0) return FileError.Closed;
  const name = utf8(path);
  hostSend(socket, at(name), size(name), <u32>(offset >> 32), <u32>offset, length == 0 ? 0 : 1, <u32>(length >> 32), <u32>length, answer);
  return begun(to, new NumberActionOf<T>(context, sent));
}

/** `sendFile` where the file still has this size and this time of its last change: otherwise nothing of it is sent. */
export function sendVersion<T>(to: Connection, path: string, fileSize: u64, seconds: u32, nanoseconds: u32, context: T, sent: (context: T, bytes: i64) => void, offset: u64 = 0, length: u64 = 0): FileError {
  const socket = to.handle();
  if (socket == 0) return FileError.Closed;
  const name = utf8(path);
  hostSendVersion(socket, at(name), size(name), <u32>(offset >> 32), <u32>offset, length == 0 ? 0 : 1, <u32>(length >> 32), <u32>length,
    <u32>(fileSize >> 32), <u32>fileSize, seconds, nanoseconds, answer);
  return begun(to, new NumberActionOf<T>(context, sent));
}

function begun(to: Connection, sent: NumberAction): FileError {
  if (isError()) return <FileError>(load<u8>(answer, 4) + 1);
  let files = to.files;
  if (!files) to.files = files = new Map<u32, NumberAction>();
  files.set(load<u32>(answer, 4), sent);
  return FileError.None;
}

export function fileSent(on: Connection, file: u32, bytes: i64): void {
  const files = on.files;
  if (!files || !files.has(file)) return;
  const sent = files.get(file);
  files.delete(file);
  sent.run(bytes);
}

@external("sandloop:plugin/files@0.1.1", "send-file")
declare function hostSend(socket: u32, path: usize, length: usize, offsetHigh: u32, offsetLow: u32, some: u32, lengthHigh: u32, lengthLow: u32, to: usize): void;

@external("sandloop:plugin/file-versions@0.1.1", "send-version")
declare function hostSendVersion(socket: u32, path: usize, length: usize, offsetHigh: u32, offsetLow: u32, some: u32, lengthHigh: u32, lengthLow: u32, sizeHigh: u32, sizeLow: u32, seconds: u32, nanoseconds: u32, to: usize): void;
