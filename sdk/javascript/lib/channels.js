// Channels, one to all, and queues, one to one.
import * as host from './host.js';
import { enter, needFunction, needHost, u32 } from './calls.js';
import { HostError, ask, codeOf } from './errors.js';
import { Promise } from './promise.js';
import { bytesOf } from './text.js';

const members = new Map();
const pops = new Map();

/** A subscription to a channel. */
export class Subscription {
  constructor(channel, id) {
    this.channel = channel;
    this.id = id;
  }

  pushToOthers(message) {
    this.channel.send(message, u32(this.id));
  }

  unsubscribe() {
    if (members.get(this.id)?.member !== this) return;
    members.delete(this.id);
    host.channels.unsubscribe(u32(this.id));
  }

  cancel() {
    this.unsubscribe();
  }
}

export class Channel {
  constructor(name) {
    if (typeof name !== 'string') throw new TypeError('new Channel takes a name, a string');
    this.name = name;
  }

  subscribe(action) {
    needFunction(action, 'subscribe');
    needHost('subscribe');
    const id = ask(`subscribe to ${this.name}`, () => host.channels.subscribe(this.name));
    const member = new Subscription(this, id);
    members.set(id, { member, action });
    return member;
  }

  push(message) {
    this.send(message, null);
  }

  /** At the bound a message is lost, and the log says so. */
  send(message, except) {
    const bytes = bytesOf(message, 'push');
    try {
      host.channels.push(this.name, bytes, except);
    } catch (error) {
      const code = codeOf(error);
      if (code !== 'limit') throw code === undefined ? error : new HostError(`push to ${this.name}`, code);
      host.log.log('warn', `channel ${this.name}: a message of ${bytes.length} bytes was lost: too much is on its way, or it is larger than a message may be`);
    }
  }

  get numSubscribers() {
    return host.channels.numSubscribers(this.name);
  }
}

/** For a connection: by name or by channel. */
export const subscribe = (channel, action) => (channel instanceof Channel ? channel : new Channel(channel)).subscribe(action);

/** A pop that waits for its item. */
class Pop {
  constructor(id) {
    this.id = id;
  }

  cancel() {
    if (pops.get(this.id)?.pop !== this) return;
    pops.delete(this.id);
    host.queues.cancelPop(u32(this.id));
  }
}

export class Queue {
  constructor(name) {
    if (typeof name !== 'string') throw new TypeError('new Queue takes a name, a string');
    this.name = name;
  }

  push(item) {
    const bytes = bytesOf(item, 'push');
    ask(`push to the queue ${this.name}`, () => host.queues.push(this.name, bytes));
  }

  pop(action) {
    if (action === undefined) return new Promise((resolve) => this.pop(resolve));
    needFunction(action, 'pop');
    needHost('pop');
    const id = ask(`pop from the queue ${this.name}`, () => host.queues.pop(this.name));
    const pop = new Pop(id);
    pops.set(id, { pop, action });
    return pop;
  }

  get size() {
    return host.queues.size(this.name);
  }

  get numWaiting() {
    return host.queues.numWaiting(this.name);
  }
}

export const subscriptions = {
  message(id, message) {
    const found = members.get(id);
    if (found) enter(`the subscription to ${found.member.channel.name}`, () => found.action(message));
  },
};

export const queuesHandler = {
  popped(id, item) {
    const found = pops.get(id);
    pops.delete(id);
    if (found) enter('the callback of a pop', () => found.action(item));
  },
};
