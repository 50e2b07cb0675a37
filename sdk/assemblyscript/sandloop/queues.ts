import { BytesAction, BytesActionOf } from "./actions";
import { id, numbered, plain } from "./answers";
import { Level, log } from "./log";
import { answer, at, size, utf8 } from "./memory";
import { ErrorCode, describe, must } from "./types";

const pops = new Map<u32, Pop>();

/** A queue is a name: what one pushes, one other gets, first come, first served. */
export class Queue {
  constructor(public name: string) {}

  /** Adds an item. It never fails: where the queue is full the item is lost and the log says so. */
  push(item: Uint8Array): void {
    const code = this.tryPush(item);
    if (code != ErrorCode.None) log(Level.Error, "queue " + this.name + ": an item was lost: " + describe(code));
  }

  /** `push` of text. */
  pushText(item: string): void { this.push(Uint8Array.wrap(utf8(item))); }

  /** `push`, with its error. */
  tryPush(item: Uint8Array): ErrorCode {
    const name = utf8(this.name);
    hostPush(at(name), size(name), item.dataStart, item.byteLength, answer);
    return plain();
  }

  /** Calls `action` with `context` and one item, once, as soon as there is one. */
  pop<T>(context: T, action: (context: T, item: Uint8Array) => void): Pop {
    const name = utf8(this.name);
    hostPop(at(name), size(name), answer);
    must("pop from " + this.name, numbered());
    const pop = new Pop(id(), new BytesActionOf<T>(context, action));
    pops.set(pop.id, pop);
    return pop;
  }

  /** Items that wait. */
  size(): u32 {
    const name = utf8(this.name);
    return hostSize(at(name), size(name));
  }

  /** Pops that wait, in all sandboxes. */
  numWaiting(): u32 {
    const name = utf8(this.name);
    return hostNumWaiting(at(name), size(name));
  }
}

/** A wait for one item. */
export class Pop {
  constructor(public id: u32, public action: BytesAction) {}

  /** Forgets the wait. Does nothing once it has its item. */
  cancel(): void {
    if (!pops.has(this.id) || pops.get(this.id) != this) return;
    pops.delete(this.id);
    hostCancelPop(this.id);
  }
}

export function popped(id: u32, item: Uint8Array): void {
  if (!pops.has(id)) return;
  const pop = pops.get(id);
  pops.delete(id);
  pop.action.run(item);
}

@external("sandloop:plugin/queues@0.1.1", "push")
declare function hostPush(queue: usize, length: usize, item: usize, size: usize, to: usize): void;

@external("sandloop:plugin/queues@0.1.1", "pop")
declare function hostPop(queue: usize, length: usize, to: usize): void;

@external("sandloop:plugin/queues@0.1.1", "cancel-pop")
declare function hostCancelPop(id: u32): void;

@external("sandloop:plugin/queues@0.1.1", "size")
declare function hostSize(queue: usize, length: usize): u32;

@external("sandloop:plugin/queues@0.1.1", "num-waiting")
declare function hostNumWaiting(queue: usize, length: usize): u32;
