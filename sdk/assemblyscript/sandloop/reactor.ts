import { Action, ActionOf } from "./actions";
import { id, numbered, plain } from "./answers";
import { answer } from "./memory";
import { ErrorCode, must } from "./types";

const ticks = new Map<u32, Action>();

/** Calls `action` with `context` in this turn, after the callback, or in the next one. */
export function nextTick<T>(context: T, action: (context: T) => void): void {
  hostNextTick(answer);
  must("nextTick", numbered());
  ticks.set(id(), new ActionOf<T>(context, action));
}

/** Ends the host's loops. Needs `allow.stop`. */
export function stop(): ErrorCode {
  hostStop(answer);
  return plain();
}

/** False before the program's start and in its end. */
export function isRunning(): bool { return hostIsRunning() != 0; }

export function tick(id: u32): void {
  if (!ticks.has(id)) return;
  const action = ticks.get(id);
  ticks.delete(id);
  action.run();
}

@external("sandloop:plugin/reactor@0.1.1", "next-tick")
declare function hostNextTick(to: usize): void;

@external("sandloop:plugin/reactor@0.1.1", "stop")
declare function hostStop(to: usize): void;

@external("sandloop:plugin/reactor@0.1.1", "is-running")
declare function hostIsRunning(): u32;
