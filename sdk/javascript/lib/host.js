// What the host offers, one name for each interface of the contract. Nothing else imports `sandloop:plugin`, so that a test
// puts another host in its place.
export * as channels from 'sandloop:plugin/channels';
export * as datagrams from 'sandloop:plugin/datagrams';
export * as deferred from 'sandloop:plugin/deferred';
export * as fileVersions from 'sandloop:plugin/file-versions';
export * as files from 'sandloop:plugin/files';
export * as listeners from 'sandloop:plugin/listeners';
export * as log from 'sandloop:plugin/log';
export * as options from 'sandloop:plugin/options';
export * as processes from 'sandloop:plugin/processes';
export * as proxying from 'sandloop:plugin/proxying';
export * as queues from 'sandloop:plugin/queues';
export * as random from 'wasi:random/random';
export * as reactor from 'sandloop:plugin/reactor';
export * as socketOptions from 'sandloop:plugin/socket-options';
export * as sockets from 'sandloop:plugin/sockets';
export * as timers from 'sandloop:plugin/timers';
export * as tls from 'sandloop:plugin/tls';
export * as watching from 'sandloop:plugin/watching';
