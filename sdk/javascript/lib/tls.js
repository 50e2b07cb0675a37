// TLS on a connection.
import * as host from './host.js';
import { enter, enterForAnswer } from './calls.js';
import { ask } from './errors.js';

/** `serverName` makes it the side that begins, `profile` alone the side that shows a certificate. */
export function startTls(connection, { serverName, profile, alpn = [], verification = 'host' } = {}) {
  const role =
    serverName === undefined
      ? { tag: 'server', val: { profile: needProfile(profile), alpn, verification } }
      : { tag: 'client', val: { serverName, profile: profile ?? null, alpn, verification } };
  ask(`startTls as ${role.tag}${profile ? ` with the profile ${profile}` : ''}`, () => host.tls.startTls(connection.socket, role));
}

function needProfile(profile) {
  if (typeof profile === 'string') return profile;
  throw new TypeError("startTls takes { profile } for a server's side, the NAME of [plugins.….tls.NAME], or { serverName } for a client's");
}

export const tlsHandler = {
  completed(of) {
    enter(of.name('tlsCompleted'), () => of.it.tlsCompleted());
  },
  verifyPeer: (of, chain) => Boolean(enterForAnswer(of.name('verifyPeer'), () => of.it.verifyPeer(chain))),
};
