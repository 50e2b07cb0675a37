import { BytesAction, BytesActionOf } from "./actions";
import { id, numbered, plain } from "./answers";
import { Level, log } from "./log";
import { answer, at, size, utf8 } from "./memory";
import { ErrorCode, describe, must } from "./types";

const subscriptions = new Map<u32, Subscription>();

/** A channel is a name: what one pushes, every subscriber of the tenant gets, in one order. */
export class Channel {
  constructor(public name: string) {}

  /** Calls `action` with `context` and every message that is pushed from now on. */
  subscribe<T>(context: T, action: (context: T, message: Uint8Array) => void): Subscription {
    const subscription = new Subscription(this, new BytesActionOf<T>(context, action));
    must("subscribe to " + this.name, subscription.start());
    return subscription;
  }

  /** `subscribe`, and null at the limits, or where the channel is not allowed. */
  trySubscribe<T>(context: T, action: (context: T, message: Uint8Array) => void): Subscription | null {
    const subscription = new Subscription(this, new BytesActionOf<T>(context, action));
    return subscription.start() == ErrorCode.None ? subscription : null;
  }

  /** Pushes a message to all subscribers. It never fails: at the bound the message is lost and the log says so. */
  push(message: Uint8Array): void { this.logLost(this.tryPush(message)); }

  /** `push` of text. */
  pushText(message: string): void { this.push(Uint8Array.wrap(utf8(message))); }

  /** `push`, with its error. */
  tryPush(message: Uint8Array): ErrorCode { return this.pushBut(message, false, 0); }

  pushBut(message: Uint8Array, isBut: bool, subscription: u32): ErrorCode {
    const name = utf8(this.name);
    hostPush(at(name), size(name), message.dataStart, message.byteLength, isBut ? 1 : 0, subscription, answer);
    return plain();
  }

  /** How many subscriptions it has, in all sandboxes. */
  numSubscribers(): u32 {
    const name = utf8(this.name);
    return hostNumSubscribers(at(name), size(name));
  }

  logLost(code: ErrorCode): void {
    if (code != ErrorCode.None) log(Level.Error, "channel " + this.name + ": a message was lost: " + describe(code));
  }
}

/** A subscriber's. */
export class Subscription {
  id: u32 = 0;
  isLive: bool = false;

  constructor(public channel: Channel, public action: BytesAction) {}

  start(): ErrorCode {
    const name = utf8(this.channel.name);
    hostSubscribe(at(name), size(name), answer);
    const code = numbered();
    if (code == ErrorCode.None) {
      this.id = id();
      this.isLive = true;
      subscriptions.set(this.id, this);
    }
    return code;
  }

  /** Ends it at once. */
  unsubscribe(): void {
    if (!this.isLive) return;
    this.isLive = false;
    subscriptions.delete(this.id);
    hostUnsubscribe(this.id);
  }

  /** Pushes a message to all other subscriptions: a member of a room speaks and does not hear itself. */
  pushToOthers(message: Uint8Array): void { this.channel.logLost(this.tryPushToOthers(message)); }

  /** `pushToOthers` of text. */
  pushTextToOthers(message: string): void { this.pushToOthers(Uint8Array.wrap(utf8(message))); }

  /** `pushToOthers`, with its error. */
  tryPushToOthers(message: Uint8Array): ErrorCode { return this.channel.pushBut(message, this.isLive, this.id); }
}

export function told(subscription: u32, message: Uint8Array): void {
  if (subscriptions.has(subscription)) subscriptions.get(subscription).action.run(message);
}

@external("sandloop:plugin/channels@0.1.1", "subscribe")
declare function hostSubscribe(channel: usize, length: usize, to: usize): void;

@external("sandloop:plugin/channels@0.1.1", "unsubscribe")
declare function hostUnsubscribe(id: u32): void;

@external("sandloop:plugin/channels@0.1.1", "push")
declare function hostPush(channel: usize, length: usize, message: usize, size: usize, but: u32, id: u32, to: usize): void;

@external("sandloop:plugin/channels@0.1.1", "num-subscribers")
declare function hostNumSubscribers(channel: usize, length: usize): u32;
