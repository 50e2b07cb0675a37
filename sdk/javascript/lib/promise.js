// Promises that work: the engine's own are settled by a queue of jobs that componentize-qjs never runs in a component for a host
// without asynchronous components. These have a queue of the SDK's, which it empties after each callback of the host. The build
// turns `async` and `await` into functions of `Promise`, so that they use these.

/** The engine's own, to know one when it comes. */
export const NativePromise = globalThis.Promise;

const jobs = [];
const broken = new Set();
let wake;

/** Has `job` run once the callback that is running has returned. */
export function enqueue(job) {
  jobs.push(job);
  wake?.();
}

/** For a test: calls `action` whenever there is a job. */
export function onJob(action) {
  wake = action;
}

/**
 * Runs every job, and those that they bring; the host's limit of CPU time ends what never ends. A rejection that nobody waits for
 * is an error, as in Node.
 */
export function drain() {
  for (let at = 0; at < jobs.length; at += 1) {
    const job = jobs[at];
    jobs[at] = undefined;
    job();
  }
  jobs.length = 0;
  for (const promise of broken) {
    broken.delete(promise);
    throw Promise.stateOf(promise).value;
  }
}

/** Whether `drain` has anything to do. */
export const pending = () => jobs.length !== 0 || broken.size !== 0;

/** The engine's own promises never settle in a component; a value that is one is told at once. Under Node.js they do. */
function refuseNative(value) {
  if (value instanceof NativePromise && globalThis.Promise !== NativePromise) {
    throw new TypeError(
      "this is a promise of the engine itself, and nothing here settles it: build with sandloop-build, which turns async functions into ones that work; code that is made at run time (eval, new Function) must not be async",
    );
  }
}

export class Promise {
  #state = 'pending';
  #value = undefined;
  #waiting = [];
  #handled = false;

  constructor(executor) {
    if (typeof executor !== 'function') throw new TypeError('new Promise takes a function of resolve and reject');
    const { resolve, reject } = this.#settlers();
    try {
      executor(resolve, reject);
    } catch (error) {
      reject(error);
    }
  }

  #settlers() {
    let done = false;
    const once = (action) => (value) => {
      if (done) return;
      done = true;
      action(value);
    };
    return { resolve: once((value) => this.#resolve(value)), reject: once((reason) => this.#settle('rejected', reason)) };
  }

  #resolve(value) {
    if (value === this) return this.#settle('rejected', new TypeError('a promise cannot wait for itself'));
    if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return this.#settle('fulfilled', value);
    let then;
    try {
      refuseNative(value);
      then = value.then;
    } catch (error) {
      return this.#settle('rejected', error);
    }
    if (typeof then !== 'function') return this.#settle('fulfilled', value);
    enqueue(() => {
      const { resolve, reject } = this.#settlers();
      try {
        then.call(value, resolve, reject);
      } catch (error) {
        reject(error);
      }
    });
  }

  #settle(state, value) {
    this.#state = state;
    this.#value = value;
    if (state === 'rejected' && !this.#handled) broken.add(this);
    for (const reaction of this.#waiting) enqueue(reaction);
    this.#waiting = undefined;
  }

  /** What has become of it, for code that cannot wait. */
  static stateOf(promise) {
    return { state: promise.#state, value: promise.#value };
  }

  then(onFulfilled, onRejected) {
    this.#handled = true;
    broken.delete(this);
    const Species = this.constructor?.[Symbol.species] ?? Promise;
    let resolve;
    let reject;
    const next = new Species((yes, no) => ((resolve = yes), (reject = no)));
    const reaction = () => {
      const action = this.#state === 'fulfilled' ? onFulfilled : onRejected;
      if (typeof action !== 'function') return this.#state === 'fulfilled' ? resolve(this.#value) : reject(this.#value);
      try {
        resolve(action(this.#value));
      } catch (error) {
        reject(error);
      }
    };
    if (this.#waiting) this.#waiting.push(reaction);
    else enqueue(reaction);
    return next;
  }

  catch(onRejected) {
    return this.then(undefined, onRejected);
  }

  finally(action) {
    if (typeof action !== 'function') return this.then(action, action);
    return this.then(
      (value) => Promise.resolve(action()).then(() => value),
      (reason) =>
        Promise.resolve(action()).then(() => {
          throw reason;
        }),
    );
  }

  get [Symbol.toStringTag]() {
    return 'Promise';
  }

  static get [Symbol.species]() {
    return this;
  }

  static resolve(value) {
    if (value instanceof Promise && value.constructor === this) return value;
    return new this((resolve) => resolve(value));
  }

  static reject(reason) {
    return new this((_, reject) => reject(reason));
  }

  static withResolvers() {
    const answer = {};
    answer.promise = new this((resolve, reject) => Object.assign(answer, { resolve, reject }));
    return answer;
  }

  static try(action, ...values) {
    return new this((resolve) => resolve(action(...values)));
  }

  static all(values) {
    return gather(this, values, (all, at, { resolve, reject, done }) => [(value) => done((all[at] = value)), reject]);
  }

  static allSettled(values) {
    return gather(this, values, (all, at, { done }) => [
      (value) => done((all[at] = { status: 'fulfilled', value })),
      (reason) => done((all[at] = { status: 'rejected', reason })),
    ]);
  }

  static any(values) {
    const finish = (all, resolve, reject) => reject(new AggregateError(all, 'all promises were rejected'));
    return gather(this, values, (all, at, { resolve, done }) => [resolve, (reason) => done((all[at] = reason))], finish);
  }

  static race(values) {
    return new this((resolve, reject) => {
      for (const value of values) this.resolve(value).then(resolve, reject);
    });
  }
}

/** Waits for all of several: `react` says what each does, `finish` what comes when none is left. */
function gather(Kind, values, react, finish = (all, resolve) => resolve(all)) {
  return new Kind((resolve, reject) => {
    const all = [];
    let left = 1;
    const done = () => {
      left -= 1;
      if (left === 0) finish(all, resolve, reject);
    };
    let at = 0;
    for (const value of values) {
      left += 1;
      all.push(undefined);
      let called = false;
      const [yes, no] = react(all, at, {
        resolve,
        reject,
        done: () => {
          if (!called) done();
          called = true;
        },
      });
      Kind.resolve(value).then(yes, no);
      at += 1;
    }
    done();
  });
}

/** As the engine's, with promises that work. */
export async function fromAsync(items, map = (value) => value, self) {
  const all = [];
  const source = items[Symbol.asyncIterator] || items[Symbol.iterator] ? items : Array.from(items);
  for await (const value of source) all.push(await map.call(self, value, all.length));
  return all;
}
