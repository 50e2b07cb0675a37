import { Connection } from "./connection";
import { Process } from "./processes";

/** What the plugin has: its kinds of connections, of processes, and its operations. */
export class Plugin {
  handlers: Map<string, () => Connection> = new Map<string, () => Connection>();
  processes: Map<string, (argument: Uint8Array) => Process> = new Map<string, (argument: Uint8Array) => Process>();

  /** Gives a kind of connections a name, which a `[[listen]]` section gives as `handler`. `make` is called for each connection. */
  handler(name: string, make: () => Connection): Plugin {
    const key = name.toLowerCase();
    if (this.handlers.has(key)) throw new Error("two handlers are named \"" + name + "\"");
    this.handlers.set(key, make);
    return this;
  }

  /** Gives a kind of processes a name, for `spawn`. `make` is given the argument. */
  process(name: string, make: (argument: Uint8Array) => Process): Plugin {
    this.processes.set(name, make);
    return this;
  }
}

const only = new Plugin();

/** What the plugin has is said by its methods, where the plugin's main file begins or ends. */
export function plugin(): Plugin { return only; }

/** The connection of an accepted socket. */
export function make(listener: string, handler: string): Connection {
  const handlers = only.handlers;
  const names = handlers.keys();
  if (names.length == 0) throw new Error("listener " + listener + ": this plugin has no handler: call plugin().handler(\"name\", () => new YourConnection()) in its main file");
  if (handler == "" && names.length == 1) return handlers.get(names[0])();
  const key = handler.toLowerCase();
  if (!handlers.has(key)) throw new Error("listener " + listener + ": this plugin has no handler named \"" + handler + "\": plugin().handler gave it " + names.join(", "));
  return handlers.get(key)();
}
