// What a program of JavaScript takes for granted and QuickJS, in a component, does not have. Imported first.
import { console } from './console.js';
import { NativePromise, Promise, fromAsync } from './promise.js';
import { crypto, random } from './random.js';
import { TextDecoder, TextEncoder } from './text.js';
import { clearInterval, clearTimeout, nextTick, queueMicrotask, setInterval, setTimeout } from './timers.js';

// Under Node.js, which tries a plugin while it is built, its own ones stay for Node.js.
if (!globalThis.process?.versions?.node) {
  const set = (name, value) => Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  set('Promise', Promise);
  set('console', console);
  set('crypto', crypto);
  set('TextDecoder', TextDecoder);
  set('TextEncoder', TextEncoder);
  set('setTimeout', setTimeout);
  set('setInterval', setInterval);
  set('clearTimeout', clearTimeout);
  set('clearInterval', clearInterval);
  set('setImmediate', nextTick);
  set('queueMicrotask', queueMicrotask);
  Array.fromAsync = fromAsync;
  Math.random = random;
  // `await using` and the like hand out promises of the engine; what they have in common leads to the one that works.
  NativePromise.prototype.then = function refuse() {
    return Promise.resolve(this).then();
  };
}
