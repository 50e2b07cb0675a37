// Errors: what the host refuses, and how an error names its place in the author's own files.
import { text } from './text.js';

/** What each code of the contract means and what to do. */
const MEANINGS = {
  closed: 'it has ended',
  closing: 'a close was asked for earlier, so nothing more can be sent',
  'outbox-full': 'the outbox has no room for all of it and took nothing: wait for drained()',
  denied: "plugins.toml does not allow it, and the host's log names the line that would; or the reactor does not run, as in prepare() and stopped()",
  limit: 'a count is at its limit, or the message is too large: the limits of the plugin are in plugins.toml',
  'invalid-argument': 'an argument makes no sense: an empty name, port 0, a time of zero',
  unsupported: 'this kind of connection, or this host, cannot do it',
  'not-found': 'nothing is there',
  'in-use': 'somebody else has the address',
  'invalid-address': 'this is no IP address or path',
  forbidden: 'the system does not let the host have it: a port below 1024, or a folder that it may not write',
  'source-closed': 'the source is gone',
  'target-closed': 'the target is gone or closing',
  'already-proxying': 'it is proxied already: stopProxying() ends that',
  'busy-target': 'another connection is proxied to that target',
};

/** A refusal of the host. */
export class HostError extends Error {
  constructor(what, code) {
    super(`${what}: ${code}${MEANINGS[code] ? `: ${MEANINGS[code]}` : ''}`);
    this.name = 'HostError';
    this.code = code;
  }
}

/** The contract's code of what a call of the host threw, or undefined for any other error. */
export const codeOf = (error) => (typeof error?.payload === 'string' ? error.payload : undefined);

/** Calls the host; its refusal becomes a `HostError` that says what was asked for. */
export function ask(what, call) {
  try {
    return call();
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    throw new HostError(what, code);
  }
}

// ---- Places ----

const FRAME = /^\s*at (?:(.*?) )?\(?(\S+?):(\d+)(?::\d+)?\)?\s*$/;
let places;

/** Reads the table that the build has put beside the code: for each line of the bundle a file and a line, as differences. */
function readPlaces() {
  const table = globalThis.__sandloopPlaces;
  if (!table) return { files: [], lines: [] };
  let file = 0;
  let line = 0;
  const lines = table.lines.split(';').map((entry) => {
    if (entry === '') return undefined;
    const [down, across = '0'] = entry.split(',');
    file += Number(across);
    line += Number(down);
    return { file: table.files[file], line };
  });
  return { files: table.files, lines };
}

/** The frames of a stack in the author's own files, the innermost first: `oops (src/app.js:18)`. */
export function frames(stack) {
  places ??= readPlaces();
  const all = [];
  for (const row of String(stack ?? '').split('\n')) {
    const [, name = '', file, line] = FRAME.exec(row) ?? [];
    if (file === undefined || file === 'native') continue;
    const place = places.lines.length ? places.lines[line - 1] : { file, line };
    // What the SDK and the compiler added is nobody's mistake.
    if (!place || place.internal || /(^|\/)sandloop\/(lib\/|sandloop\.js)/.test(place.file)) continue;
    all.push(name && name !== '<anonymous>' ? `${name} (${place.file}:${place.line})` : `${place.file}:${place.line}`);
  }
  return all;
}

/** An error as one line: what it is, then where. */
export function describe(error) {
  if (!(error instanceof Error)) return `${show(error)} (no error was thrown but this value, so there is no place: throw new Error(…))`;
  const where = frames(error.stack);
  const cause = error.cause === undefined ? '' : `; caused by ${describe(error.cause)}`;
  return `${error.name}: ${error.message}${where.length ? ` at ${where.join(' < ')}` : ''}${cause}`;
}

/** A value for a person. */
export function show(value) {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return describe(value);
  if (value instanceof Uint8Array) return `Uint8Array(${value.length}) ${JSON.stringify(text(value.subarray(0, 80)))}`;
  if (typeof value === 'function') return `function ${value.name || 'without a name'}`;
  if (typeof value === 'bigint' || typeof value === 'symbol') return value.toString();
  if (value instanceof Map) return `Map ${show([...value])}`;
  if (value instanceof Set) return `Set ${show([...value])}`;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

/** What a value is called in a message: `number`, `null`, `Array`. */
export function kindOf(value) {
  if (value === null || value === undefined) return String(value);
  return typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value;
}
