// Text and bytes: TextEncoder and TextDecoder, which QuickJS lacks, and the two short words of the SDK.
// The engine's own functions do the work wherever they can: a loop of JavaScript costs some fifty times as much.

const CHUNK = 8192;

function asciiBytes(string) {
  const bytes = new Uint8Array(string.length);
  for (let at = 0; at < string.length; at += 1) {
    const unit = string.charCodeAt(at);
    if (unit > 127) return undefined;
    bytes[at] = unit;
  }
  return bytes;
}

/** The bytes of a text in UTF-8; a lone surrogate becomes U+FFFD. */
export function encode(string) {
  if (string.length < 64) {
    const bytes = asciiBytes(string);
    if (bytes) return bytes;
  }
  const latin = unescape(encodeURIComponent(string.isWellFormed() ? string : string.toWellFormed()));
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(btoa(latin));
  return Uint8Array.from(latin, (unit) => unit.charCodeAt(0));
}

function latinOf(bytes) {
  if (bytes.length <= CHUNK) return String.fromCharCode.apply(null, bytes);
  let all = '';
  for (let at = 0; at < bytes.length; at += CHUNK) all += String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK));
  return all;
}

const ASCII = /^[\0-\x7f]*$/;

/** The text of bytes, or undefined where they are not UTF-8. */
function decodeWhole(bytes) {
  const latin = latinOf(bytes);
  if (ASCII.test(latin)) return latin;
  try {
    return decodeURIComponent(escape(latin));
  } catch {
    return undefined;
  }
}

/** How many bytes the character that begins here has, its lowest and highest second byte; 0 where none begins. */
function shapeOf(first) {
  if (first < 0x80) return [1];
  if (first < 0xc2) return [0];
  if (first < 0xe0) return [2, 0x80, 0xbf];
  if (first < 0xf0) return [3, first === 0xe0 ? 0xa0 : 0x80, first === 0xed ? 0x9f : 0xbf];
  if (first < 0xf5) return [4, first === 0xf0 ? 0x90 : 0x80, first === 0xf4 ? 0x8f : 0xbf];
  return [0];
}

/** How many of the bytes of the character at `at` are there and right, and whether more would make it whole. */
function measure(bytes, at) {
  const [length, low, high] = shapeOf(bytes[at]);
  if (length === 0) return { taken: 1, whole: false, open: false };
  let taken = 1;
  while (taken < length && at + taken < bytes.length) {
    const byte = bytes[at + taken];
    if (taken === 1 ? byte < low || high < byte : (byte & 0xc0) !== 0x80) return { taken, whole: false, open: false };
    taken += 1;
  }
  return { taken, whole: taken === length, open: taken < length };
}

/** Decodes as the Encoding standard says: each longest wrong beginning is one U+FFFD. */
function decodeLossy(bytes) {
  let all = '';
  let from = 0;
  for (let at = 0; at < bytes.length; ) {
    const { taken, whole } = measure(bytes, at);
    if (!whole) {
      all += (decodeWhole(bytes.subarray(from, at)) ?? '') + '\ufffd';
      from = at + taken;
    }
    at += taken;
  }
  return all + (decodeWhole(bytes.subarray(from)) ?? '');
}

/** Where the character begins that the end of these bytes cuts off; their length where none is. */
function openAt(bytes) {
  for (let at = bytes.length - 1; at >= 0 && bytes.length - at <= 3; at -= 1) {
    if ((bytes[at] & 0xc0) !== 0x80) return measure(bytes, at).open ? at : bytes.length;
  }
  return bytes.length;
}

/** The text of bytes in UTF-8; what is none becomes U+FFFD. */
export const text = (bytes) => decodeWhole(bytes) ?? decodeLossy(bytes);

/** Bytes of whatever holds some. */
function viewOf(source) {
  if (source instanceof Uint8Array) return source;
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  return undefined;
}

/** The bytes of what a call takes as data; anything but text and bytes is the author's mistake. */
export function bytesOf(data, call) {
  if (typeof data === 'string') return encode(data);
  const bytes = viewOf(data);
  if (bytes) return bytes;
  const kind = data === null || data === undefined ? String(data) : typeof data === 'object' ? (data.constructor?.name ?? 'an object') : typeof data;
  throw new TypeError(`${call} takes a string or a Uint8Array, not ${kind}: ${typeof data === 'number' ? 'String(it)' : 'JSON.stringify(it)'} makes text of it`);
}

export class TextEncoder {
  get encoding() {
    return 'utf-8';
  }

  encode(string = '') {
    return encode(String(string));
  }

  encodeInto(string, target) {
    let read = 0;
    let written = 0;
    for (const character of String(string)) {
      const bytes = encode(character);
      if (target.length - written < bytes.length) break;
      target.set(bytes, written);
      written += bytes.length;
      read += character.length;
    }
    return { read, written };
  }
}

export class TextDecoder {
  #fatal;
  #keepMark;
  #left = new Uint8Array(0);
  #begun = false;

  constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
    if (!/^\s*(utf-?8|unicode-1-1-utf-8)\s*$/i.test(label)) {
      throw new RangeError(`TextDecoder: ${label} is not an encoding that is known here: utf-8 is the only one`);
    }
    this.#fatal = fatal;
    this.#keepMark = ignoreBOM;
  }

  get encoding() {
    return 'utf-8';
  }

  get fatal() {
    return this.#fatal;
  }

  get ignoreBOM() {
    return this.#keepMark;
  }

  decode(source = new Uint8Array(0), { stream = false } = {}) {
    let bytes = viewOf(source);
    if (!bytes) throw new TypeError('TextDecoder.decode takes bytes: a Uint8Array, an ArrayBuffer or a view of one');
    if (this.#left.length) {
      const joined = new Uint8Array(this.#left.length + bytes.length);
      joined.set(this.#left);
      joined.set(bytes, this.#left.length);
      bytes = joined;
    }
    const end = stream ? openAt(bytes) : bytes.length;
    this.#left = bytes.slice(end);
    const whole = bytes.subarray(0, end);
    let decoded = decodeWhole(whole);
    if (decoded === undefined) {
      if (this.#fatal) {
        this.#left = new Uint8Array(0);
        this.#begun = false;
        throw new TypeError('TextDecoder.decode: these bytes are not UTF-8');
      }
      decoded = decodeLossy(whole);
    }
    if (!this.#keepMark && !this.#begun && decoded.charCodeAt(0) === 0xfeff) decoded = decoded.slice(1);
    this.#begun = stream && (this.#begun || decoded !== '' || end > 0);
    return decoded;
  }
}
