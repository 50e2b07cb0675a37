// One interface of the host, as a test wants it: `fakes.timers.addTimer = …`.
import { fakes } from './fakes.mjs';

const name = new URL(import.meta.url).search.slice(1);
const call =
  (which) =>
  (...values) => {
    const fake = fakes[name]?.[which];
    if (!fake) throw new Error(`the test has no ${name}.${which}`);
    return fake(...values);
  };

export const addTimer = call('addTimer');
export const addPeriodicTimer = call('addPeriodicTimer');
export const cancelTimer = call('cancelTimer');
export const nextTick = call('nextTick');
export const connect = call('connect');
export const log = call('log');
export const subscribe = call('subscribe');
export const unsubscribe = call('unsubscribe');
export const push = call('push');
export const defer = call('defer');
export const get = call('get');
export const getRandomBytes = call('getRandomBytes');
