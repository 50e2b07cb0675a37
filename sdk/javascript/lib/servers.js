// Listeners of the plugin's own, the loop itself, and what the operator configured.
import * as host from './host.js';
import { needHost, u32 } from './calls.js';
import { ask } from './errors.js';

const PARTS = /^(tcp|udp):\/\/(?:\[(.+)\]|([^:]+)):(\d+)$/;

/** `tcp://127.0.0.1:7000`, `udp://[::1]:53`, `unix:///run/x.sock`, as the contract has it. */
function listenAddress(address) {
  if (address.startsWith('unix://')) return { tag: 'unix', val: address.slice('unix://'.length) };
  const [, tag, six, four, port] = PARTS.exec(address) ?? [];
  if (!tag) throw new TypeError(`startServer: ${address} is no address: tcp://127.0.0.1:7000, udp://[::1]:53 and unix:///run/x.sock are`);
  return { tag, val: { host: six ?? four, port: Number(port) } };
}

/** A listener that the plugin has opened. */
class Server {
  constructor({ id, address }) {
    this.id = id;
    this.address = address.tag === 'unix' ? { path: address.val } : address.val;
  }

  stop() {
    host.listeners.stopServer(u32(this.id));
  }
}

export function startServer(address, handler = '', options = {}) {
  needHost('startServer');
  const pairs = Object.entries(options).map(([key, value]) => [key, String(value)]);
  return new Server(ask(`startServer at ${address}`, () => host.listeners.startServer(listenAddress(address), handler.toLowerCase(), pairs)));
}

export function stop() {
  needHost('stop');
  ask('stop', () => host.reactor.stop());
}

export const isRunning = () => host.reactor.isRunning();

export const options = {
  get(key, fallback) {
    needHost('options.get');
    return host.options.get(key) ?? fallback;
  },
  required(key) {
    const value = options.get(key);
    if (value === undefined) throw new Error(`the option ${key} is missing: [plugins.NAME.options] of plugins.toml takes ${key} = "…"`);
    return value;
  },
  all() {
    needHost('options.all');
    return Object.fromEntries(host.options.all());
  },
};
