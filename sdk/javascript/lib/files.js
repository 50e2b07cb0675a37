// Files that go out without entering the plugin, and changes of files.
import * as host from './host.js';
import { enter, needHost, u32 } from './calls.js';
import { HostError, ask } from './errors.js';
import { Promise } from './promise.js';

const countOf = (bytes) => ({ high: u32(Math.floor(bytes / 4294967296)), low: u32(bytes % 4294967296) });
const sizeOf = ({ high, low }) => high * 4294967296 + low;

const partOf = ({ offset = 0, length } = {}) => ({ offset: countOf(offset), length: length === undefined ? null : countOf(length) });

/** Promises of files by connection and number. */
function follow(connection, path, call) {
  const id = ask(`sendFile ${path}`, call);
  const answer = Promise.withResolvers();
  (connection.files ??= new Map()).set(id, { ...answer, path });
  // Whoever does not wait for it sees the end in unbind().
  answer.promise.catch(() => {});
  return answer.promise;
}

export const sendFile = (connection, path, part) =>
  follow(connection, path, () => host.files.sendFile(connection.socket, path, partOf(part)));

export const sendVersion = (connection, path, { size, seconds, nanoseconds }, part) =>
  follow(connection, path, () =>
    host.fileVersions.sendVersion(connection.socket, path, partOf(part), {
      size: countOf(size),
      seconds: u32(seconds),
      nanoseconds,
    }),
  );

export const filesHandler = {
  fileSent(on, id, outcome) {
    const file = on.it.files?.get(id);
    on.it.files?.delete(id);
    if (!file) return;
    enter(`the end of the file ${file.path}`, () => {
      if (outcome.tag === 'ok') file.resolve(sizeOf(outcome.val));
      else file.reject(new HostError(`sendFile ${file.path}`, outcome.val));
    });
  },
};

const watches = new Map();

class Watch {
  constructor(id) {
    this.id = id;
  }

  unwatch() {
    watches.delete(this.id);
    host.watching.unwatch(u32(this.id));
  }

  cancel() {
    this.unwatch();
  }
}

export function watchFile(path, actions) {
  needHost('watchFile');
  const id = ask(`watchFile ${path}`, () => host.watching.watchFile(path));
  watches.set(id, actions);
  return new Watch(id);
}

const told =
  (name, last = false) =>
  (id, error) => {
    const action = watches.get(id)?.[name];
    if (last) watches.delete(id);
    if (action) enter(`${name} of a watch`, () => action(error));
  };

export const watchHandler = {
  fileModified: told('modified'),
  fileMoved: told('moved'),
  fileDeleted: told('deleted', true),
  watchEnded: told('ended', true),
};
