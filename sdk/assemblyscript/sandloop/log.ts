import { at, size, utf8 } from "./memory";

/** How much a line of the log matters. */
export enum Level {
  Trace,
  Debug,
  Info,
  Warn,
  Error,
}

/** Writes one line to the operator's log. */
export function log(level: Level, message: string): void {
  const text = utf8(message);
  hostLog(level, at(text), size(text));
}

/** A line at the level info. */
export function info(message: string): void { log(Level.Info, message); }

/** A line at the level warn. */
export function warn(message: string): void { log(Level.Warn, message); }

/** A line at the level error. */
export function error(message: string): void { log(Level.Error, message); }

/** A line at the level debug. */
export function debug(message: string): void { log(Level.Debug, message); }

/** What the plugin's `console` is. */
export namespace console {
  export function log(message: string = ""): void { info(message); }
  export function info(message: string = ""): void { hostLine(Level.Info, message); }
  export function debug(message: string = ""): void { hostLine(Level.Debug, message); }
  export function warn(message: string = ""): void { hostLine(Level.Warn, message); }
  export function error(message: string = ""): void { hostLine(Level.Error, message); }
  export function assert<T>(condition: T, message: string = ""): void {
    if (!condition) hostLine(Level.Error, "assertion failed: " + message);
  }
}

function hostLine(level: Level, message: string): void {
  const text = utf8(message);
  hostLog(level, at(text), size(text));
}

/** What ends the plugin at a mistake: one line that says what and where, and a trap. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const what = message ? message : "an assertion failed";
  const where = file ? ", at " + file + ":" + line.toString() + ":" + column.toString() : "";
  log(Level.Error, "abort: " + what + where);
  unreachable();
}

/** What Math.random begins with. */
export function seed(): f64 {
  randomGet(seedBytes, 8);
  return reinterpret<f64>(load<u64>(seedBytes) >> 12 | 0x3ff0000000000000);
}

/** Milliseconds since 1970. */
export function now(): i64 {
  clockTimeGet(0, 1000000, seedBytes);
  return <i64>(load<u64>(seedBytes) / 1000000);
}

const seedBytes: usize = memory.data(8, 8);

@external("sandloop:plugin/log@0.1.1", "log")
declare function hostLog(level: u32, message: usize, length: usize): void;

@external("wasi_snapshot_preview1", "random_get")
declare function randomGet(to: usize, length: usize): u32;

@external("wasi_snapshot_preview1", "clock_time_get")
declare function clockTimeGet(clock: u32, precision: u64, to: usize): u32;
