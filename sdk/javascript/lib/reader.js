// What has come on a connection, for code that waits for it: lines, pieces, numbers of bytes.
import { Promise } from './promise.js';
import { text } from './text.js';

/** The host stops reading from a peer of whom so much waits to be read here. */
const HIGH = 65536;

export class Reader {
  #chunks = [];
  #size = 0;
  #ended = false;
  #waiting;
  #connection;
  #paused = false;

  constructor(connection) {
    this.#connection = connection;
  }

  /** Something has come. */
  push(bytes) {
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    if (this.#size >= HIGH && !this.#paused && !this.#waiting) {
      this.#paused = true;
      this.#connection.pause();
    }
    this.#wake();
  }

  /** Nothing more comes. */
  end() {
    this.#ended = true;
    this.#wake();
  }

  #wake() {
    const wake = this.#waiting;
    this.#waiting = undefined;
    wake?.();
  }

  /** A promise of more, or of the end. */
  #more() {
    if (this.#waiting) throw new Error('two readers wait on one connection: await one read, readLine or lines() before the next');
    if (this.#paused) {
      this.#paused = false;
      this.#connection.resume();
    }
    return new Promise((resolve) => (this.#waiting = resolve));
  }

  /** Everything that is there as one. */
  #join() {
    if (this.#chunks.length > 1) {
      const all = new Uint8Array(this.#size);
      let at = 0;
      for (const chunk of this.#chunks) {
        all.set(chunk, at);
        at += chunk.length;
      }
      this.#chunks = [all];
    }
    return this.#chunks[0] ?? new Uint8Array(0);
  }

  /** Takes the first `count` bytes away. */
  #take(count) {
    const all = this.#join();
    this.#chunks = count < all.length ? [all.subarray(count)] : [];
    this.#size = all.length - count;
    return all.subarray(0, count);
  }

  async read() {
    while (this.#size === 0) {
      if (this.#ended) return null;
      await this.#more();
    }
    return this.#take(this.#size);
  }

  async readExactly(count) {
    while (this.#size < count) {
      if (this.#ended) return null;
      await this.#more();
    }
    return this.#take(count);
  }

  async readLine(most = HIGH) {
    let searched = 0;
    for (;;) {
      const all = this.#join();
      const end = all.indexOf(10, searched);
      if (end >= 0 ? end > most : all.length > most) throw new RangeError(`a line of more than ${most} bytes: lines(most) and readLine(most) allow more`);
      if (end >= 0) {
        const line = this.#take(end + 1);
        return text(line.subarray(0, end > 0 && line[end - 1] === 13 ? end - 1 : end));
      }
      if (this.#ended) return null;
      searched = all.length;
      await this.#more();
    }
  }
}
