// sandloop.h: plugins for Sandloop in C, without a generator: this file is all there is to it.
//
//     #define SANDLOOP_IMPLEMENTATION        // in one file of the plugin
//     #include "sandloop.h"
//
//     static void receive_data(sl_conn *c, const uint8_t *data, size_t size) { sl_send(c, data, size); }
//
//     SL_HANDLERS({.name = "echo", .receive_data = receive_data});
//
// The names are EventMachine's. One callback runs at a time in a sandbox, never inside another one, and nothing here blocks.
//
// What a connection registers ends with it: a timer, tick, subscription, pop, watch, job or process whose `context` is a connection
// (or its `state`) is forgotten when the connection has had its `unbind`, so that nothing is called with what is gone.
//
// C11 or C++17, clang for wasm32 with a C library. What a plugin does not call is not in its component. The macros:
//
//     SANDLOOP_IMPLEMENTATION   the functions are in this file
//     SANDLOOP_MINIMAL          the plugin exports its handler and nothing else: no timers, ticks, deferred work, channels, …
//
// This file has the contract's binary interface written by hand; a test of Sandloop compares it with wit/.

#ifndef SANDLOOP_H
#define SANDLOOP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define SL__END {}
#else
#define SL__END {0}
#endif

// The contract that the names of imports and exports carry.
#define SL__CONTRACT "0.1.1"
#define SL__IMPORT(interface, function) \
  __attribute__((import_module("sandloop:plugin/" interface "@" SL__CONTRACT), import_name(function)))
#define SL__EXPORT(interface, function) \
  __attribute__((export_name("sandloop:plugin/" interface "@" SL__CONTRACT "#" function), weak))
#define SL__EXPORT_END(interface, function) \
  __attribute__((export_name("cabi_post_sandloop:plugin/" interface "@" SL__CONTRACT "#" function), weak))
#define SL__PRINTF(text, first) __attribute__((format(printf, text, first)))

// ---- Vocabulary -------------------------------------------------------------------------------------------------------

// Why the host refused something; 0 is no error. `sl_error_text` has words.
typedef enum sl_error {
  SL_OK = 0,
  SL_CLOSED,            // the connection, or the process, is gone
  SL_CLOSING,           // a close was asked for earlier, or the write side was closed
  SL_OUTBOX_FULL,       // there is no room for these bytes; none of them was taken
  SL_DENIED,            // plugins.toml does not allow it: the log names the line that would; or the reactor does not run
  SL_LIMIT,             // a count is at its limit
  SL_INVALID_ARGUMENT,  // an empty host name, port 0, a zero interval, …
  SL_UNSUPPORTED        // this kind of socket, or this component, cannot do it
} sl_error;

// Why a connection ended. `sl_close_reason_text` has the contract's word for it.
typedef enum sl_close_reason {
  SL_REASON_PEER_CLOSED,
  SL_REASON_CLOSED,              // this plugin closed it
  SL_REASON_STOPPED,             // the reactor is stopping
  SL_REASON_REFUSED,             // outgoing: nobody listens there
  SL_REASON_CONNECT_TIMEOUT,     // outgoing: no answer in time
  SL_REASON_NAME_NOT_FOUND,      // outgoing: the name has no address
  SL_REASON_UNREACHABLE,         // outgoing: no route
  SL_REASON_INACTIVITY_TIMEOUT,  // see sl_set_comm_inactivity_timeout
  SL_REASON_RESET,
  SL_REASON_LIMIT,               // the close deadline, or that of the TLS handshake
  SL_REASON_FAILED
} sl_close_reason;

// The contract's code and what to do about it, such as "denied: plugins.toml does not allow it; …".
const char *sl_error_text(sl_error error);
// The contract's word, such as "peer-closed".
const char *sl_close_reason_text(sl_close_reason reason);

// Bytes of somebody else's: they hold during the call that gives them.
typedef struct sl_bytes {
  const uint8_t *data;
  size_t size;
} sl_bytes;

// What was registered: a timer, a subscription, a pop, a watch. 0 is none. One that has ended is never another one's.
typedef uint64_t sl_handle;

typedef enum sl_address_kind { SL_TCP, SL_UDP, SL_UNIX } sl_address_kind;

// One end of a connection: an IP address and a port, or the path of a Unix socket, which may be empty.
typedef struct sl_address {
  sl_address_kind kind;
  uint16_t port;
  char host[112];
} sl_address;

// ---- Connections ------------------------------------------------------------------------------------------------------

typedef struct sl_conn sl_conn;

// How a connection comes to its end when the host stops or its plugin is replaced.
typedef enum sl_drain {
  SL_WHEN_IDLE,    // the host closes it once nothing of it is under way
  SL_UNTIL_CLOSED  // it goes on until the plugin closes it
} sl_drain;

// A kind of connection: what is called with what happens. Whatever is left out does nothing.
typedef struct sl_handler {
  // What `handler` of a [[listen]] section names; the only handler needs no name there.
  const char *name;
  // Bytes of the plugin's own for each connection, zeroed, at `state`.
  size_t size;
  // The connection exists. First, once. An outgoing one is not connected yet; what it sends here is sent when it is.
  void (*post_init)(sl_conn *c);
  // Outgoing only: the connection is made.
  void (*connection_completed)(sl_conn *c);
  // Bytes from the peer: at least one, in order, cut anywhere.
  void (*receive_data)(sl_conn *c, const uint8_t *data, size_t size);
  // In place of receive_data: a line without its "\n" or "\r\n", with a 0 in the place of it. The bytes may be written to.
  void (*receive_line)(sl_conn *c, char *line, size_t size);
  // Bytes that a line may have, 16 KiB where it is 0. A longer one closes the connection with a line in the log.
  size_t max_line;
  // The outbox has room again after it was full: a good moment to send more.
  void (*drained)(sl_conn *c);
  // The connection has ended. Last, once.
  void (*unbind)(sl_conn *c, sl_close_reason reason);
  // TLS is there, by sl_start_tls or a tls:// listener.
  void (*tls_completed)(sl_conn *c);
  // Whether the peer is taken, by its certificate and those that lead to its authority, as DER. Without it: no.
  bool (*verify_peer)(sl_conn *c, const sl_bytes *chain, size_t count);
  // The connection is to end within so many milliseconds: a place to tell the peer. Without it: SL_WHEN_IDLE.
  sl_drain (*draining)(sl_conn *c, uint32_t milliseconds);
  // The connection that this one was proxied to has ended.
  void (*proxy_target_unbound)(sl_conn *c);
  // As many bytes as were to be proxied have gone over.
  void (*proxy_completed)(sl_conn *c);
} sl_handler;

// One connection. It is the plugin's from post_init to unbind; to use it later ends the sandbox with a line that says so.
struct sl_conn {
  // `size` bytes of the plugin's own, or NULL.
  void *state;
  // What sl_connect was given; NULL for a connection that was accepted.
  void *context;
  const sl_handler *handler;
  // In post_init of an accepted connection: where it was accepted, `tcp://127.0.0.1:10000`. NULL otherwise.
  const char *listener;
  // The rest is the SDK's.
  uint32_t sl__alive;
  int32_t sl__socket;
  struct sl__pair *sl__options;
  size_t sl__option_count;
  struct sl__entry *sl__owned, *sl__chain;
  char *sl__line;
  size_t sl__line_size, sl__line_room;
  int32_t sl__old_socket;
  uint8_t sl__again;
};

// The plugin's handlers: `SL_HANDLERS({.name = "echo", .receive_data = receive_data}, {.name = "chat", …});`
#define SL_HANDLERS(...) const sl_handler sl_handlers[] = {__VA_ARGS__, SL__END}
extern const sl_handler sl_handlers[] __attribute__((weak));

// Sends bytes, in order, never blocking. On a connection that is closed or closing it does nothing. Where the outbox is full the
// connection is closed and the log says so: a stream with a hole in it is worse than none.
void sl_send(sl_conn *c, const void *data, size_t size);
// Sends a string.
void sl_puts(sl_conn *c, const char *text);
// Sends formatted text.
void sl_sendf(sl_conn *c, const char *format, ...) SL__PRINTF(2, 3);
// As sl_send, and nothing happens on an error: SL_CLOSED, SL_CLOSING, SL_OUTBOX_FULL.
sl_error sl_try_send(sl_conn *c, const void *data, size_t size);
// Closes without waiting for the outbox. `unbind` follows after this callback.
void sl_close(sl_conn *c);
// Closes once the outbox is empty, or at the close deadline.
void sl_close_after_writing(sl_conn *c);
// Ends the write side once the outbox is empty; reading goes on. SL_CLOSED, SL_CLOSING.
sl_error sl_half_close(sl_conn *c);
// Whether the connection stays open for writing when the peer has ended its side; false at first.
void sl_keep_half_open(sl_conn *c, bool keep);
// Whether the peer has ended its side.
bool sl_peer_finished(sl_conn *c);
// Stops and starts reading; the peer feels it.
void sl_pause(sl_conn *c);
void sl_resume(sl_conn *c);
bool sl_is_paused(sl_conn *c);
// The other end, and this one. False when it is not connected.
bool sl_peer_address(sl_conn *c, sl_address *address);
bool sl_local_address(sl_conn *c, sl_address *address);
// Closes after so many milliseconds without a byte in either direction; 0, the default, never.
void sl_set_comm_inactivity_timeout(sl_conn *c, uint32_t milliseconds);
uint32_t sl_comm_inactivity_timeout(sl_conn *c);
// Outgoing: how long connecting may take, 20,000 milliseconds at first. SL_INVALID_ARGUMENT for 0.
sl_error sl_set_pending_connect_timeout(sl_conn *c, uint32_t milliseconds);
uint32_t sl_pending_connect_timeout(sl_conn *c);
// Bytes that wait in the outbox.
uint32_t sl_outbound_data_size(sl_conn *c);
// Milliseconds since something was read or written.
uint32_t sl_idle_time(sl_conn *c);
// The number that the log gives this connection.
uint32_t sl_id(sl_conn *c);
// In post_init: an option of the [[listen]] section, or NULL. It holds until post_init returns.
const char *sl_listener_option(sl_conn *c, const char *key);

// Starts an outgoing TCP connection to a name or an IP address. Its `post_init` is called after this callback has returned, with
// `context` in the connection; then `connection_completed`, or `unbind` with the reason. The handler is a constant, and need not be
// one of SL_HANDLERS.
// SL_DENIED (not in `allow.connect`), SL_LIMIT, SL_INVALID_ARGUMENT.
sl_error sl_connect(const char *host, uint16_t port, const sl_handler *handler, void *context);
// The same to the path of a Unix stream socket.
sl_error sl_connect_unix(const char *path, const sl_handler *handler, void *context);
// The same as sl_connect to `host:port` or `[address]:port`, as an option has it.
sl_error sl_connect_to(const char *host_and_port, const sl_handler *handler, void *context);
// The same from an address of this machine that `allow.listen` lists; port 0 is one of the system's choice.
sl_error sl_bind_connect(const char *local_host, uint16_t local_port, const char *host, uint16_t port,
                         const sl_handler *handler, void *context);
// Connects again with the same state, for the `unbind` of a connection and nowhere else. Its post_init is not called again.
// As sl_connect.
sl_error sl_reconnect(sl_conn *c, const char *host, uint16_t port);
// The connections of this sandbox, with its listeners and datagram sockets.
uint32_t sl_connection_count(void);

// Has the system probe a peer that says nothing, times in seconds; 0 leaves each as the system has it.
// SL_CLOSED, SL_INVALID_ARGUMENT, SL_UNSUPPORTED.
sl_error sl_enable_keepalive(sl_conn *c, uint32_t idle, uint32_t interval, uint32_t count);
sl_error sl_disable_keepalive(sl_conn *c);
typedef struct sl_probes {
  uint32_t idle, interval, count;
} sl_probes;
// What the socket has now; false where it does not probe.
bool sl_keepalive(sl_conn *c, sl_probes *probes);
// Whether small pieces go out at once, as at first. SL_CLOSED, SL_UNSUPPORTED.
sl_error sl_set_nodelay(sl_conn *c, bool nodelay);
bool sl_nodelay(sl_conn *c);

// ---- TLS --------------------------------------------------------------------------------------------------------------

// Who decides whether the peer's certificate is taken.
typedef enum sl_verification { SL_VERIFY_HOST, SL_VERIFY_HOST_AND_PLUGIN, SL_VERIFY_PLUGIN } sl_verification;

// `{.profile = "server"}` waits for a client; `{.server_name = "example.org"}` begins, as a client.
typedef struct sl_tls {
  const char *server_name;  // client: the name that the certificate must be for
  const char *profile;      // of plugins.toml; a client may have none
  const char *const *alpn;  // protocols, the best first
  size_t alpn_count;
  sl_verification verification;
} sl_tls;

// Goes on with TLS once what was sent has gone out in plain. The handshake's end is told to `tls_completed` or `unbind`.
// SL_CLOSED, SL_CLOSING, SL_UNSUPPORTED, SL_DENIED (the profile), SL_INVALID_ARGUMENT, SL_LIMIT.
sl_error sl_start_tls(sl_conn *c, const sl_tls *tls);

typedef struct sl_tls_session {
  bool is_tls13;  // or 1.2
  bool resumed;
  uint32_t cipher_bits;
  char cipher[64];
  char alpn[256];         // empty where none was chosen
  char server_name[256];  // empty where none was asked for
} sl_tls_session;
// False before the handshake is complete.
bool sl_get_tls_session(sl_conn *c, sl_tls_session *session);

// The peer's certificates as DER, or NULL; `free` it.
sl_bytes *sl_peer_certificates(sl_conn *c, size_t *count);

// How the peer's stream has ended: not yet, with a word, or cut.
typedef enum sl_stream_end { SL_STREAM_OPEN, SL_STREAM_SAID, SL_STREAM_CUT } sl_stream_end;
sl_stream_end sl_end_of_stream(sl_conn *c);

typedef enum sl_tls_failure_kind {
  SL_TLS_UNKNOWN_AUTHORITY,
  SL_TLS_EXPIRED,
  SL_TLS_WRONG_NAME,
  SL_TLS_BAD_CERTIFICATE,
  SL_TLS_NO_CERTIFICATE,
  SL_TLS_NOT_TAKEN,
  SL_TLS_REFUSED,
  SL_TLS_NOTHING_IN_COMMON,
  SL_TLS_NOT_TLS,
  SL_TLS_CUT,
  SL_TLS_TOO_LATE,
  SL_TLS_OTHER
} sl_tls_failure_kind;
typedef struct sl_tls_failure {
  sl_tls_failure_kind kind;
  char words[256];
} sl_tls_failure;
// In unbind: why the handshake failed. False where it did not.
bool sl_get_tls_failure(sl_conn *c, sl_tls_failure *failure);

// ---- Files and proxying: bytes that do not enter the plugin -------------------------------------------------------------

typedef enum sl_file_error {
  SL_FILE_OK = 0,
  SL_FILE_CLOSED,
  SL_FILE_CLOSING,
  SL_FILE_DENIED,
  SL_FILE_NOT_FOUND,
  SL_FILE_NOT_A_FILE,
  SL_FILE_LIMIT,
  SL_FILE_CHANGED,
  SL_FILE_FAILED,
  SL_FILE_UNSUPPORTED
} sl_file_error;
const char *sl_file_error_text(sl_file_error error);

#define SL_TO_END UINT64_MAX

// What the file system says of a file, and says otherwise after a change.
typedef struct sl_file_version {
  uint64_t size;
  uint32_t seconds, nanoseconds;  // of the last change, since 1970
} sl_file_version;

// Has a file, or `length` bytes of it from `offset`, go out behind what was sent before. `sent` is called once, with the bytes that
// went out; it may be NULL. `version` is what the file has to be still, or NULL.
// SL_FILE_CLOSED, _CLOSING, _DENIED, _LIMIT, _UNSUPPORTED, _NOT_FOUND; the others come with `sent`.
sl_file_error sl_send_file(sl_conn *c, const char *path, uint64_t offset, uint64_t length,
                           void (*sent)(void *context, sl_file_error error, uint64_t bytes), void *context);
sl_file_error sl_send_file_version(sl_conn *c, const char *path, uint64_t offset, uint64_t length,
                                   const sl_file_version *version,
                                   void (*sent)(void *context, sl_file_error error, uint64_t bytes), void *context);

typedef enum sl_proxy_error {
  SL_PROXY_OK = 0,
  SL_PROXY_SOURCE_CLOSED,
  SL_PROXY_TARGET_CLOSED,
  SL_PROXY_ITSELF,
  SL_PROXY_ALREADY,
  SL_PROXY_BUSY_TARGET,
  SL_PROXY_UNSUPPORTED
} sl_proxy_error;
const char *sl_proxy_error_text(sl_proxy_error error);

// Has what comes on `c` go to `target`. `buffer`: bytes that may wait there, 0 for the default; `bytes`: after so many it stops, 0
// for no end.
sl_proxy_error sl_proxy_incoming_to(sl_conn *c, sl_conn *target, uint32_t buffer, uint64_t bytes);
void sl_stop_proxying(sl_conn *c);
uint64_t sl_get_proxied_bytes(sl_conn *c);

// ---- Listeners and datagrams of the plugin's own --------------------------------------------------------------------------

typedef enum sl_listen_error {
  SL_LISTEN_OK = 0,
  SL_LISTEN_DENIED,
  SL_LISTEN_IN_USE,
  SL_LISTEN_INVALID_ADDRESS,
  SL_LISTEN_UNAVAILABLE,
  SL_LISTEN_FORBIDDEN,
  SL_LISTEN_LIMIT,
  SL_LISTEN_TOO_LARGE,
  SL_LISTEN_FAILED
} sl_listen_error;
const char *sl_listen_error_text(sl_listen_error error);

typedef struct sl_option_value {
  const char *key, *value;
} sl_option_value;

typedef struct sl_listener {
  uint32_t id;
  sl_address address;  // port 0 has become the real one
} sl_listener;

// Listens at an address that `allow.listen` lists. `handler` is a name of SL_HANDLERS; `options` is what each connection is given.
sl_listen_error sl_start_server(sl_address_kind kind, const char *host_or_path, uint16_t port, const char *handler,
                                const sl_option_value *options, size_t option_count, sl_listener *listener);
void sl_stop_server(uint32_t id);

// Opens a UDP socket, which is one connection whoever its peers are: receive_data is called with each datagram, sl_send answers.
// `local` is where it is open, and may be NULL.
sl_listen_error sl_open_datagram_socket(const char *host, uint16_t port, const sl_handler *handler, void *context,
                                        sl_address *local);
// Sends one datagram to an IP address. SL_DENIED, SL_INVALID_ARGUMENT, SL_OUTBOX_FULL, SL_CLOSED, SL_CLOSING, SL_UNSUPPORTED.
sl_error sl_send_datagram(sl_conn *c, const void *data, size_t size, const char *host, uint16_t port);

// ---- The reactor ------------------------------------------------------------------------------------------------------

// Ends the host's loops after this turn; needs `allow.stop = true`, and without it the log says so.
void sl_stop(void);
// SL_DENIED.
sl_error sl_try_stop(void);
// False in `prepare` and `stopped`.
bool sl_is_running(void);

#ifndef SANDLOOP_MINIMAL

// Calls `fired` once after so many milliseconds; 0 is the next turn. 0, and a line in the log, at the limit of timers.
sl_handle sl_timer(uint32_t milliseconds, void (*fired)(void *context), void *context);
// Calls it every so many milliseconds, counted from the end of one call to the next.
sl_handle sl_periodic_timer(uint32_t milliseconds, void (*fired)(void *context), void *context);
// Forgets a timer of either kind; one that has ended is ignored.
void sl_cancel_timer(sl_handle timer);
// Calls `tick` when this turn's events are done. False, and a line in the log, at the limit of ticks.
bool sl_next_tick(void (*tick)(void *context), void *context);

// ---- Work that takes long, off the loop -------------------------------------------------------------------------------

typedef struct sl_job sl_job;
// An operation runs on a worker, in a sandbox without connections: it sees nothing of the plugin's variables.
typedef void sl_operation(sl_job *job, const uint8_t *argument, size_t size);
// In an operation: its result, and its error. The last call counts; the bytes are copied.
void sl_succeed(sl_job *job, const void *result, size_t size);
void sl_fail(sl_job *job, const char *text);

typedef enum sl_failure {
  SL_DONE = 0,
  SL_FAILED,       // the operation called sl_fail
  SL_TRAPPED,      // it trapped; the log has the backtrace
  SL_TOO_LONG,     // cpu_per_operation or operation_deadline
  SL_TOO_LARGE,    // the result is larger than a message may be
  SL_UNAVAILABLE   // no sandbox could be made for it
} sl_failure;
// Has a worker do it, then calls `done` with the result, or with the words of the failure.
// SL_LIMIT (jobs, or the argument is too large), SL_DENIED (in an operation).
sl_error sl_defer(sl_operation *operation, const void *argument, size_t size,
                  void (*done)(void *context, sl_failure failure, const uint8_t *data, size_t size), void *context);

// ---- Channels and queues: between sandboxes, by name ------------------------------------------------------------------

typedef void sl_message(void *context, const uint8_t *message, size_t size);
// Calls `heard` with every message that is pushed from now on. 0, and a line in the log, at the limit or for a bad name.
sl_handle sl_subscribe(const char *channel, sl_message *heard, void *context);
void sl_unsubscribe(sl_handle subscription);
// Pushes to all subscribers of the channel. At the bound the message is lost and the log says so.
void sl_push(const char *channel, const void *message, size_t size);
// Pushes to all but this subscription, to its channel.
void sl_push_to_others(sl_handle subscription, const void *message, size_t size);
// SL_LIMIT, SL_INVALID_ARGUMENT, SL_DENIED. `except` may be 0.
sl_error sl_try_push(const char *channel, const void *message, size_t size, sl_handle except);
uint32_t sl_num_subscribers(const char *channel);

// Adds an item at the queue's end. SL_LIMIT (it was not taken), SL_INVALID_ARGUMENT, SL_DENIED.
sl_error sl_queue_push(const char *queue, const void *item, size_t size);
// Calls `popped` with one item, once. 0, and a line in the log, at the limit or for a bad name.
sl_handle sl_queue_pop(const char *queue, sl_message *popped, void *context);
void sl_queue_cancel_pop(sl_handle pop);
uint32_t sl_queue_size(const char *queue);
uint32_t sl_queue_num_waiting(const char *queue);

// ---- Processes: sandboxes of the plugin's own making ------------------------------------------------------------------

typedef struct sl_process {
  uint32_t id;  // holds in the whole tenant: others may be told it
  void *state;
} sl_process;
typedef struct sl_process_class {
  const char *name;
  size_t size;  // of `state`, zeroed
  // NULL, or an error's text, which ends it.
  const char *(*spawned)(sl_process *process, const uint8_t *argument, size_t size);
  void (*notified)(sl_process *process, const uint8_t *message, size_t size);
} sl_process_class;
// What this plugin's processes are: `SL_PROCESSES({.name = "counter", .notified = notified});`
#define SL_PROCESSES(...) const sl_process_class sl_processes[] = {__VA_ARGS__, SL__END}
extern const sl_process_class sl_processes[] __attribute__((weak));

typedef enum sl_exit_reason { SL_EXIT_FINISHED, SL_EXIT_KILLED, SL_EXIT_TRAPPED, SL_EXIT_UNAVAILABLE } sl_exit_reason;
// Starts a process of this plugin, or of `plugin` where that is not NULL. `exited` may be NULL. `process` is its id.
// SL_DENIED, SL_LIMIT, SL_INVALID_ARGUMENT, SL_UNSUPPORTED.
sl_error sl_spawn(const char *plugin, const char *name, const void *argument, size_t size,
                  void (*exited)(void *context, uint32_t process, sl_exit_reason reason), void *context, uint32_t *process);
// Puts a message into its mailbox. SL_CLOSED (there is no such process), SL_LIMIT.
sl_error sl_notify(uint32_t process, const void *message, size_t size);
void sl_kill(uint32_t process);
// Ends the process that this is.
void sl_exit(void);

// ---- Watching files ---------------------------------------------------------------------------------------------------

typedef enum sl_watch_event { SL_FILE_MODIFIED, SL_FILE_MOVED, SL_FILE_DELETED, SL_WATCH_ENDED } sl_watch_event;
typedef enum sl_watch_error {
  SL_WATCH_OK = 0,
  SL_WATCH_DENIED,
  SL_WATCH_NOT_FOUND,
  SL_WATCH_UNSUPPORTED,
  SL_WATCH_LIMIT,
  SL_WATCH_FAILED
} sl_watch_error;
const char *sl_watch_error_text(sl_watch_error error);
// Calls `changed` for what becomes of the file or folder; `error` is for SL_WATCH_ENDED. `watch` may be NULL.
sl_watch_error sl_watch_file(const char *path,
                             void (*changed)(void *context, sl_watch_event event, sl_watch_error error), void *context,
                             sl_handle *watch);
void sl_unwatch(sl_handle watch);

#endif  // SANDLOOP_MINIMAL

// ---- Log and options --------------------------------------------------------------------------------------------------

typedef enum sl_level { SL_TRACE, SL_DEBUG, SL_INFO, SL_WARN, SL_ERROR } sl_level;
// A line in the operator's log.
void sl_log(sl_level level, const char *text, size_t size);
void sl_logf(sl_level level, const char *format, ...) SL__PRINTF(2, 3);
#define sl_trace(...) sl_logf(SL_TRACE, __VA_ARGS__)
#define sl_debug(...) sl_logf(SL_DEBUG, __VA_ARGS__)
#define sl_info(...) sl_logf(SL_INFO, __VA_ARGS__)
#define sl_warn(...) sl_logf(SL_WARN, __VA_ARGS__)
#define sl_err(...) sl_logf(SL_ERROR, __VA_ARGS__)

// An option of [plugins.NAME.options], or NULL; `free` it.
char *sl_option(const char *key);
// Every option, the count in `count`, or NULL; `free` it.
sl_option_value *sl_options(size_t *count);

// ---- The program around the connections -------------------------------------------------------------------------------

// `SL_PROGRAM(.start = start);` makes the plugin a program, which the host starts whether or not it has connections; it needs
// `isolation = "plugin"`. `prepare` and `start` return NULL, or an error's text: that of `prepare` stops the host's start.
//
// When the plugin is replaced, `save` may call `sl_save` with what the next version is to have, at most as much as a message may
// be; that gets it by `restore`, between `prepare` and `start`, and returns NULL, or why it cannot take it.
typedef struct sl_state sl_state;
void sl_save(sl_state *state, const void *data, size_t size);
typedef struct sl_program {
  const char *(*prepare)(void);
  const char *(*start)(void);
  void (*stopping)(void);
  void (*stopped)(void);
  void (*save)(sl_state *state);
  const char *(*restore)(const uint8_t *state, size_t size);
} sl_program;
const void *sl__said(const char *error);
void sl__run(void (*step)(void));
const void *sl__saved(void (*save)(sl_state *state));
void sl__saved_end(const void *state);
const void *sl__restored(const char *(*restore)(const uint8_t *state, size_t size), uint8_t *state, size_t size);
#define SL_PROGRAM(...)                                                                                              \
  static const sl_program sl__program = {__VA_ARGS__};                                                               \
  SL__C SL__EXPORT("lifecycle", "prepare") const void *sl__prepare(void);                                            \
  SL__C SL__EXPORT("lifecycle", "start") const void *sl__start(void);                                                \
  SL__C SL__EXPORT("lifecycle", "stopping") void sl__stopping(void);                                                 \
  SL__C SL__EXPORT("lifecycle", "stopped") void sl__stopped(void);                                                   \
  SL__C SL__EXPORT("handover-handler", "save") const void *sl__save(void);                                           \
  SL__C SL__EXPORT_END("handover-handler", "save") void sl__save_end(const void *);                                  \
  SL__C SL__EXPORT("handover-handler", "restore") const void *sl__restore(uint8_t *, size_t);                        \
  const void *sl__prepare(void) { return sl__said(sl__program.prepare ? sl__program.prepare() : NULL); }             \
  const void *sl__start(void) { return sl__said(sl__program.start ? sl__program.start() : NULL); }                   \
  void sl__stopping(void) { sl__run(sl__program.stopping); }                                                         \
  void sl__stopped(void) { sl__run(sl__program.stopped); }                                                           \
  const void *sl__save(void) { return sl__saved(sl__program.save); }                                                 \
  void sl__save_end(const void *state) { sl__saved_end(state); }                                                     \
  const void *sl__restore(uint8_t *state, size_t size) { return sl__restored(sl__program.restore, state, size); }    \
  extern const sl_handler sl_handlers[]
#ifdef __cplusplus
#define SL__C extern "C"
#else
#define SL__C
#endif

// For layers over this header: has what was registered last end with this connection, or with none, and its context given to
// `drop` when it has ended, however it does.
void sl__attach(sl_conn *owner, void (*drop)(void *context));
// A line at `error`, put together of strings up to NULL, and the end of this sandbox.
__attribute__((noreturn)) void sl__die(const char *first, ...);

#ifdef __cplusplus
}
#endif
#endif  // SANDLOOP_H

// ---- Implementation -----------------------------------------------------------------------------------------------------

#if defined(SANDLOOP_IMPLEMENTATION) && !defined(SL__IMPLEMENTED)
#define SL__IMPLEMENTED

#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

// In two files of one plugin this is the one error of the linker: everything else is weak.
char SANDLOOP_IMPLEMENTATION_stands_in_two_files_and_belongs_into_one;

#define SL__WEAK __attribute__((weak))
#define SL__NEW(type) ((type *)sl__allocate(1, sizeof(type)))

// -- what the host offers

SL__IMPORT("sockets", "[method]socket.send-data") void sl__i_send_data(int32_t, const void *, size_t, void *);
SL__IMPORT("sockets", "[method]socket.close-connection") void sl__i_close(int32_t);
SL__IMPORT("sockets", "[method]socket.close-connection-after-writing") void sl__i_close_after(int32_t);
SL__IMPORT("sockets", "[method]socket.half-close") void sl__i_half_close(int32_t, void *);
SL__IMPORT("sockets", "[method]socket.keep-half-open") void sl__i_keep_half_open(int32_t, int32_t);
SL__IMPORT("sockets", "[method]socket.peer-finished") int32_t sl__i_peer_finished(int32_t);
SL__IMPORT("sockets", "[method]socket.pause") void sl__i_pause(int32_t);
SL__IMPORT("sockets", "[method]socket.resume") void sl__i_resume(int32_t);
SL__IMPORT("sockets", "[method]socket.is-paused") int32_t sl__i_is_paused(int32_t);
SL__IMPORT("sockets", "[method]socket.peer-address") void sl__i_peer_address(int32_t, void *);
SL__IMPORT("sockets", "[method]socket.local-address") void sl__i_local_address(int32_t, void *);
SL__IMPORT("sockets", "[method]socket.set-comm-inactivity-timeout") void sl__i_set_inactivity(int32_t, uint32_t);
SL__IMPORT("sockets", "[method]socket.comm-inactivity-timeout") uint32_t sl__i_inactivity(int32_t);
SL__IMPORT("sockets", "[method]socket.set-pending-connect-timeout") void sl__i_set_pending(int32_t, uint32_t, void *);
SL__IMPORT("sockets", "[method]socket.pending-connect-timeout") uint32_t sl__i_pending(int32_t);
SL__IMPORT("sockets", "[method]socket.outbound-data-size") uint32_t sl__i_outbound(int32_t);
SL__IMPORT("sockets", "[method]socket.idle-time") uint32_t sl__i_idle_time(int32_t);
SL__IMPORT("sockets", "[method]socket.id") uint32_t sl__i_id(int32_t);
SL__IMPORT("sockets", "[resource-drop]socket") void sl__i_drop_socket(int32_t);
SL__IMPORT("sockets", "connect")
void sl__i_connect(int32_t, const char *, size_t, int32_t, uint32_t, void *);
SL__IMPORT("socket-options", "set-keepalive")
void sl__i_set_keepalive(int32_t, int32_t, uint32_t, uint32_t, uint32_t, void *);
SL__IMPORT("socket-options", "keepalive") void sl__i_keepalive(int32_t, void *);
SL__IMPORT("socket-options", "set-nodelay") void sl__i_set_nodelay(int32_t, int32_t, void *);
SL__IMPORT("socket-options", "nodelay") int32_t sl__i_nodelay(int32_t);
SL__IMPORT("socket-options", "connect-from")
void sl__i_connect_from(const char *, size_t, int32_t, int32_t, const char *, size_t, int32_t, uint32_t, void *);
SL__IMPORT("socket-options", "connection-count") uint32_t sl__i_connection_count(void);
SL__IMPORT("tls", "start-tls")
void sl__i_start_tls(int32_t, int32_t, const void *, size_t, size_t, size_t, size_t, size_t, size_t, int32_t, void *);
SL__IMPORT("tls", "session") void sl__i_session(int32_t, void *);
SL__IMPORT("tls", "peer-certificates") void sl__i_certificates(int32_t, void *);
SL__IMPORT("tls", "end-of-stream") int32_t sl__i_end_of_stream(int32_t);
SL__IMPORT("tls", "failure") void sl__i_failure(int32_t, void *);
SL__IMPORT("files", "send-file")
void sl__i_send_file(int32_t, const char *, size_t, uint32_t, uint32_t, int32_t, uint32_t, uint32_t, void *);
SL__IMPORT("file-versions", "send-version")
void sl__i_send_version(int32_t, const char *, size_t, uint32_t, uint32_t, int32_t, uint32_t, uint32_t, uint32_t, uint32_t,
                        uint32_t, uint32_t, void *);
SL__IMPORT("proxying", "proxy-incoming-to")
void sl__i_proxy(int32_t, int32_t, uint32_t, uint32_t, uint32_t, void *);
SL__IMPORT("proxying", "stop-proxying") void sl__i_stop_proxying(int32_t);
SL__IMPORT("proxying", "get-proxied-bytes") void sl__i_proxied_bytes(int32_t, void *);
SL__IMPORT("listeners", "start-server")
void sl__i_start_server(int32_t, const char *, size_t, int32_t, const char *, size_t, const void *, size_t, void *);
SL__IMPORT("listeners", "stop-server") void sl__i_stop_server(uint32_t);
SL__IMPORT("datagrams", "open-datagram-socket")
void sl__i_open_datagram(const char *, size_t, int32_t, uint32_t, void *);
SL__IMPORT("datagrams", "send-datagram")
void sl__i_send_datagram(int32_t, const void *, size_t, const char *, size_t, int32_t, void *);
SL__IMPORT("reactor", "stop") void sl__i_stop(void *);
SL__IMPORT("reactor", "is-running") int32_t sl__i_is_running(void);
SL__IMPORT("log", "log") void sl__i_log(int32_t, const char *, size_t);
SL__IMPORT("options", "get") void sl__i_option(const char *, size_t, void *);
SL__IMPORT("options", "all") void sl__i_options(void *);
__attribute__((import_module("[export]sandloop:plugin/handler@" SL__CONTRACT), import_name("[resource-new]connection")))
int32_t sl__i_new(sl_conn *);

// -- memory, words

// As the contract lays them out.
typedef struct sl__string {
  char *data;
  size_t size;
} sl__string;
typedef struct sl__pair {
  sl__string key, value;
} sl__pair;
// `result<_, string>` and `result<list<u8>, string>`.
typedef struct sl__result {
  uint8_t is_error;
  sl__string value;
} sl__result;

SL__WEAK __attribute__((noreturn)) void sl__die(const char *first, ...) {
  char text[512];
  size_t size = 0;
  va_list parts;
  va_start(parts, first);
  for (const char *part = first; part; part = va_arg(parts, const char *)) {
    size_t length = strlen(part), room = sizeof text - size;
    if (length > room) length = room;
    memcpy(text + size, part, length);
    size += length;
  }
  va_end(parts);
  sl__i_log(SL_ERROR, text, size);
  __builtin_trap();
}

static void *sl__allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (!memory) sl__die("out of memory: raise `memory` of the plugin's limits in plugins.toml, or keep less", NULL);
  return memory;
}

// Called by the host for what it hands over. Strings get a 0 behind them, so that they are C's too.
SL__C __attribute__((export_name("cabi_realloc"), weak)) void *sl__realloc(void *, size_t, size_t, size_t);
void *sl__realloc(void *old, size_t old_size, size_t align, size_t size) {
  (void)old_size;
  if (!size) return (void *)align;
  char *memory = (char *)realloc(old, size + 1);
  if (!memory) __builtin_trap();  // the host's line says that it was the limit of memory
  memory[size] = 0;
  return memory;
}

// A string that the host has handed over; an empty one points nowhere.
static char *sl__text(sl__string string) {
  static char empty[1];
  return string.size ? string.data : empty;
}

static void sl__free(const void *data, size_t size) {
  if (size) free((void *)(uintptr_t)data);
}

static void sl__copy(char *to, size_t room, sl__string from) {
  size_t size = from.size < room - 1 ? from.size : room - 1;
  memcpy(to, sl__text(from), size);
  to[size] = 0;
  sl__free(from.data, from.size);
}

static bool sl__is(const char *name, const char *other, size_t size) {
  return strlen(name) == size && memcmp(name, other, size) == 0;
}

// As EventMachine's names of classes are taken: Echo is echo.
static bool sl__is_named(const char *name, const char *other, size_t size) {
  if (strlen(name) != size) return false;
  for (size_t i = 0; i < size; i++) {
    char a = name[i], b = other[i];
    if (a >= 'A' && a <= 'Z') a = (char)(a + 32);
    if (b >= 'A' && b <= 'Z') b = (char)(b + 32);
    if (a != b) return false;
  }
  return true;
}

// The error of a `result` whose payload's bytes are at `at`: 0, or the code and one.
static int sl__error_at(const uint8_t *answer, size_t at) { return answer[0] ? answer[at] + 1 : 0; }

SL__WEAK const char *sl_error_text(sl_error error) {
  static const char *const texts[] = {
      "ok",
      "closed: the connection or process has ended",
      "closing: a close was asked for earlier, so nothing more can be sent",
      "outbox-full: the peer reads too slowly; wait for `drained`, or raise `outbox` in plugins.toml",
      "denied: plugins.toml does not allow it, and the line above names the key that would; or the reactor does not run",
      "limit: as many as the plugin's limits allow; end some, or raise the limit in plugins.toml",
      "invalid-argument: an empty name, port 0, or a number out of range",
      "unsupported: this kind of socket, or a component without the export that is called back, cannot do it",
  };
  return (size_t)error < sizeof texts / sizeof *texts ? texts[error] : "unknown";
}

SL__WEAK const char *sl_close_reason_text(sl_close_reason reason) {
  static const char *const texts[] = {"peer-closed",        "closed",  "stopped", "refused", "connect-timeout", "name-not-found", "unreachable",
                                      "inactivity-timeout", "reset", "limit",   "failed"};
  return (size_t)reason < sizeof texts / sizeof *texts ? texts[reason] : "unknown";
}

SL__WEAK const char *sl_file_error_text(sl_file_error error) {
  static const char *const texts[] = {
      "ok",
      "closed: the connection has ended",
      "closing: a close was asked for earlier",
      "denied: not below a folder of `allow.read` or `allow.write`",
      "not-found: nothing is there",
      "not-a-file: a folder, a pipe, a socket or a device",
      "limit: no file descriptor or no room now; try again when others have been sent",
      "changed: the file is not what it was, or shorter than was asked for",
      "failed: the file system refuses it or fails",
      "unsupported: a datagram's peer has no stream",
  };
  return (size_t)error < sizeof texts / sizeof *texts ? texts[error] : "unknown";
}

SL__WEAK const char *sl_proxy_error_text(sl_proxy_error error) {
  static const char *const texts[] = {
      "ok",
      "source-closed: the source is gone",
      "target-closed: the target is gone or closing",
      "itself: source and target are one connection",
      "already-proxying: sl_stop_proxying ends the other one first",
      "busy-target: another connection is proxied to this target",
      "unsupported: a datagram's peer has no stream",
  };
  return (size_t)error < sizeof texts / sizeof *texts ? texts[error] : "unknown";
}

SL__WEAK const char *sl_listen_error_text(sl_listen_error error) {
  static const char *const texts[] = {
      "ok",
      "denied: `allow.listen` does not list it; or the reactor does not run",
      "in-use: somebody else has the address",
      "invalid-address: a name or an empty path; give an IP address",
      "unavailable: the machine does not have the address, or the path has no folder",
      "forbidden: the system does not let the host have it",
      "limit: as many listeners as the plugin may have",
      "too-large: the handler's name and the options have more than 64 KiB together",
      "failed: the log has the system's words at level debug",
  };
  return (size_t)error < sizeof texts / sizeof *texts ? texts[error] : "unknown";
}

// -- the log, and standard output

SL__WEAK void sl_log(sl_level level, const char *text, size_t size) { sl__i_log(level, text, size); }

// Text that was formatted, to be freed. Its size is in `size`.
static char *sl__format(const char *format, va_list arguments, size_t *size) {
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (length < 0) length = 0;
  char *text = (char *)sl__allocate(1, (size_t)length + 1);
  vsnprintf(text, (size_t)length + 1, format, arguments);
  *size = (size_t)length;
  return text;
}

SL__WEAK void sl_logf(sl_level level, const char *format, ...) {
  size_t size;
  va_list arguments;
  va_start(arguments, format);
  char *text = sl__format(format, arguments, &size);
  va_end(arguments);
  sl__i_log(level, text, size);
  free(text);
}

static void sl__say(const char *what, const char *name, int code) {
  char text[384];
  const char *parts[] = {what, name, ": ", sl_error_text((sl_error)code)};
  size_t size = 0;
  for (size_t i = 0; i < 4; i++) {
    size_t length = strlen(parts[i]), room = sizeof text - size;
    if (length > room) length = room;
    memcpy(text + size, parts[i], length);
    size += length;
  }
  sl__i_log(SL_ERROR, text, size);
}

// Weak: only where the plugin prints is it there. A C library takes the host's for a file and would keep 1,024 bytes.
#undef stdout
extern FILE *const stdout __attribute__((weak));

__attribute__((constructor)) static void sl__line_buffered(void) {
  if (&stdout) setvbuf(stdout, NULL, _IOLBF, 0);
}

// The end of a callback. What was printed without a "\n" at its end is a line too: nobody would see it otherwise.
static void sl__end(void) {
  if (&stdout && __fpending(stdout)) fputc('\n', stdout);
}

// -- what was registered, by the host's numbers

// A kind is where its numbers count.
enum { SL__TIMER, SL__TICK, SL__JOB, SL__SUBSCRIPTION, SL__POP, SL__PROCESS, SL__WATCH, SL__CONNECT, SL__FILE };

typedef struct sl__entry {
  struct sl__entry *chain;           // of the same bucket
  struct sl__entry *next, **before;  // of the same connection
  uint32_t id, serial;
  uint8_t kind, is_running, is_gone, is_again;
  const sl_conn *owner;  // of a file: the connection that it goes out on
  void (*call)(void);
  void *context;
  void (*cancel)(uint32_t id);  // NULL where the host is not told
  void (*drop)(void *context);
  char *name;  // of a subscription's channel
} sl__entry;

static struct {
  sl__entry **buckets;
  uint32_t room, count, serial;
  sl__entry *last;
} sl__entries;

// The live connections, by their addresses: who gives one as a context need not say so.
static struct {
  sl_conn **buckets;
  uint32_t room, count;
} sl__conns;

#define SL__LIVE 0x51bd10f5u

static uint32_t sl__hash(uint32_t a, uint32_t b) {
  uint32_t hash = (a ^ (b << 27)) * 2654435769u;
  return hash ^ (hash >> 15);
}

static sl__entry **sl__bucket(uint32_t kind, uint32_t id) {
  return &sl__entries.buckets[sl__hash(id, kind) & (sl__entries.room - 1)];
}

static sl_conn **sl__conn_bucket(const void *conn) {
  return &sl__conns.buckets[sl__hash((uint32_t)(uintptr_t)conn, 0) & (sl__conns.room - 1)];
}

static void sl__add_conn(sl_conn *c) {
  if (sl__conns.count == sl__conns.room) {
    uint32_t old_room = sl__conns.room;
    sl_conn **old = sl__conns.buckets;
    sl__conns.room = old_room ? old_room * 2 : 1;
    sl__conns.buckets = (sl_conn **)sl__allocate(sl__conns.room, sizeof(sl_conn *));
    for (uint32_t i = 0; i < old_room; i++) {
      for (sl_conn *it = old[i], *next; it; it = next) {
        next = (sl_conn *)it->sl__chain;
        sl_conn **bucket = sl__conn_bucket(it);
        it->sl__chain = (sl__entry *)*bucket;
        *bucket = it;
      }
    }
    free(old);
  }
  sl_conn **bucket = sl__conn_bucket(c);
  c->sl__chain = (sl__entry *)*bucket;
  *bucket = c;
  sl__conns.count++;
}

static void sl__remove_conn(sl_conn *c) {
  for (sl_conn **at = sl__conn_bucket(c); *at; at = (sl_conn **)&(*at)->sl__chain) {
    if (*at != c) continue;
    *at = (sl_conn *)c->sl__chain;
    sl__conns.count--;
    return;
  }
}

// The live connection that this is, or whose state it is.
static sl_conn *sl__conn_of(void *context) {
  if (!context || !sl__conns.room) return NULL;
  void *candidates[] = {context, (char *)context - sizeof(sl_conn)};
  for (int i = 0; i < 2; i++) {
    for (sl_conn *it = *sl__conn_bucket(candidates[i]); it; it = (sl_conn *)it->sl__chain) {
      if (it == candidates[i]) return it;
    }
  }
  return NULL;
}

static void sl__own(sl__entry *e, sl_conn *owner) {
  if (e->before) {
    *e->before = e->next;
    if (e->next) e->next->before = e->before;
    e->before = NULL;
  }
  if (!owner) return;
  e->next = owner->sl__owned;
  if (e->next) e->next->before = &e->next;
  e->before = &owner->sl__owned;
  owner->sl__owned = e;
}

static sl_handle sl__keep(uint8_t kind, uint32_t id, void (*call)(void), void *context, void (*cancel)(uint32_t)) {
  if (sl__entries.count == sl__entries.room) {
    uint32_t old_room = sl__entries.room;
    sl__entry **old = sl__entries.buckets;
    sl__entries.room = old_room ? old_room * 2 : 4;
    sl__entries.buckets = (sl__entry **)sl__allocate(sl__entries.room, sizeof(sl__entry *));
    for (uint32_t i = 0; i < old_room; i++) {
      for (sl__entry *it = old[i], *next; it; it = next) {
        next = it->chain;
        sl__entry **bucket = sl__bucket(it->kind, it->id);
        it->chain = *bucket;
        *bucket = it;
      }
    }
    free(old);
  }
  sl__entry *e = SL__NEW(sl__entry), **bucket = sl__bucket(kind, id);
  if (!++sl__entries.serial) sl__entries.serial = 1;
  e->serial = sl__entries.serial;
  e->kind = kind;
  e->id = id;
  e->call = call;
  e->context = context;
  e->cancel = cancel;
  e->chain = *bucket;
  *bucket = e;
  sl__entries.count++;
  sl__entries.last = e;
  sl__own(e, sl__conn_of(context));
  return ((sl_handle)e->serial << 32) | id;
}

SL__WEAK void sl__attach(sl_conn *owner, void (*drop)(void *context)) {
  sl__entry *e = sl__entries.last;
  e->drop = drop;
  sl__own(e, owner);
}

static sl__entry *sl__find(uint32_t kind, uint32_t id) {
  if (!sl__entries.room) return NULL;
  for (sl__entry *e = *sl__bucket(kind, id); e; e = e->chain) {
    if (e->id == id && e->kind == kind) return e;
  }
  return NULL;
}

// It is known no more; what is running goes on to its end.
static void sl__unlink(sl__entry *e) {
  for (sl__entry **at = sl__bucket(e->kind, e->id); *at; at = &(*at)->chain) {
    if (*at != e) continue;
    *at = e->chain;
    sl__entries.count--;
    break;
  }
  sl__own(e, NULL);
  e->is_gone = 1;
}

static void sl__release(sl__entry *e) {
  if (e->drop) e->drop(e->context);
  free(e->name);
  free(e);
}

static void sl__forget(sl__entry *e) {
  if (!e || e->is_gone) return;
  sl__unlink(e);
  if (e->cancel) e->cancel(e->id);
  if (!e->is_running) sl__release(e);
}

// For what comes once: it is known no more when it is called, since the host may give its number to another one.
static sl__entry *sl__take(uint32_t kind, uint32_t id) {
  sl__entry *e = sl__find(kind, id);
  if (e) sl__unlink(e);
  return e;
}

// -- connections

// The last connections to end are kept for a while, so that a use of them is noticed.
static struct {
  sl_conn *kept[16];
  uint8_t next;
} sl__ended;

static void sl__stale(const sl_conn *c, const char *call) {
  if (!c) sl__die(call, ": there is no connection: the sl_conn is NULL", NULL);
  sl__die(call,
          ": this connection has ended, and its sl_conn with it: forget it in `unbind`, or give it as the context of what you "
          "register, which then ends with it",
          NULL);
}

static int32_t sl__socket(const sl_conn *c, const char *call) {
  if (!c || c->sl__alive != SL__LIVE) sl__stale(c, call);
  return c->sl__socket;
}
#define SL__SOCKET(c) sl__socket(c, __func__)

SL__WEAK sl_error sl_try_send(sl_conn *c, const void *data, size_t size) {
  uint8_t answer[2];
  sl__i_send_data(SL__SOCKET(c), data, size, answer);
  return (sl_error)sl__error_at(answer, 1);
}

SL__WEAK void sl_send(sl_conn *c, const void *data, size_t size) {
  uint8_t answer[2];
  int32_t socket = SL__SOCKET(c);
  sl__i_send_data(socket, data, size, answer);
  if (sl__error_at(answer, 1) != SL_OUTBOX_FULL) return;
  sl__say("the connection is closed: sl_send", "", SL_OUTBOX_FULL);
  sl__i_close(socket);
}

SL__WEAK void sl_puts(sl_conn *c, const char *text) { sl_send(c, text, strlen(text)); }

SL__WEAK void sl_sendf(sl_conn *c, const char *format, ...) {
  size_t size;
  va_list arguments;
  va_start(arguments, format);
  char *text = sl__format(format, arguments, &size);
  va_end(arguments);
  sl_send(c, text, size);
  free(text);
}

SL__WEAK void sl_close(sl_conn *c) { sl__i_close(SL__SOCKET(c)); }
SL__WEAK void sl_close_after_writing(sl_conn *c) { sl__i_close_after(SL__SOCKET(c)); }
SL__WEAK sl_error sl_half_close(sl_conn *c) {
  uint8_t answer[2];
  sl__i_half_close(SL__SOCKET(c), answer);
  return (sl_error)sl__error_at(answer, 1);
}
SL__WEAK void sl_keep_half_open(sl_conn *c, bool keep) { sl__i_keep_half_open(SL__SOCKET(c), keep); }
SL__WEAK bool sl_peer_finished(sl_conn *c) { return sl__i_peer_finished(SL__SOCKET(c)); }
SL__WEAK void sl_pause(sl_conn *c) { sl__i_pause(SL__SOCKET(c)); }
SL__WEAK void sl_resume(sl_conn *c) { sl__i_resume(SL__SOCKET(c)); }
SL__WEAK bool sl_is_paused(sl_conn *c) { return sl__i_is_paused(SL__SOCKET(c)); }
SL__WEAK void sl_set_comm_inactivity_timeout(sl_conn *c, uint32_t milliseconds) {
  sl__i_set_inactivity(SL__SOCKET(c), milliseconds);
}
SL__WEAK uint32_t sl_comm_inactivity_timeout(sl_conn *c) { return sl__i_inactivity(SL__SOCKET(c)); }
SL__WEAK sl_error sl_set_pending_connect_timeout(sl_conn *c, uint32_t milliseconds) {
  uint8_t answer[2];
  sl__i_set_pending(SL__SOCKET(c), milliseconds, answer);
  return (sl_error)sl__error_at(answer, 1);
}
SL__WEAK uint32_t sl_pending_connect_timeout(sl_conn *c) { return sl__i_pending(SL__SOCKET(c)); }
SL__WEAK uint32_t sl_outbound_data_size(sl_conn *c) { return sl__i_outbound(SL__SOCKET(c)); }
SL__WEAK uint32_t sl_idle_time(sl_conn *c) { return sl__i_idle_time(SL__SOCKET(c)); }
SL__WEAK uint32_t sl_id(sl_conn *c) { return sl__i_id(SL__SOCKET(c)); }

// `option<address>`, and the other shapes that an address comes in.
typedef struct sl__endpoint {
  sl__string host;
  uint16_t port;
} sl__endpoint;

static void sl__set_address(sl_address *to, sl_address_kind kind, sl__endpoint from) {
  to->kind = kind;
  to->port = kind == SL_UNIX ? 0 : from.port;
  sl__copy(to->host, sizeof to->host, from.host);
}

// The layout: a byte, and at 4 another one, at 8 the endpoint.
typedef struct sl__some_address {
  uint8_t is_there;
  uint32_t kind;  // its first byte
  sl__endpoint at;
} sl__some_address;

static bool sl__take_address(const sl__some_address *from, sl_address *to) {
  if (!from->is_there) return false;
  sl__set_address(to, (from->kind & 0xff) ? SL_UNIX : SL_TCP, from->at);
  return true;
}

SL__WEAK bool sl_peer_address(sl_conn *c, sl_address *address) {
  sl__some_address answer;
  sl__i_peer_address(SL__SOCKET(c), &answer);
  return sl__take_address(&answer, address);
}

SL__WEAK bool sl_local_address(sl_conn *c, sl_address *address) {
  sl__some_address answer;
  sl__i_local_address(SL__SOCKET(c), &answer);
  return sl__take_address(&answer, address);
}

SL__WEAK const char *sl_listener_option(sl_conn *c, const char *key) {
  SL__SOCKET(c);
  for (size_t i = 0; i < c->sl__option_count; i++) {
    sl__pair *pair = &c->sl__options[i];
    if (sl__is(key, sl__text(pair->key), pair->key.size)) return sl__text(pair->value);
  }
  return NULL;
}

// What comes of a connect is kept under a token.
static uint32_t sl__last_token;

static sl_error sl__connected(const uint8_t *answer, const sl_handler *handler, void *context) {
  int error = sl__error_at(answer, 1);
  if (!error) {
    sl__keep(SL__CONNECT, sl__last_token, (void (*)(void))0, context, NULL);
    sl__entries.last->name = NULL;
    sl__entries.last->owner = (const sl_conn *)(const void *)handler;
    sl__own(sl__entries.last, NULL);
  }
  return (sl_error)error;
}

static void sl__check_handler(const sl_handler *handler, const char *call) {
  if (!handler) sl__die(call, ": the handler is NULL: give the sl_handler that is told of the connection", NULL);
}

SL__WEAK sl_error sl_connect(const char *host, uint16_t port, const sl_handler *handler, void *context) {
  uint8_t answer[2];
  sl__check_handler(handler, __func__);
  sl__i_connect(0, host, strlen(host), port, ++sl__last_token, answer);
  return sl__connected(answer, handler, context);
}

SL__WEAK sl_error sl_connect_unix(const char *path, const sl_handler *handler, void *context) {
  uint8_t answer[2];
  sl__check_handler(handler, __func__);
  sl__i_connect(1, path, strlen(path), 0, ++sl__last_token, answer);
  return sl__connected(answer, handler, context);
}

SL__WEAK sl_error sl_connect_to(const char *host_and_port, const sl_handler *handler, void *context) {
  sl__check_handler(handler, __func__);
  const char *host = host_and_port, *colon = strrchr(host_and_port, ':');
  if (!colon) return SL_INVALID_ARGUMENT;
  size_t size = (size_t)(colon - host);
  if (size >= 2 && host[0] == '[' && host[size - 1] == ']') {
    host++;
    size -= 2;
  }
  uint32_t port = 0;
  for (const char *digit = colon + 1; *digit; digit++) {
    if (*digit < '0' || *digit > '9' || port > 6553) return SL_INVALID_ARGUMENT;
    port = port * 10 + (uint32_t)(*digit - '0');
  }
  if (port > 65535) return SL_INVALID_ARGUMENT;
  uint8_t answer[2];
  sl__i_connect(0, host, size, (int32_t)port, ++sl__last_token, answer);
  return sl__connected(answer, handler, context);
}

SL__WEAK sl_error sl_bind_connect(const char *local_host, uint16_t local_port, const char *host, uint16_t port,
                                  const sl_handler *handler, void *context) {
  uint8_t answer[2];
  sl__check_handler(handler, __func__);
  sl__i_connect_from(local_host, strlen(local_host), local_port, 0, host, strlen(host), port, ++sl__last_token, answer);
  return sl__connected(answer, handler, context);
}

// A connection that connects again keeps its address, which is what the host knows both by. The old one is dropped before the new
// one is made, or after.
enum { SL__NOT_AGAIN, SL__IN_UNBIND, SL__ASKED, SL__OLD_DROPPED, SL__NEW_MADE };

SL__WEAK sl_error sl_reconnect(sl_conn *c, const char *host, uint16_t port) {
  SL__SOCKET(c);
  if (c->sl__again != SL__IN_UNBIND) return SL_INVALID_ARGUMENT;
  uint8_t answer[2];
  sl__i_connect(0, host, strlen(host), port, ++sl__last_token, answer);
  sl_error error = sl__connected(answer, c->handler, c);
  if (error) return error;
  sl__entries.last->is_again = 1;
  c->sl__again = SL__ASKED;
  return SL_OK;
}

SL__WEAK uint32_t sl_connection_count(void) { return sl__i_connection_count(); }

SL__WEAK sl_error sl_enable_keepalive(sl_conn *c, uint32_t idle, uint32_t interval, uint32_t count) {
  uint8_t answer[2];
  sl__i_set_keepalive(SL__SOCKET(c), 1, idle, interval, count, answer);
  return (sl_error)sl__error_at(answer, 1);
}
SL__WEAK sl_error sl_disable_keepalive(sl_conn *c) {
  uint8_t answer[2];
  sl__i_set_keepalive(SL__SOCKET(c), 0, 0, 0, 0, answer);
  return (sl_error)sl__error_at(answer, 1);
}
SL__WEAK bool sl_keepalive(sl_conn *c, sl_probes *probes) {
  struct {
    uint8_t is_there;
    sl_probes probes;
  } answer;
  sl__i_keepalive(SL__SOCKET(c), &answer);
  if (answer.is_there) *probes = answer.probes;
  return answer.is_there;
}
SL__WEAK sl_error sl_set_nodelay(sl_conn *c, bool nodelay) {
  uint8_t answer[2];
  sl__i_set_nodelay(SL__SOCKET(c), nodelay, answer);
  return (sl_error)sl__error_at(answer, 1);
}
SL__WEAK bool sl_nodelay(sl_conn *c) { return sl__i_nodelay(SL__SOCKET(c)); }

static void sl__free_options(sl__pair *options, size_t count) {
  for (size_t i = 0; i < count; i++) {
    sl__free(options[i].key.data, options[i].key.size);
    sl__free(options[i].value.data, options[i].value.size);
  }
  sl__free(options, count);
}

// What the [[listen]] section names, or the only one.
static const sl_handler *sl__handler_named(const char *name, size_t size, const char *listener) {
  const sl_handler *all = sl_handlers;
  if (!all || !(all[0].name || all[0].receive_data || all[0].receive_line || all[0].post_init)) {
    sl__die(listener, ": this plugin accepts no connections: list its handlers with SL_HANDLERS", NULL);
  }
  if (!size) {
    if (!all[0].name || !all[1].name) return all;
    sl__die(listener, ": this plugin has several handlers: `handler` of the [[listen]] section in plugins.toml names one", NULL);
  }
  for (const sl_handler *it = all; it->name; it++) {
    if (sl__is_named(it->name, name, size)) return it;
  }
  sl__die(listener, ": this plugin has no handler named \"", name, "\": SL_HANDLERS lists those that there are", NULL);
}

static sl_conn *sl__make(int32_t socket, const sl_handler *handler) {
  sl_conn *c = (sl_conn *)sl__allocate(1, sizeof(sl_conn) + handler->size);
  c->state = handler->size ? (void *)(c + 1) : NULL;
  c->handler = handler;
  c->sl__socket = socket;
  c->sl__alive = SL__LIVE;
  sl__add_conn(c);
  return c;
}

SL__EXPORT("handler", "[constructor]connection")
int32_t sl__x_constructor(int32_t, int32_t, char *, size_t, char *, size_t, sl__pair *, size_t);
int32_t sl__x_constructor(int32_t socket, int32_t origin, char *listener, size_t listener_size, char *name, size_t name_size,
                          sl__pair *options, size_t option_count) {
  if (origin == 0) {
    sl__string text = {listener, listener_size}, handler = {name, name_size};
    sl_conn *c = sl__make(socket, sl__handler_named(sl__text(handler), name_size, sl__text(text)));
    c->listener = sl__text(text);
    c->sl__options = options;
    c->sl__option_count = option_count;
    sl__free(name, name_size);
    return sl__i_new(c);
  }
  sl__entry *e = sl__take(SL__CONNECT, (uint32_t)(uintptr_t)listener);
  if (!e) sl__die("a connection came that nobody asked for: this is a fault of the host", NULL);
  sl_conn *c = (sl_conn *)e->context;
  if (!e->is_again) {
    c = sl__make(socket, (const sl_handler *)(const void *)e->owner);
    c->context = e->context;
  } else if (c->sl__again == SL__ASKED) {
    c->sl__old_socket = c->sl__socket;
    c->sl__again = SL__NEW_MADE;
  } else {
    c->sl__again = SL__NOT_AGAIN;
  }
  c->sl__socket = socket;
  e->drop = NULL;  // it is the connection's from now on
  bool is_again = e->is_again;
  sl__release(e);
  if (is_again) c->listener = "";  // post_init is not called
  return sl__i_new(c);
}

SL__EXPORT("handler", "[dtor]connection") void sl__x_dtor(sl_conn *);
void sl__x_dtor(sl_conn *c) {
  if (c->sl__again == SL__NEW_MADE) {
    sl__i_drop_socket(c->sl__old_socket);
    c->sl__again = SL__NOT_AGAIN;
    return;
  }
  sl__i_drop_socket(c->sl__socket);
  if (c->sl__again == SL__ASKED) {
    c->sl__again = SL__OLD_DROPPED;
    return;
  }
  while (c->sl__owned) sl__forget(c->sl__owned);
  sl__remove_conn(c);
  c->sl__alive = 0;
  free(c->sl__line);
  free(sl__ended.kept[sl__ended.next]);
  sl__ended.kept[sl__ended.next] = c;
  sl__ended.next = (sl__ended.next + 1) % 16;
}

SL__EXPORT("handler", "[method]connection.post-init") void sl__x_post_init(sl_conn *);
void sl__x_post_init(sl_conn *c) {
  bool is_again = c->listener && !c->listener[0];
  if (!is_again && c->handler->post_init) c->handler->post_init(c);
  if (c->listener && c->listener[0]) free((void *)(uintptr_t)c->listener);
  c->listener = NULL;
  sl__free_options(c->sl__options, c->sl__option_count);
  c->sl__option_count = 0;
  sl__end();
}

SL__EXPORT("handler", "[method]connection.connection-completed") void sl__x_completed(sl_conn *);
void sl__x_completed(sl_conn *c) {
  if (c->handler->connection_completed) c->handler->connection_completed(c);
  sl__end();
}

static void sl__line(sl_conn *c, char *line, size_t size) {
  if (size && line[size - 1] == '\r') size--;
  line[size] = 0;
  c->handler->receive_line(c, line, size);
}

// The bytes are `data`'s and the byte behind them is ours: a line that is whole in them is not copied.
static void sl__lines(sl_conn *c, char *data, size_t size) {
  size_t max = c->handler->max_line ? c->handler->max_line : 16384;
  while (size) {
    char *end = (char *)memchr(data, '\n', size);
    size_t part = end ? (size_t)(end - data) : size;
    if (c->sl__line_size + part > max) {
      static const char text[] = "a line has more than max_line bytes: the connection is closed; raise max_line of its sl_handler";
      sl__i_log(SL_WARN, text, sizeof text - 1);
      sl__i_close(c->sl__socket);
      c->sl__line_size = 0;
      return;
    }
    if (end && !c->sl__line_size) {
      sl__line(c, data, part);
    } else {
      size_t need = c->sl__line_size + part + 1;
      if (need > c->sl__line_room) {
        c->sl__line_room = need < 256 ? 256 : need * 2;
        c->sl__line = (char *)realloc(c->sl__line, c->sl__line_room);
        if (!c->sl__line) sl__allocate(SIZE_MAX, 1);
      }
      memcpy(c->sl__line + c->sl__line_size, data, part);
      c->sl__line_size += part;
      if (!end) return;
      size_t whole = c->sl__line_size;
      c->sl__line_size = 0;
      sl__line(c, c->sl__line, whole);
    }
    data += part + 1;
    size -= part + 1;
  }
}

SL__EXPORT("handler", "[method]connection.receive-data") void sl__x_receive(sl_conn *, char *, size_t);
void sl__x_receive(sl_conn *c, char *data, size_t size) {
  const sl_handler *handler = c->handler;
  if (handler->receive_line) {
    sl__lines(c, data, size);
  } else if (handler->receive_data) {
    handler->receive_data(c, (const uint8_t *)data, size);
  }
  sl__free(data, size);
  sl__end();
}

SL__EXPORT("handler", "[method]connection.drained") void sl__x_drained(sl_conn *);
void sl__x_drained(sl_conn *c) {
  if (c->handler->drained) c->handler->drained(c);
  sl__end();
}

SL__EXPORT("handler", "[method]connection.unbind") void sl__x_unbind(sl_conn *, int32_t);
void sl__x_unbind(sl_conn *c, int32_t reason) {
  c->sl__again = SL__IN_UNBIND;
  c->sl__line_size = 0;
  if (c->handler->unbind) c->handler->unbind(c, (sl_close_reason)reason);
  if (c->sl__again != SL__ASKED) {
    c->sl__again = SL__NOT_AGAIN;
    while (c->sl__owned) sl__forget(c->sl__owned);
  }
  sl__end();
}

// -- TLS

SL__WEAK sl_error sl_start_tls(sl_conn *c, const sl_tls *tls) {
  uint8_t answer[2];
  int32_t socket = SL__SOCKET(c);
  const char *profile = tls->profile ? tls->profile : "";
  size_t count = tls->alpn_count, profile_size = strlen(profile);
  sl__string *alpn = (sl__string *)sl__allocate(count + 1, sizeof(sl__string));
  for (size_t i = 0; i < count; i++) {
    alpn[i].data = (char *)(uintptr_t)tls->alpn[i];
    alpn[i].size = strlen(tls->alpn[i]);
  }
  if (tls->server_name) {
    sl__i_start_tls(socket, 0, tls->server_name, strlen(tls->server_name), tls->profile != NULL, (size_t)profile, profile_size,
                    (size_t)alpn, count, tls->verification, answer);
  } else {
    sl__i_start_tls(socket, 1, profile, profile_size, (size_t)alpn, count, tls->verification, 0, 0, 0, answer);
  }
  free(alpn);
  return (sl_error)sl__error_at(answer, 1);
}

typedef struct sl__optional {
  uint8_t is_there;
  sl__string text;
} sl__optional;

static void sl__copy_optional(char *to, size_t room, sl__optional from) {
  to[0] = 0;
  if (from.is_there) sl__copy(to, room, from.text);
}

SL__WEAK bool sl_get_tls_session(sl_conn *c, sl_tls_session *session) {
  struct {
    uint8_t is_there;
    uint32_t version;  // its first byte
    sl__string cipher;
    uint32_t cipher_bits;
    sl__optional alpn, server_name;
    uint8_t resumed;
  } answer;
  sl__i_session(SL__SOCKET(c), &answer);
  if (!answer.is_there) return false;
  session->is_tls13 = (answer.version & 0xff) == 1;
  session->resumed = answer.resumed;
  session->cipher_bits = answer.cipher_bits;
  sl__copy(session->cipher, sizeof session->cipher, answer.cipher);
  sl__copy_optional(session->alpn, sizeof session->alpn, answer.alpn);
  sl__copy_optional(session->server_name, sizeof session->server_name, answer.server_name);
  return true;
}

// As one piece of memory, so that one `free` is enough.
static sl_bytes *sl__flatten(sl__string *list, size_t count) {
  size_t size = count * sizeof(sl_bytes);
  for (size_t i = 0; i < count; i++) size += list[i].size;
  sl_bytes *flat = (sl_bytes *)sl__allocate(1, size + 1);
  uint8_t *at = (uint8_t *)(flat + count);
  for (size_t i = 0; i < count; i++) {
    memcpy(at, sl__text(list[i]), list[i].size);
    flat[i].data = at;
    flat[i].size = list[i].size;
    at += list[i].size;
    sl__free(list[i].data, list[i].size);
  }
  sl__free(list, count);
  return flat;
}

SL__WEAK sl_bytes *sl_peer_certificates(sl_conn *c, size_t *count) {
  struct {
    sl__string *list;
    size_t count;
  } answer;
  sl__i_certificates(SL__SOCKET(c), &answer);
  *count = answer.count;
  return answer.count ? sl__flatten(answer.list, answer.count) : NULL;
}

SL__WEAK sl_stream_end sl_end_of_stream(sl_conn *c) { return (sl_stream_end)sl__i_end_of_stream(SL__SOCKET(c)); }

SL__WEAK bool sl_get_tls_failure(sl_conn *c, sl_tls_failure *failure) {
  struct {
    uint8_t is_there;
    uint32_t kind;  // its first byte
    sl__string words;
  } answer;
  sl__i_failure(SL__SOCKET(c), &answer);
  if (!answer.is_there) return false;
  failure->kind = (sl_tls_failure_kind)(answer.kind & 0xff);
  sl__copy(failure->words, sizeof failure->words, answer.words);
  return true;
}

// -- files, proxying

static sl_file_error sl__sent(sl_conn *c, const uint32_t *answer,
                              void (*sent)(void *, sl_file_error, uint64_t), void *context) {
  if (answer[0] & 0xff) return (sl_file_error)((answer[1] & 0xff) + 1);
  sl__keep(SL__FILE, answer[1], (void (*)(void))sent, context, NULL);
  sl__entries.last->owner = c;
  sl__own(sl__entries.last, c);
  return SL_FILE_OK;
}

SL__WEAK sl_file_error sl_send_file(sl_conn *c, const char *path, uint64_t offset, uint64_t length,
                                    void (*sent)(void *, sl_file_error, uint64_t), void *context) {
  uint32_t answer[2];
  bool all = length == SL_TO_END;
  sl__i_send_file(SL__SOCKET(c), path, strlen(path), (uint32_t)(offset >> 32), (uint32_t)offset, !all,
                  all ? 0 : (uint32_t)(length >> 32), all ? 0 : (uint32_t)length, answer);
  return sl__sent(c, answer, sent, context);
}

SL__WEAK sl_file_error sl_send_file_version(sl_conn *c, const char *path, uint64_t offset, uint64_t length,
                                            const sl_file_version *version,
                                            void (*sent)(void *, sl_file_error, uint64_t), void *context) {
  uint32_t answer[2];
  bool all = length == SL_TO_END;
  sl__i_send_version(SL__SOCKET(c), path, strlen(path), (uint32_t)(offset >> 32), (uint32_t)offset, !all,
                     all ? 0 : (uint32_t)(length >> 32), all ? 0 : (uint32_t)length, (uint32_t)(version->size >> 32),
                     (uint32_t)version->size, version->seconds, version->nanoseconds, answer);
  return sl__sent(c, answer, sent, context);
}

SL__WEAK sl_proxy_error sl_proxy_incoming_to(sl_conn *c, sl_conn *target, uint32_t buffer, uint64_t bytes) {
  uint8_t answer[2];
  sl__i_proxy(SL__SOCKET(c), SL__SOCKET(target), buffer, (uint32_t)(bytes >> 32), (uint32_t)bytes, answer);
  return (sl_proxy_error)sl__error_at(answer, 1);
}
SL__WEAK void sl_stop_proxying(sl_conn *c) { sl__i_stop_proxying(SL__SOCKET(c)); }
SL__WEAK uint64_t sl_get_proxied_bytes(sl_conn *c) {
  uint32_t answer[2];
  sl__i_proxied_bytes(SL__SOCKET(c), answer);
  return (uint64_t)answer[0] << 32 | answer[1];
}

// -- listeners and datagrams

SL__WEAK sl_listen_error sl_start_server(sl_address_kind kind, const char *host_or_path, uint16_t port, const char *handler,
                                         const sl_option_value *options, size_t option_count, sl_listener *listener) {
  struct {
    uint32_t is_error;  // its first byte
    uint32_t id;        // or the error in its first byte
    uint32_t kind;      // its first byte
    sl__endpoint at;
  } answer;
  sl__pair *pairs = (sl__pair *)sl__allocate(option_count + 1, sizeof(sl__pair));
  for (size_t i = 0; i < option_count; i++) {
    pairs[i].key.data = (char *)(uintptr_t)options[i].key;
    pairs[i].key.size = strlen(options[i].key);
    pairs[i].value.data = (char *)(uintptr_t)options[i].value;
    pairs[i].value.size = strlen(options[i].value);
  }
  sl__i_start_server(kind, host_or_path, strlen(host_or_path), port, handler, strlen(handler), pairs, option_count, &answer);
  free(pairs);
  if (answer.is_error & 0xff) return (sl_listen_error)((answer.id & 0xff) + 1);
  listener->id = answer.id;
  sl__set_address(&listener->address, (sl_address_kind)(answer.kind & 0xff), answer.at);
  return SL_LISTEN_OK;
}

SL__WEAK void sl_stop_server(uint32_t id) { sl__i_stop_server(id); }

SL__WEAK sl_listen_error sl_open_datagram_socket(const char *host, uint16_t port, const sl_handler *handler, void *context,
                                                 sl_address *local) {
  struct {
    uint32_t is_error;  // its first byte
    sl__endpoint at;    // or the error in its first byte
  } answer;
  sl_address ignored;
  sl__check_handler(handler, __func__);
  sl__i_open_datagram(host, strlen(host), port, ++sl__last_token, &answer);
  if (answer.is_error & 0xff) return (sl_listen_error)(((uint32_t)(uintptr_t)answer.at.host.data & 0xff) + 1);
  sl__set_address(local ? local : &ignored, SL_UDP, answer.at);
  uint8_t fine[2] = {0, 0};
  sl__connected(fine, handler, context);
  return SL_LISTEN_OK;
}

SL__WEAK sl_error sl_send_datagram(sl_conn *c, const void *data, size_t size, const char *host, uint16_t port) {
  uint8_t answer[2];
  sl__i_send_datagram(SL__SOCKET(c), data, size, host, strlen(host), port, answer);
  return (sl_error)sl__error_at(answer, 1);
}

// -- the reactor, options, the program

SL__WEAK sl_error sl_try_stop(void) {
  uint8_t answer[2];
  sl__i_stop(answer);
  return (sl_error)sl__error_at(answer, 1);
}

SL__WEAK void sl_stop(void) {
  sl_error error = sl_try_stop();
  if (error) sl__say("the reactor does not stop", "", error);
}

SL__WEAK bool sl_is_running(void) { return sl__i_is_running(); }

SL__WEAK char *sl_option(const char *key) {
  sl__optional answer;
  sl__i_option(key, strlen(key), &answer);
  if (!answer.is_there) return NULL;
  return answer.text.size ? answer.text.data : (char *)sl__allocate(1, 1);
}

SL__WEAK sl_option_value *sl_options(size_t *count) {
  struct {
    sl__pair *list;
    size_t count;
  } answer;
  sl__i_options(&answer);
  *count = answer.count;
  if (!answer.count) return NULL;
  size_t size = answer.count * sizeof(sl_option_value);
  for (size_t i = 0; i < answer.count; i++) size += answer.list[i].key.size + answer.list[i].value.size + 2;
  sl_option_value *all = (sl_option_value *)sl__allocate(1, size);
  char *at = (char *)(all + answer.count);
  for (size_t i = 0; i < answer.count; i++) {
    all[i].key = (char *)memcpy(at, sl__text(answer.list[i].key), answer.list[i].key.size);
    at += answer.list[i].key.size + 1;
    all[i].value = (char *)memcpy(at, sl__text(answer.list[i].value), answer.list[i].value.size);
    at += answer.list[i].value.size + 1;
  }
  sl__free_options(answer.list, answer.count);
  return all;
}

SL__WEAK const void *sl__said(const char *error) {
  static sl__result result;
  result.is_error = error != NULL;
  result.value.data = (char *)(uintptr_t)error;
  result.value.size = error ? strlen(error) : 0;
  sl__end();
  return &result;
}

SL__WEAK void sl__run(void (*step)(void)) {
  if (step) step();
  sl__end();
}

struct sl_state {
  uint8_t is_there;
  void *data;
  size_t size;
};

SL__WEAK void sl_save(sl_state *state, const void *data, size_t size) {
  free(state->data);
  state->is_there = true;
  state->size = size;
  state->data = size ? memcpy(sl__allocate(1, size), data, size) : NULL;
}

SL__WEAK const void *sl__saved(void (*save)(sl_state *state)) {
  static sl_state state;
  state.is_there = false;
  state.data = NULL;
  state.size = 0;
  if (save) save(&state);
  sl__end();
  return &state;
}

SL__WEAK void sl__saved_end(const void *state) { free(((const sl_state *)state)->data); }

SL__WEAK const void *sl__restored(const char *(*restore)(const uint8_t *state, size_t size), uint8_t *state, size_t size) {
  const char *error = "this plugin has no use for a state: SL_PROGRAM(.restore = restore) has";
  if (restore) error = restore(size ? state : (const uint8_t *)"", size);
  sl__free(state, size);
  return sl__said(error);
}

#ifndef SANDLOOP_MINIMAL

// -- what else the host offers to a plugin that it may call back

SL__IMPORT("timers", "add-timer") void sl__i_add_timer(uint32_t, void *);
SL__IMPORT("timers", "add-periodic-timer") void sl__i_add_periodic(uint32_t, void *);
SL__IMPORT("timers", "cancel-timer") void sl__i_cancel_timer(uint32_t);
SL__IMPORT("reactor", "next-tick") void sl__i_next_tick(void *);
SL__IMPORT("deferred", "defer") void sl__i_defer(uint32_t, const void *, size_t, void *);
SL__IMPORT("channels", "subscribe") void sl__i_subscribe(const char *, size_t, void *);
SL__IMPORT("channels", "unsubscribe") void sl__i_unsubscribe(uint32_t);
SL__IMPORT("channels", "push")
void sl__i_push(const char *, size_t, const void *, size_t, int32_t, uint32_t, void *);
SL__IMPORT("channels", "num-subscribers") uint32_t sl__i_num_subscribers(const char *, size_t);
SL__IMPORT("queues", "push") void sl__i_queue_push(const char *, size_t, const void *, size_t, void *);
SL__IMPORT("queues", "pop") void sl__i_queue_pop(const char *, size_t, void *);
SL__IMPORT("queues", "cancel-pop") void sl__i_cancel_pop(uint32_t);
SL__IMPORT("queues", "size") uint32_t sl__i_queue_size(const char *, size_t);
SL__IMPORT("queues", "num-waiting") uint32_t sl__i_num_waiting(const char *, size_t);
SL__IMPORT("processes", "spawn")
void sl__i_spawn(int32_t, const char *, size_t, const char *, size_t, const void *, size_t, void *);
SL__IMPORT("processes", "notify") void sl__i_notify(uint32_t, const void *, size_t, void *);
SL__IMPORT("processes", "kill") void sl__i_kill(uint32_t);
SL__IMPORT("processes", "exit") void sl__i_exit(void);
SL__IMPORT("watching", "watch-file") void sl__i_watch(const char *, size_t, void *);
SL__IMPORT("watching", "unwatch") void sl__i_unwatch(uint32_t);

// An answer `result<u32, …>`: the error, or the number in the second word.
static int sl__refused(const uint32_t *answer) {
  return (answer[0] & 0xff) ? (int)(answer[1] & 0xff) + 1 : 0;
}

// -- timers, ticks

static sl__entry *sl__by_handle(uint32_t kind, sl_handle handle) {
  sl__entry *e = handle ? sl__find(kind, (uint32_t)handle) : NULL;
  return e && e->serial == (uint32_t)(handle >> 32) ? e : NULL;
}

// Before and after a call of what may come again.
static sl__entry *sl__begin(sl__entry *e) {
  if (e) e->is_running = 1;
  return e;
}

static void sl__finish(sl__entry *e) {
  e->is_running = 0;
  if (e->is_gone) sl__release(e);
}

static sl_handle sl__timer(const char *call, const uint32_t *answer, void (*fired)(void *), void *context) {
  int error = sl__refused(answer);
  if (error) {
    sl__say("no timer was made by ", call, error);
    return 0;
  }
  return sl__keep(SL__TIMER, answer[1], (void (*)(void))fired, context, sl__i_cancel_timer);
}

SL__WEAK sl_handle sl_timer(uint32_t milliseconds, void (*fired)(void *context), void *context) {
  uint32_t answer[2];
  sl__i_add_timer(milliseconds, answer);
  return sl__timer(__func__, answer, fired, context);
}

SL__WEAK sl_handle sl_periodic_timer(uint32_t milliseconds, void (*fired)(void *context), void *context) {
  uint32_t answer[2];
  sl__i_add_periodic(milliseconds, answer);
  sl_handle timer = sl__timer(__func__, answer, fired, context);
  if (timer) sl__entries.last->is_again = 1;
  return timer;
}

SL__WEAK void sl_cancel_timer(sl_handle timer) { sl__forget(sl__by_handle(SL__TIMER, timer)); }

SL__EXPORT("timers-handler", "timer-fired") void sl__x_timer_fired(uint32_t);
void sl__x_timer_fired(uint32_t id) {
  sl__entry *e = sl__find(SL__TIMER, id);
  if (!e) return;
  if (!e->is_again) sl__unlink(e);
  sl__begin(e);
  ((void (*)(void *))e->call)(e->context);
  sl__finish(e);
  sl__end();
}

SL__WEAK bool sl_next_tick(void (*tick)(void *context), void *context) {
  uint32_t answer[2];
  sl__i_next_tick(answer);
  int error = sl__refused(answer);
  if (error) {
    sl__say("no tick was made by ", __func__, error);
    return false;
  }
  sl__keep(SL__TICK, answer[1], (void (*)(void))tick, context, NULL);
  return true;
}

SL__EXPORT("ticks-handler", "tick") void sl__x_tick(uint32_t);
void sl__x_tick(uint32_t id) {
  sl__entry *e = sl__take(SL__TICK, id);
  if (!e) return;
  ((void (*)(void *))e->call)(e->context);
  sl__release(e);
  sl__end();
}

// -- deferred work

struct sl_job {
  uint8_t is_failed;
  void *data;
  size_t size;
};

static void sl__set_job(sl_job *job, bool is_failed, const void *data, size_t size) {
  free(job->data);
  job->is_failed = is_failed;
  job->size = size;
  job->data = size ? memcpy(sl__allocate(1, size), data, size) : NULL;
}

SL__WEAK void sl_succeed(sl_job *job, const void *result, size_t size) { sl__set_job(job, false, result, size); }
SL__WEAK void sl_fail(sl_job *job, const char *text) { sl__set_job(job, true, text, strlen(text)); }

// The operation's number is its place in the table of functions, which is the same in every sandbox of this component.
SL__WEAK sl_error sl_defer(sl_operation *operation, const void *argument, size_t size,
                           void (*done)(void *context, sl_failure failure, const uint8_t *data, size_t size), void *context) {
  uint32_t answer[2];
  sl__i_defer((uint32_t)(uintptr_t)operation, argument, size, answer);
  int error = sl__refused(answer);
  if (!error) sl__keep(SL__JOB, answer[1], (void (*)(void))done, context, NULL);
  return (sl_error)error;
}

SL__EXPORT("operations", "run") const void *sl__x_run(uint32_t, uint8_t *, size_t);
const void *sl__x_run(uint32_t operation, uint8_t *argument, size_t size) {
  static sl__result result;
  sl_job job = {0, NULL, 0};
  sl_operation *run = (sl_operation *)(uintptr_t)operation;
  run(&job, size ? argument : (const uint8_t *)"", size);
  sl__free(argument, size);
  result.is_error = job.is_failed;
  result.value.data = (char *)job.data;
  result.value.size = job.size;
  sl__end();
  return &result;
}

SL__EXPORT_END("operations", "run") void sl__x_run_end(const sl__result *);
void sl__x_run_end(const sl__result *result) { free(result->value.data); }

SL__EXPORT("deferred-handler", "completed") void sl__x_done(uint32_t, int32_t, size_t, size_t, size_t);
void sl__x_done(uint32_t job, int32_t is_failed, size_t first, size_t second, size_t third) {
  static const char *const words[] = {"", "the operation trapped", "the operation took too long", "the result is too large",
                                      "no sandbox could be made for the operation"};
  // Well: the bytes in the first two. Ill: the kind, and of the first kind a text.
  sl_failure failure = is_failed ? (sl_failure)(first + 1) : SL_DONE;
  sl__string given = {NULL, 0};
  if (failure == SL_DONE) {
    given.data = (char *)first;
    given.size = second;
  } else if (failure == SL_FAILED) {
    given.data = (char *)second;
    given.size = third;
  }
  sl__entry *e = sl__take(SL__JOB, job);
  if (e) {
    const char *data = failure > SL_FAILED ? words[failure - 1] : sl__text(given);
    size_t size = failure > SL_FAILED ? strlen(data) : given.size;
    typedef void done(void *, sl_failure, const uint8_t *, size_t);
    ((done *)e->call)(e->context, failure, (const uint8_t *)data, size);
    sl__release(e);
  }
  sl__free(given.data, given.size);
  sl__end();
}

// -- channels, queues

SL__WEAK sl_handle sl_subscribe(const char *channel, sl_message *heard, void *context) {
  uint32_t answer[2];
  sl__i_subscribe(channel, strlen(channel), answer);
  int error = sl__refused(answer);
  if (error) {
    sl__say("no subscription to channel ", channel, error);
    return 0;
  }
  sl_handle handle = sl__keep(SL__SUBSCRIPTION, answer[1], (void (*)(void))heard, context, sl__i_unsubscribe);
  size_t size = strlen(channel) + 1;
  sl__entries.last->name = (char *)memcpy(sl__allocate(1, size), channel, size);
  return handle;
}

SL__WEAK void sl_unsubscribe(sl_handle subscription) { sl__forget(sl__by_handle(SL__SUBSCRIPTION, subscription)); }

SL__WEAK sl_error sl_try_push(const char *channel, const void *message, size_t size, sl_handle except) {
  uint8_t answer[2];
  sl__i_push(channel, strlen(channel), message, size, except != 0, (uint32_t)except, answer);
  return (sl_error)sl__error_at(answer, 1);
}

SL__WEAK void sl_push(const char *channel, const void *message, size_t size) {
  sl_error error = sl_try_push(channel, message, size, 0);
  if (error) sl__say("a message was lost, to channel ", channel, error);
}

SL__WEAK void sl_push_to_others(sl_handle subscription, const void *message, size_t size) {
  sl__entry *e = sl__by_handle(SL__SUBSCRIPTION, subscription);
  sl_error error = e ? sl_try_push(e->name, message, size, subscription) : SL_CLOSED;
  if (error) sl__say("a message was lost, to channel ", e ? e->name : "of a subscription that has ended", error);
}

SL__WEAK uint32_t sl_num_subscribers(const char *channel) { return sl__i_num_subscribers(channel, strlen(channel)); }

SL__EXPORT("subscriptions", "message") void sl__x_message(uint32_t, uint8_t *, size_t);
void sl__x_message(uint32_t subscription, uint8_t *message, size_t size) {
  sl__entry *e = sl__begin(sl__find(SL__SUBSCRIPTION, subscription));
  if (e) {
    ((sl_message *)e->call)(e->context, size ? message : (const uint8_t *)"", size);
    sl__finish(e);
  }
  sl__free(message, size);
  sl__end();
}

SL__WEAK sl_error sl_queue_push(const char *queue, const void *item, size_t size) {
  uint8_t answer[2];
  sl__i_queue_push(queue, strlen(queue), item, size, answer);
  return (sl_error)sl__error_at(answer, 1);
}

SL__WEAK sl_handle sl_queue_pop(const char *queue, sl_message *popped, void *context) {
  uint32_t answer[2];
  sl__i_queue_pop(queue, strlen(queue), answer);
  int error = sl__refused(answer);
  if (error) {
    sl__say("no pop from queue ", queue, error);
    return 0;
  }
  return sl__keep(SL__POP, answer[1], (void (*)(void))popped, context, sl__i_cancel_pop);
}

SL__WEAK void sl_queue_cancel_pop(sl_handle pop) { sl__forget(sl__by_handle(SL__POP, pop)); }
SL__WEAK uint32_t sl_queue_size(const char *queue) { return sl__i_queue_size(queue, strlen(queue)); }
SL__WEAK uint32_t sl_queue_num_waiting(const char *queue) { return sl__i_num_waiting(queue, strlen(queue)); }

SL__EXPORT("queues-handler", "popped") void sl__x_popped(uint32_t, uint8_t *, size_t);
void sl__x_popped(uint32_t pop, uint8_t *item, size_t size) {
  sl__entry *e = sl__take(SL__POP, pop);
  if (e) {
    ((sl_message *)e->call)(e->context, size ? item : (const uint8_t *)"", size);
    sl__release(e);
  }
  sl__free(item, size);
  sl__end();
}

// -- processes

SL__WEAK sl_error sl_spawn(const char *plugin, const char *name, const void *argument, size_t size,
                           void (*exited)(void *context, uint32_t process, sl_exit_reason reason), void *context,
                           uint32_t *process) {
  uint32_t answer[2];
  sl__i_spawn(plugin != NULL, plugin, plugin ? strlen(plugin) : 0, name, strlen(name), argument, size, answer);
  int error = sl__refused(answer);
  if (error) return (sl_error)error;
  if (process) *process = answer[1];
  sl__keep(SL__PROCESS, answer[1], (void (*)(void))exited, context, NULL);
  return SL_OK;
}

SL__WEAK sl_error sl_notify(uint32_t process, const void *message, size_t size) {
  uint8_t answer[2];
  sl__i_notify(process, message, size, answer);
  return (sl_error)sl__error_at(answer, 1);
}
SL__WEAK void sl_kill(uint32_t process) { sl__i_kill(process); }
SL__WEAK void sl_exit(void) { sl__i_exit(); }

// The process that this sandbox is.
static struct {
  sl_process process;
  const sl_process_class *kind;
} sl__self;

SL__EXPORT("mailbox", "spawned") const void *sl__x_spawned(uint32_t, char *, size_t, uint8_t *, size_t);
const void *sl__x_spawned(uint32_t process, char *name, size_t name_size, uint8_t *argument, size_t size) {
  const char *error = "this plugin has no process of that name: SL_PROCESSES lists those that there are";
  for (const sl_process_class *it = sl_processes; it && it->name; it++) {
    if (!sl__is_named(it->name, name, name_size)) continue;
    sl__self.kind = it;
    sl__self.process.id = process;
    sl__self.process.state = it->size ? sl__allocate(1, it->size) : NULL;
    error = it->spawned ? it->spawned(&sl__self.process, size ? argument : (const uint8_t *)"", size) : NULL;
    break;
  }
  sl__free(name, name_size);
  sl__free(argument, size);
  return sl__said(error);
}

SL__EXPORT("mailbox", "notified") void sl__x_notified(uint8_t *, size_t);
void sl__x_notified(uint8_t *message, size_t size) {
  if (sl__self.kind && sl__self.kind->notified) {
    sl__self.kind->notified(&sl__self.process, size ? message : (const uint8_t *)"", size);
  }
  sl__free(message, size);
  sl__end();
}

SL__EXPORT("processes-handler", "exited") void sl__x_exited(uint32_t, int32_t);
void sl__x_exited(uint32_t process, int32_t reason) {
  sl__entry *e = sl__take(SL__PROCESS, process);
  if (!e) return;
  typedef void exited(void *, uint32_t, sl_exit_reason);
  if (e->call) ((exited *)e->call)(e->context, process, (sl_exit_reason)reason);
  sl__release(e);
  sl__end();
}

// -- watching

SL__WEAK const char *sl_watch_error_text(sl_watch_error error) {
  static const char *const texts[] = {
      "ok",
      "denied: not below a folder of `allow.read` or `allow.write`",
      "not-found: nothing is there",
      "unsupported: a pipe, a socket or a device",
      "limit: as many watches as the plugin's limits allow, or the system has",
      "failed: the file system refuses it or fails",
  };
  return (size_t)error < sizeof texts / sizeof *texts ? texts[error] : "unknown";
}

SL__WEAK sl_watch_error sl_watch_file(const char *path, void (*changed)(void *, sl_watch_event, sl_watch_error), void *context,
                                      sl_handle *watch) {
  uint32_t answer[2];
  sl__i_watch(path, strlen(path), answer);
  int error = sl__refused(answer);
  if (error) return (sl_watch_error)error;
  sl_handle handle = sl__keep(SL__WATCH, answer[1], (void (*)(void))changed, context, sl__i_unwatch);
  if (watch) *watch = handle;
  return SL_WATCH_OK;
}

SL__WEAK void sl_unwatch(sl_handle watch) { sl__forget(sl__by_handle(SL__WATCH, watch)); }

static void sl__changed(uint32_t watch, sl_watch_event event, sl_watch_error error) {
  sl__entry *e = sl__find(SL__WATCH, watch);
  if (!e) return;
  if (event == SL_FILE_DELETED || event == SL_WATCH_ENDED) sl__unlink(e);
  sl__begin(e);
  ((void (*)(void *, sl_watch_event, sl_watch_error))e->call)(e->context, event, error);
  sl__finish(e);
  sl__end();
}

SL__EXPORT("watch-handler", "file-modified") void sl__x_modified(uint32_t);
void sl__x_modified(uint32_t watch) { sl__changed(watch, SL_FILE_MODIFIED, SL_WATCH_OK); }
SL__EXPORT("watch-handler", "file-moved") void sl__x_moved(uint32_t);
void sl__x_moved(uint32_t watch) { sl__changed(watch, SL_FILE_MOVED, SL_WATCH_OK); }
SL__EXPORT("watch-handler", "file-deleted") void sl__x_deleted(uint32_t);
void sl__x_deleted(uint32_t watch) { sl__changed(watch, SL_FILE_DELETED, SL_WATCH_OK); }
SL__EXPORT("watch-handler", "watch-ended") void sl__x_watch_ended(uint32_t, int32_t);
void sl__x_watch_ended(uint32_t watch, int32_t error) { sl__changed(watch, SL_WATCH_ENDED, (sl_watch_error)(error + 1)); }

// -- what connections are told besides

SL__EXPORT("files-handler", "file-sent") void sl__x_file_sent(sl_conn *, uint32_t, int32_t, uint32_t, uint32_t);
void sl__x_file_sent(sl_conn *c, uint32_t file, int32_t is_error, uint32_t first, uint32_t second) {
  // Files are numbered by connection.
  for (sl__entry *e = c->sl__owned; e; e = e->next) {
    if (e->kind != SL__FILE || e->id != file || e->owner != c) continue;
    sl__unlink(e);
    typedef void sent(void *, sl_file_error, uint64_t);
    uint64_t bytes = is_error ? 0 : (uint64_t)first << 32 | second;
    if (e->call) ((sent *)e->call)(e->context, is_error ? (sl_file_error)(first + 1) : SL_FILE_OK, bytes);
    sl__release(e);
    break;
  }
  sl__end();
}

SL__EXPORT("proxy-handler", "proxy-target-unbound") void sl__x_target_unbound(sl_conn *);
void sl__x_target_unbound(sl_conn *c) {
  if (c->handler->proxy_target_unbound) c->handler->proxy_target_unbound(c);
  sl__end();
}

SL__EXPORT("proxy-handler", "proxy-completed") void sl__x_proxy_completed(sl_conn *);
void sl__x_proxy_completed(sl_conn *c) {
  if (c->handler->proxy_completed) c->handler->proxy_completed(c);
  sl__end();
}

SL__EXPORT("tls-handler", "completed") void sl__x_tls_completed(sl_conn *);
void sl__x_tls_completed(sl_conn *c) {
  if (c->handler->tls_completed) c->handler->tls_completed(c);
  sl__end();
}

SL__EXPORT("tls-handler", "verify-peer") int32_t sl__x_verify_peer(sl_conn *, sl__string *, size_t);
int32_t sl__x_verify_peer(sl_conn *c, sl__string *chain, size_t count) {
  sl_bytes *flat = sl__flatten(chain, count);
  bool is_taken = c->handler->verify_peer && c->handler->verify_peer(c, flat, count);
  free(flat);
  sl__end();
  return is_taken;
}

SL__EXPORT("drain-handler", "draining") int32_t sl__x_draining(sl_conn *, uint32_t);
int32_t sl__x_draining(sl_conn *c, uint32_t milliseconds) {
  sl_drain drain = c->handler->draining ? c->handler->draining(c, milliseconds) : SL_WHEN_IDLE;
  sl__end();
  return drain;
}

SL__EXPORT("catalog", "handlers") const void *sl__x_handlers(void);
const void *sl__x_handlers(void) {
  static struct {
    sl__string *list;
    size_t count;
  } answer;
  free(answer.list);
  answer.count = 0;
  while (sl_handlers && sl_handlers[answer.count].name) answer.count++;
  answer.list = (sl__string *)sl__allocate(answer.count + 1, sizeof(sl__string));
  for (size_t i = 0; i < answer.count; i++) {
    answer.list[i].data = (char *)(uintptr_t)sl_handlers[i].name;
    answer.list[i].size = strlen(sl_handlers[i].name);
  }
  return &answer;
}

#endif  // SANDLOOP_MINIMAL

#ifdef __cplusplus
}
#endif
#endif  // SANDLOOP_IMPLEMENTATION
