// Processes: sandboxes of a plugin's own making, with a mailbox each.
import * as host from './host.js';
import { enter, enterForResult, needHost, u32 } from './calls.js';
import { HostError, ask, codeOf } from './errors.js';
import { Promise } from './promise.js';
import { bytesOf } from './text.js';

const exits = new Map();
let classes = {};
let self;

/** What `plugin` was given, by lower-case names. */
export function setProcesses(given) {
  classes = given;
}

/** What a process does. */
export class Process {
  /** It has been made, with its argument. */
  spawned(argument) {}
  /** A message has come. */
  notified(message) {}
}

/** A process, from outside. */
class Spawned {
  constructor(id) {
    this.id = id;
    this.exited = new Promise((resolve) => exits.set(id, resolve));
  }

  notify(message) {
    notify(this.id, message);
  }

  kill() {
    host.processes.kill(u32(this.id));
  }
}

export function spawn(name, argument = '', { plugin = null, exited } = {}) {
  needHost('spawn');
  const bytes = bytesOf(argument, 'spawn');
  const id = ask(`spawn ${name}${plugin ? ` of ${plugin}` : ''}`, () => host.processes.spawn(plugin, name.toLowerCase(), bytes));
  const spawned = new Spawned(id);
  if (exited) spawned.exited.then(exited);
  return spawned;
}

export function notify(id, message) {
  const bytes = bytesOf(message, 'notify');
  try {
    host.processes.notify(u32(id), bytes);
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'limit' && code !== 'closed') throw code === undefined ? error : new HostError(`notify ${id}`, code);
    if (code === 'limit') host.log.log('warn', `process ${id}: a message of ${bytes.length} bytes was lost: its mailbox is full, or it is larger than a message may be`);
  }
}

export const exit = () => host.processes.exit();

/** The id of the process that this sandbox is, or undefined. */
export const currentProcess = () => self?.id;

export const mailbox = {
  spawned(id, name, argument) {
    return enterForResult(`spawned of the process ${name}`, () => {
      const Class = classes[name.toLowerCase()];
      if (!Class) throw new Error(`there is no process ${name}: plugin({ … }, { processes: { ${name}: Class } }) names it`);
      self = { id, it: new Class(), name };
      return self.it.spawned?.(argument);
    });
  },
  notified(message) {
    enter(`notified of the process ${self.name}`, () => self.it.notified(message));
  },
};

export const processesHandler = {
  exited(id, reason) {
    const resolve = exits.get(id);
    exits.delete(id);
    if (resolve) enter('the end of a process', () => resolve(reason));
  },
};
