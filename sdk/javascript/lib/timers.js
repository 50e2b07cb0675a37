// Timers and ticks.
import * as host from './host.js';
import { enter, milliseconds, needFunction, needHost, u32 } from './calls.js';
import { ask } from './errors.js';
import { Promise, enqueue } from './promise.js';

/** By the host's ids, which it gives again. */
const timers = new Map();
const ticks = new Map();

/** A timer that has been set. */
export class Timer {
  #id;
  #action;
  #time;
  #again;

  constructor(action, time, again) {
    this.#action = action;
    this.#time = time;
    this.#again = again;
    this.#arm();
  }

  #arm() {
    const call = this.#again ? 'setInterval' : 'setTimeout';
    needHost(call);
    this.#id = ask(call, () => (this.#again ? host.timers.addPeriodicTimer(this.#time) : host.timers.addTimer(this.#time)));
    timers.set(this.#id, this);
  }

  /** Ends it; it does nothing where it has fired or has been ended. */
  cancel() {
    if (timers.get(this.#id) !== this) return;
    timers.delete(this.#id);
    host.timers.cancelTimer(u32(this.#id));
  }

  /** Begins its time anew, also after it has fired. */
  restart() {
    this.cancel();
    this.#arm();
    return this;
  }

  /** Whether it will fire. */
  get active() {
    return timers.get(this.#id) === this;
  }

  /** For the host: it is due. */
  fire() {
    if (!this.#again) timers.delete(this.#id);
    return this.#action();
  }
}

export function setTimeout(action, time = 0, ...values) {
  needFunction(action, 'setTimeout');
  return new Timer(() => action(...values), milliseconds(time), false);
}

export function setInterval(action, time, ...values) {
  needFunction(action, 'setInterval');
  return new Timer(() => action(...values), milliseconds(time, 1), true);
}

export const clearTimeout = (timer) => timer?.cancel?.();
export const clearInterval = clearTimeout;

/** Calls `action` when this turn's events are done; asked for in a tick, in the next turn. */
export function nextTick(action, ...values) {
  needFunction(action, 'nextTick');
  needHost('nextTick');
  ticks.set(
    ask('nextTick', () => host.reactor.nextTick()),
    () => action(...values),
  );
}

/** Calls `action` as soon as the callback that is running has returned, before the host does anything else. */
export function queueMicrotask(action) {
  needFunction(action, 'queueMicrotask');
  enqueue(action);
}

/** A promise that is fulfilled with `value` after so many milliseconds. */
export const sleep = (time, value) => new Promise((resolve) => setTimeout(resolve, time, value));

export const timersHandler = {
  timerFired(id) {
    const timer = timers.get(id);
    if (timer) enter('the callback of a timer', () => timer.fire());
  },
};

export const ticksHandler = {
  tick(id) {
    const action = ticks.get(id);
    ticks.delete(id);
    if (action) enter('the callback of a tick', action);
  },
};
