// The host's words and bytes come into memory that it asks for by cabi_realloc: buffers of AssemblyScript's own, so that what the
// plugin is given is its own too, for as long as it likes. While the host holds them they are pinned.

/** Where the host puts what a call answers. */
export const answer: usize = memory.data(64, 8);

export function allocate(old: usize, oldSize: usize, align: usize, size: usize): usize {
  if (size == 0) return align;
  const buffer = __pin(__new(size, idof<ArrayBuffer>()));
  if (oldSize != 0) {
    memory.copy(buffer, old, oldSize);
    __unpin(old);
  }
  return buffer;
}

/** The plugin's from now on. */
export function takeBytes(at: usize, length: usize): Uint8Array {
  if (length == 0) return new Uint8Array(0);
  __unpin(at);
  return Uint8Array.wrap(changetype<ArrayBuffer>(at));
}

export function takeString(at: usize, length: usize): string {
  if (length == 0) return "";
  const text = String.UTF8.decodeUnsafe(at, length);
  __unpin(at);
  return text;
}

/** Takes a list's own memory, once its elements have been taken. */
export function takeList(at: usize, length: usize): void {
  if (length != 0) __unpin(at);
}

export function takePairs(at: usize, length: usize): Map<string, string> {
  const all = new Map<string, string>();
  for (let i: usize = 0; i < length; i++) {
    const entry = at + 16 * i;
    const key = takeString(load<u32>(entry), load<u32>(entry, 4));
    all.set(key, takeString(load<u32>(entry, 8), load<u32>(entry, 12)));
  }
  takeList(at, length);
  return all;
}

export function takeChain(at: usize, length: usize): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let i: usize = 0; i < length; i++) {
    const entry = at + 8 * i;
    all.push(takeBytes(load<u32>(entry), load<u32>(entry, 4)));
  }
  takeList(at, length);
  return all;
}

/** A text as the host reads it. */
export function utf8(text: string): ArrayBuffer {
  return String.UTF8.encode(text);
}

// @ts-ignore: decorator
@inline export function at(buffer: ArrayBuffer): usize {
  return changetype<usize>(buffer);
}

// @ts-ignore: decorator
@inline export function size(buffer: ArrayBuffer): usize {
  return buffer.byteLength;
}

/** Texts one behind the other, and a list of where each is. */
export class Headers {
  kept: ArrayBuffer[] = [];
  list: ArrayBuffer;

  constructor(texts: string[]) {
    this.list = new ArrayBuffer(8 * texts.length);
    for (let i = 0; i < texts.length; i++) {
      const text = utf8(texts[i]);
      this.kept.push(text);
      store<u32>(at(this.list) + 8 * i, at(text));
      store<u32>(at(this.list) + 8 * i, size(text), 4);
    }
  }
}

/** The first byte of an answer that may be an error, or none. */
// @ts-ignore: decorator
@inline export function isError(): bool {
  return load<u8>(answer) != 0;
}
