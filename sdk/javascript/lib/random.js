// Random numbers. Those of the engine are drawn from a state that is fixed when the plugin is built, so every sandbox would have
// the same ones: these come from the host.
import * as host from './host.js';
import { needHost } from './calls.js';

const POOL = 512;
let pool = new Uint32Array(0);
let at = 0;

function word() {
  if (at === pool.length) {
    needHost('Math.random');
    pool = new Uint32Array(host.random.getRandomBytes(POOL * 4).slice().buffer);
    at = 0;
  }
  return pool[at++];
}

/** As `Math.random`. */
export const random = () => ((word() >>> 5) * 67108864 + (word() >>> 6)) / 9007199254740992;

export const crypto = {
  getRandomValues(array) {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    if (bytes.length > 65536) throw new RangeError('crypto.getRandomValues: at most 65,536 bytes at a time');
    needHost('crypto.getRandomValues');
    bytes.set(host.random.getRandomBytes(bytes.length));
    return array;
  },

  randomUUID() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  },
};
