// From an author's classes to what the host calls.
import { enter, enterForAnswer, enterForResult, fail, leave } from './calls.js';
import { deferredHandler, operations, setOperations } from './deferred.js';
import { give, isClass, makerOf } from './connection.js';
import { kindOf } from './errors.js';
import { filesHandler, watchHandler } from './files.js';
import { subscriptions, queuesHandler } from './channels.js';
import { mailbox, processesHandler, setProcesses } from './processes.js';
import { ticksHandler, timersHandler } from './timers.js';
import { encode } from './text.js';
import { tlsHandler } from './tls.js';

const LIFECYCLE = ['prepare', 'start', 'stopping', 'stopped'];
/** What of a program outlives a reload. */
const HANDOVER = ['save', 'restore'];
const CALLBACKS = [
  'postInit', 'connectionCompleted', 'receiveData', 'drained', 'unbind', 'tlsCompleted', 'verifyPeer', 'draining',
  'proxyTargetUnbound', 'proxyCompleted', 'serve',
];
const mark = Symbol.for('sandloop.plugin');

let handlers = {};
let names = [];

/** What an author has written, checked while the plugin is built. */
export function plugin(classes, extra = {}) {
  handlers = named(classes, 'plugin', (make, name) => {
    if (!isClass(make)) {
      throw new TypeError(`plugin({ ${name} }): ${name} is ${kindOf(make)}: it has to be a class that extends Connection`);
    }
    findSlips(make);
  });
  names = Object.keys(handlers);
  for (const key of Object.keys(extra)) {
    if (![...LIFECYCLE, ...HANDOVER, 'operations', 'processes'].includes(key)) {
      throw new TypeError(`plugin(…, { ${key} }): the second argument takes ${[...LIFECYCLE, ...HANDOVER].join(', ')}, operations and processes`);
    }
  }
  setOperations(extra.operations ?? {});
  setProcesses(named(extra.processes ?? {}, 'processes', () => {}));
  return { [mark]: true, program: [...LIFECYCLE, ...HANDOVER].some((name) => name in extra), extra };
}

/** Whether a module's default export is a plugin. */
export const isPlugin = (value) => Boolean(value?.[mark]);

/** By lower-case names, as the operator writes them. */
function named(classes, call, check) {
  if (classes === null || typeof classes !== 'object') {
    throw new TypeError(`${call} takes an object of classes, such as ${call}({ Echo }), not ${kindOf(classes)}`);
  }
  const all = {};
  for (const [name, make] of Object.entries(classes)) {
    check(make, name);
    all[name.toLowerCase()] = make;
  }
  return all;
}

/** A callback by nearly its name is never called; that is told while the plugin is built. */
function findSlips(make) {
  const plain = (name) => name.toLowerCase().replaceAll('_', '').replace(/ei/g, 'ie');
  const known = new Map(CALLBACKS.map((name) => [plain(name), name]));
  for (const name of Object.getOwnPropertyNames(make.prototype)) {
    const meant = known.get(plain(name));
    if (meant && meant !== name) {
      throw new TypeError(`class ${make.name}: the host never calls ${name}: the callback is called ${meant}`);
    }
  }
}

/** The host's hold on one connection. */
class Held {
  constructor(socket, origin) {
    this.again = false;
    enter('the constructor of a connection', () => {
      this.it = origin.tag === 'connected' ? this.#dialled(socket, origin.val) : this.#accepted(socket, origin.val);
    });
  }

  #dialled(socket, token) {
    const made = makerOf(token)({ socket, options: {}, listener: undefined });
    // One that goes on with the same object has had its post-init.
    this.again = made.served === true;
    return made;
  }

  #accepted(socket, { listener, handler, options }) {
    const name = handler === '' && names.length === 1 ? names[0] : handler.toLowerCase();
    const make = handlers[name];
    if (!make) {
      const has = names.length === 0 ? 'no handlers' : `the handlers ${names.join(', ')}`;
      throw new Error(`the listener ${listener} ${handler === '' ? 'names no handler' : `names the handler ${handler}`}, and the plugin has ${has}: handler = "${names[0] ?? '…'}" in its [[listen]]`);
    }
    return give({ socket, options: Object.fromEntries(options), listener }, make);
  }

  /** What a callback of it is called in messages. */
  name(callback) {
    return `${this.it.constructor.name}.${callback}`;
  }

  postInit() {
    if (this.again) return;
    const it = this.it;
    it.served = true;
    enter(this.name('postInit'), () => it.postInit());
    if (typeof it.serve === 'function') enter(this.name('serve'), () => it.serve());
  }

  connectionCompleted() {
    enter(this.name('connectionCompleted'), () => this.it.connectionCompleted());
  }

  receiveData(data) {
    // Written out: this is the call that comes most often.
    try {
      leave(() => this.name('receiveData'), this.it.receiveData(data));
    } catch (error) {
      fail(this.name('receiveData'), error);
    }
  }

  drained() {
    enter(this.name('drained'), () => this.it.drained());
  }

  unbind(reason) {
    const it = this.it;
    it.unbinding = true;
    it.ended(reason);
    enter(this.name('unbind'), () => it.unbind(reason));
    it.unbinding = false;
  }
}

const handler = { Connection: Held };

const proxyHandler = {
  proxyTargetUnbound: (of) => void enter(of.name('proxyTargetUnbound'), () => of.it.proxyTargetUnbound()),
  proxyCompleted: (of) => void enter(of.name('proxyCompleted'), () => of.it.proxyCompleted()),
};

const drainHandler = {
  draining(of, milliseconds) {
    const answer = enterForAnswer(of.name('draining'), () => of.it.draining(milliseconds)) ?? 'when-idle';
    if (answer !== 'when-idle' && answer !== 'until-closed') {
      fail(of.name('draining'), new TypeError(`it returned ${kindOf(answer)}: it has to return 'when-idle', 'until-closed' or nothing`));
    }
    return answer;
  },
};

/** What runs when the loop is about to stop. */
const hooks = [];

export function addShutdownHook(action) {
  hooks.push(action);
}

/** What the next version gets of a program, and what it has of the one before. */
const handoverHandlerOf = ({ save, restore }) => ({
  save() {
    const state = enterForAnswer('save()', () => save?.()) ?? undefined;
    if (typeof state === 'string') return encode(state);
    if (state !== undefined && !(state instanceof Uint8Array)) {
      fail('save()', new TypeError(`it returned ${kindOf(state)}: it has to return a Uint8Array, a string or nothing`));
    }
    return state;
  },
  restore: (state) => enterForResult('restore()', () => {
    if (!restore) throw new Error('this plugin has no use for a state: plugin({ … }, { restore(state) { … } }) has');
    return restore(state);
  }),
});

/** The exports of a component; `lifecycle` and `handoverHandler` are left out where there is no program. */
export function exportsOf(made) {
  const { extra } = made;
  const call = (name) => () => enterForResult(`${name}()`, () => extra[name]?.());
  const lifecycle = {
    prepare: call('prepare'),
    start: call('start'),
    stopping() {
      enter('a shutdown hook', () => {
        while (hooks.length) hooks.pop()();
      });
      enter('stopping()', () => extra.stopping?.());
    },
    stopped: () => void enter('stopped()', () => extra.stopped?.()),
  };
  return {
    handler, timersHandler, ticksHandler, operations, deferredHandler, mailbox, processesHandler, subscriptions, queuesHandler,
    proxyHandler, filesHandler, watchHandler, tlsHandler, drainHandler, lifecycle,
    handoverHandler: handoverHandlerOf(extra),
    catalog: { handlers: () => names },
  };
}
