// Deferred work: operations that a worker does, off the loop, in a sandbox of their own.
import * as host from './host.js';
import { enter, enterForAnswer, needHost } from './calls.js';
import { HostError, codeOf } from './errors.js';
import { Promise } from './promise.js';
import { encode, text } from './text.js';

/** Why an operation gave nothing. */
export class OperationError extends Error {
  constructor(name, { tag, val }) {
    super(tag === 'failed' ? val : `the operation ${name} gave nothing: ${tag}`);
    this.name = 'OperationError';
    this.kind = tag;
  }
}

const jobs = new Map();
let names = [];
let table = {};

/** What `plugin` was given. */
export function setOperations(operations) {
  table = operations;
  names = Object.keys(operations);
}

/** Bytes go over as they are, behind a 0; anything else as JSON, behind a 1. */
function pack(value) {
  const [mark, body] = value instanceof Uint8Array ? [0, value] : [1, encode(JSON.stringify(value) ?? 'null')];
  const bytes = new Uint8Array(body.length + 1);
  bytes[0] = mark;
  bytes.set(body, 1);
  return bytes;
}

const unpack = (bytes) => (bytes[0] === 0 ? bytes.slice(1) : JSON.parse(text(bytes.subarray(1))));

export function defer(name, argument, callback, errback) {
  needHost('defer');
  const number = names.indexOf(name);
  if (number < 0) throw new Error(`defer: there is no operation ${name}: plugin({ … }, { operations: { ${name}(argument) { … } } }) has it; there ${names.length ? `are ${names.join(', ')}` : 'is none'}`);
  const answer = Promise.withResolvers();
  try {
    jobs.set(host.deferred.defer(number, pack(argument)), { name, ...answer });
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    answer.reject(new HostError(`defer ${name}`, code));
  }
  return callback || errback ? void answer.promise.then(callback, errback) : answer.promise;
}

export const operations = {
  run(number, argument) {
    const name = names[number];
    return enterForText(name, () => table[name](unpack(argument)));
  },
};

/** The text of an error is its answer. */
function enterForText(name, action) {
  let failed;
  const answer = enterForAnswer(`the operation ${name}`, () => {
    try {
      const value = action();
      return value?.then ? value.then(pack, (error) => ((failed = error), pack(null))) : pack(value);
    } catch (error) {
      failed = error;
      return pack(null);
    }
  });
  if (failed !== undefined) throw new Error(failed instanceof Error ? failed.message : String(failed));
  return answer;
}

export const deferredHandler = {
  completed(id, outcome) {
    const job = jobs.get(id);
    jobs.delete(id);
    if (!job) return;
    enter(`the answer of the operation ${job.name}`, () => {
      if (outcome.tag === 'ok') job.resolve(unpack(outcome.val));
      else job.reject(new OperationError(job.name, outcome.val));
    });
  },
};
