// The way in: every call of the host into the plugin goes through `enter`, which tells errors and empties the queue of jobs.
import * as host from './host.js';
import { describe, kindOf } from './errors.js';
import { NativePromise, Promise, drain, pending } from './promise.js';

let live = false;

/** Whether the host is there: not while the plugin is built, when the top level of its modules runs. */
export const isLive = () => live;

/** Says, where the host is called too early, what to do. */
export function needHost(call) {
  if (!live) {
    throw new Error(`${call}: the top level of a module runs once, when the plugin is built, and there is no host then: move this into start(), postInit() or another callback`);
  }
}

/** Ends the instance: one line that says what, where and why, then the trap. */
export function fail(what, error) {
  if (error instanceof Told) throw error;
  host.log.log('error', `${what} threw ${describe(error)}; the instance ends here: an error that a callback does not catch is a trap`);
  throw new Told();
}

/** What the engine reports after an error that has been told. */
class Told extends Error {
  constructor() {
    super('see the line before: an error in a callback');
    this.stack = '';
  }
}

/** Calls the author's code; `what` names it in messages. Its promise, if it gives one, is waited for: what rejects it is an error too. */
export function enter(what, action) {
  live = true;
  try {
    const answer = action();
    if (answer !== undefined && isThenable(answer)) follow(what, answer);
    if (pending()) drain();
    return answer;
  } catch (error) {
    return fail(what, error);
  }
}

const isThenable = (answer) => answer !== undefined && answer !== null && typeof answer.then === 'function';

function follow(what, promise) {
  Promise.resolve(promise).then(undefined, (error) => fail(what, error));
}

/** As `enter`, for a callback whose answer the host waits for: a promise is no answer. */
export function enterForAnswer(what, action) {
  return enter(what, () => {
    const answer = action();
    if (answer instanceof Promise || answer instanceof NativePromise) {
      const settled = answer instanceof Promise ? settledNow(answer) : undefined;
      if (settled) return settled.value;
      throw new TypeError(`it returned a promise, but the host waits for its answer: it must not be async. Answer at once, and do what takes time in a callback that has no answer`);
    }
    return answer;
  });
}

/** The value of a promise that needs no more than the jobs that are there. */
function settledNow(promise) {
  let settled;
  promise.then(
    (value) => (settled = { value }),
    (error) => (settled = { error }),
  );
  drain();
  if (settled && 'error' in settled) throw settled.error;
  return settled;
}

/** As `enter`, for a call whose error has an answer of its own, a text. */
export function enterForResult(what, action) {
  live = true;
  try {
    const answer = action();
    if (isThenable(answer)) follow(what, answer);
    if (pending()) drain();
  } catch (error) {
    if (error instanceof Told) throw error;
    throw new Error(describe(error));
  }
}

/** A function of the author's, or the error that says where it is missing. */
export function needFunction(value, call) {
  if (typeof value !== 'function') throw new TypeError(`${call} takes a function, not ${kindOf(value)}`);
  return value;
}

/** What has been called: its promise, if it gave one, is waited for, and the queue of jobs is emptied. For the calls that come most often. */
export function leave(what, answer) {
  if (isThenable(answer)) follow(what(), answer);
  if (pending()) drain();
}

/** A number as the contract takes it. QuickJS hands numbers above 2^31 over as a negative one of the same bits. */
export const u32 = (number) => number | 0;

/** Milliseconds as the contract takes them; what is no number is 0, as in a browser. */
export function milliseconds(time, least = 0) {
  const number = Math.ceil(Number(time));
  return Number.isNaN(number) ? least : Math.min(Math.max(number, least), 0x7fffffff);
}
