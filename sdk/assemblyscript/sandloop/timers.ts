import { Action, ActionOf } from "./actions";
import { id, numbered } from "./answers";
import { answer } from "./memory";
import { ErrorCode, must } from "./types";

/** Something that happens later, once or often. */
export class Timer {
  id: u32 = 0;
  isLive: bool = false;

  constructor(public action: Action, public isPeriodic: bool) {}

  start(milliseconds: u32): ErrorCode {
    if (this.isPeriodic) addPeriodic(milliseconds, answer);
    else add(milliseconds, answer);
    const code = numbered();
    if (code == ErrorCode.None) {
      this.id = id();
      this.isLive = true;
      timers.set(this.id, this);
    }
    return code;
  }

  /** Forgets the timer, also from its own callback. Does nothing to one that has fired. */
  cancel(): void {
    if (!this.isLive) return;
    this.isLive = false;
    timers.delete(this.id);
    cancel(this.id);
  }

  /** Begins it anew, whether or not it has fired. */
  restart(milliseconds: u32): void {
    this.cancel();
    must("restart", this.start(milliseconds));
  }
}

const timers = new Map<u32, Timer>();

/** Calls `action` with `context` once after so many milliseconds; 0 is the host's next turn. */
export function addTimer<T>(milliseconds: u32, context: T, action: (context: T) => void): Timer {
  const timer = new Timer(new ActionOf<T>(context, action), false);
  must("addTimer", timer.start(milliseconds));
  return timer;
}

/** Calls `action` with `context` again and again, so many milliseconds after the end of the call before. */
export function addPeriodicTimer<T>(milliseconds: u32, context: T, action: (context: T) => void): Timer {
  const timer = new Timer(new ActionOf<T>(context, action), true);
  must("addPeriodicTimer", timer.start(milliseconds));
  return timer;
}

/** `addTimer`, and null at the limit of timers or while the reactor does not run. */
export function tryAddTimer<T>(milliseconds: u32, context: T, action: (context: T) => void): Timer | null {
  const timer = new Timer(new ActionOf<T>(context, action), false);
  return timer.start(milliseconds) == ErrorCode.None ? timer : null;
}

/** `addPeriodicTimer`, and null at the limit of timers, while the reactor does not run, and for 0. */
export function tryAddPeriodicTimer<T>(milliseconds: u32, context: T, action: (context: T) => void): Timer | null {
  const timer = new Timer(new ActionOf<T>(context, action), true);
  return timer.start(milliseconds) == ErrorCode.None ? timer : null;
}

/** `timer.cancel()`, by EventMachine's name. */
export function cancelTimer(timer: Timer): void { timer.cancel(); }

export function fire(id: u32): void {
  if (!timers.has(id)) return;
  const timer = timers.get(id);
  if (!timer.isPeriodic) {
    timer.isLive = false;
    timers.delete(id);
  }
  timer.action.run();
}

@external("sandloop:plugin/timers@0.1.1", "add-timer")
declare function add(milliseconds: u32, to: usize): void;

@external("sandloop:plugin/timers@0.1.1", "add-periodic-timer")
declare function addPeriodic(milliseconds: u32, to: usize): void;

@external("sandloop:plugin/timers@0.1.1", "cancel-timer")
declare function cancel(id: u32): void;
