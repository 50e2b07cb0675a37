// Sandloop's SDK for JavaScript. What it offers is described in sandloop.d.ts, the manual of its names.
import './lib/globals.js';

export { Channel, Queue, Subscription } from './lib/channels.js';
export { Connection, bindConnect, connect, connectUnix, connectionCount, openDatagramSocket } from './lib/connection.js';
export { console } from './lib/console.js';
export { OperationError, defer } from './lib/deferred.js';
export { HostError } from './lib/errors.js';
export { watchFile } from './lib/files.js';
export { HttpServer } from './lib/http.js';
export { EventEmitter, Socket, createConnection, serve } from './lib/node.js';
export { addShutdownHook, exportsOf, isPlugin, plugin } from './lib/plugin.js';
export { Process, currentProcess, exit, notify, spawn } from './lib/processes.js';
export { Promise } from './lib/promise.js';
export { isRunning, options, startServer, stop } from './lib/servers.js';
export { TextDecoder, TextEncoder, encode, text } from './lib/text.js';
export { Timer, clearInterval, clearTimeout, nextTick, queueMicrotask, setInterval, setTimeout, sleep } from './lib/timers.js';
