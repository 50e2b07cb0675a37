import { answer, at, isError, size, utf8 } from "./memory";

/** Why nothing is watched; `None` where it is. */
export enum WatchError {
  None,
  /** It is not below a folder of `allow.read` or `allow.write`. */
  Denied,
  NotFound,
  Unsupported,
  Limit,
  Failed,
}

/** A file or folder that is watched: a plugin's class extends it. */
export class FileWatch {
  number: u32 = 0;

  /** It was written to; or something in a folder was made, removed or renamed. */
  modified(): void {}
  /** It has another name or place. */
  moved(): void {}
  /** It is gone, and the watch has ended. */
  deleted(): void {}
  /** There was nothing to watch. */
  ended(error: WatchError): void {}

  /** Ends the watch. */
  unwatch(): void {
    watches.delete(this.number);
    hostUnwatch(this.number);
  }
}

const watches = new Map<u32, FileWatch>();

/** Watches the file or folder that is there now, whatever it is called later. */
export function watchFile(path: string, watch: FileWatch): WatchError {
  const name = utf8(path);
  hostWatch(at(name), size(name), answer);
  if (isError()) return <WatchError>(load<u8>(answer, 4) + 1);
  watch.number = load<u32>(answer, 4);
  watches.set(watch.number, watch);
  return WatchError.None;
}

export function watched(id: u32): FileWatch | null { return watches.has(id) ? watches.get(id) : null; }

export function forget(id: u32): void { watches.delete(id); }

@external("sandloop:plugin/watching@0.1.1", "watch-file")
declare function hostWatch(path: usize, length: usize, to: usize): void;

@external("sandloop:plugin/watching@0.1.1", "unwatch")
declare function hostUnwatch(id: u32): void;
