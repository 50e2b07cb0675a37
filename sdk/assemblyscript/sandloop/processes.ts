import { NumberAction, NumberActionOf } from "./actions";
import { id, numbered, plain } from "./answers";
import { Level, log } from "./log";
import { answer, at, size, utf8 } from "./memory";
import { ErrorCode, describe } from "./types";

/** Why a process has ended. */
export enum ExitReason {
  Finished,
  Killed,
  Trapped,
  Unavailable,
}

/** What a process does: a sandbox of the plugin's own making, with a mailbox. */
export class Process {
  /** A message, in the order in which they were put into the mailbox. */
  notified(message: Uint8Array): void {}
}

/** A process's number, which holds in the whole tenant; 0 is none. */
export class ProcessId {
  constructor(public number: u32) {}

  /** Puts a message into its mailbox. It never fails: to a process that has ended it goes nowhere, and one without room is lost and the log says so. */
  notify(message: Uint8Array): void {
    const code = this.tryNotify(message);
    if (code != ErrorCode.None && code != ErrorCode.Closed) {
      log(Level.Error, "process " + this.number.toString() + ": a message was lost: " + describe(code));
    }
  }

  /** `notify`, with its error. */
  tryNotify(message: Uint8Array): ErrorCode {
    hostNotify(this.number, message.dataStart, message.byteLength, answer);
    return plain();
  }

  /** Ends it, if this sandbox has spawned it. */
  kill(): void { hostKill(this.number); }
}

const exits = new Map<u32, NumberAction>();
let current: ProcessId | null = null;
let process: Process | null = null;

/**
 * Starts a process of this plugin, of a kind that `plugin().process` has named; null, with a line in the log, where it cannot be.
 * `exited` is called with `context` and why it ended, an `ExitReason`.
 */
export function spawn<T>(name: string, argument: Uint8Array, context: T, exited: (context: T, reason: i64) => void): ProcessId | null {
  return start("", false, name, argument, new NumberActionOf<T>(context, exited));
}

/** `spawn` of another plugin, which `allow.spawn` lists. */
export function spawnOf<T>(plugin: string, name: string, argument: Uint8Array, context: T, exited: (context: T, reason: i64) => void): ProcessId | null {
  return start(plugin, true, name, argument, new NumberActionOf<T>(context, exited));
}

function start(plugin: string, isOther: bool, name: string, argument: Uint8Array, exited: NumberAction): ProcessId | null {
  const other = utf8(plugin);
  const kind = utf8(name);
  hostSpawn(isOther ? 1 : 0, at(other), size(other), at(kind), size(kind), argument.dataStart, argument.byteLength, answer);
  const code = numbered();
  if (code != ErrorCode.None) {
    log(Level.Error, "spawn " + name + ": " + describe(code));
    return null;
  }
  exits.set(id(), exited);
  return new ProcessId(id());
}

/** Ends the process that this sandbox is. */
export function exit(): void { hostExit(); }

/** The process that this sandbox is, if it is one. */
export function currentProcess(): ProcessId | null { return current; }

export function becomes(id: u32): void { current = new ProcessId(id); }

export function became(made: Process): void { process = made; }

export function notified(message: Uint8Array): void {
  if (process) process!.notified(message);
}

export function ended(id: u32, reason: u32): void {
  if (!exits.has(id)) return;
  const exited = exits.get(id);
  exits.delete(id);
  exited.run(reason);
}

@external("sandloop:plugin/processes@0.1.1", "spawn")
declare function hostSpawn(some: u32, plugin: usize, pluginLength: usize, name: usize, nameLength: usize, argument: usize, length: usize, to: usize): void;

@external("sandloop:plugin/processes@0.1.1", "notify")
declare function hostNotify(id: u32, message: usize, length: usize, to: usize): void;

@external("sandloop:plugin/processes@0.1.1", "kill")
declare function hostKill(id: u32): void;

@external("sandloop:plugin/processes@0.1.1", "exit")
declare function hostExit(): void;
