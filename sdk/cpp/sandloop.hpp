// sandloop.hpp: plugins for Sandloop in C++, over sandloop.h.
//
//     #define SANDLOOP_IMPLEMENTATION        // in one file of the plugin
//     #include "sandloop.hpp"
//
//     struct Echo : sandloop::Connection {
//       void receive_data(sandloop::bytes data) override { send_data(data); }
//     };
//
//     SANDLOOP_PLUGIN(Echo)
//
// The names are EventMachine's. C++23 with libc++, without exceptions and without type information at run time: what the host refuses
// is a value, and a fault ends the sandbox.
//
// A connection is an object: made before its `post_init`, deleted after its `unbind`. Timers, subscriptions, pops and watches are
// objects too, which end with their scope: as members of a connection they may capture `this`. What a connection's own member
// functions register (`next_tick`, `defer`, `send_file`) ends with the connection.

#ifndef SANDLOOP_HPP
#define SANDLOOP_HPP

#include "sandloop.h"

#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstdlib>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace sandloop {

using bytes = std::span<const std::uint8_t>;
using milliseconds = std::chrono::milliseconds;
using error = sl_error;
using close_reason = sl_close_reason;
using drain = sl_drain;
using address = sl_address;
using listener = sl_listener;
using tls_session = sl_tls_session;
using tls_failure = sl_tls_failure;
using failure = sl_failure;

template <class T = void, class E = error>
using result = std::expected<T, E>;
// What a program's `start` and an operation return: all is well, or an error's text.
using outcome = std::expected<void, std::string>;
using fail = std::unexpected<std::string>;

// The contract's code and what to do about it; the contract's word.
inline std::string text(error of) { return sl_error_text(of); }
inline std::string text(close_reason of) { return sl_close_reason_text(of); }
inline std::string text(sl_file_error of) { return sl_file_error_text(of); }
inline std::string text(sl_proxy_error of) { return sl_proxy_error_text(of); }
inline std::string text(sl_listen_error of) { return sl_listen_error_text(of); }
inline std::string text(sl_watch_error of) { return sl_watch_error_text(of); }
// Bytes as text.
inline std::string_view text(bytes of) { return {reinterpret_cast<const char *>(of.data()), of.size()}; }

// Whatever has bytes: text, a vector, an array. It is read during the call only.
struct view {
  const void *data;
  std::size_t size;

  view(const char *text) : view(std::string_view(text)) {}
  view(std::string_view text) : data(text.data()), size(text.size()) {}
  view(const std::string &text) : view(std::string_view(text)) {}
  view(bytes of) : data(of.data()), size(of.size()) {}
  template <class T>
    requires std::constructible_from<bytes, const T &>
  view(const T &of) : view(bytes(of)) {}
};

namespace detail {

inline result<> answer(sl_error error) {
  if (error) return std::unexpected(error);
  return {};
}

// For a time that is longer than the host counts, the longest one that it does.
inline std::uint32_t count(milliseconds time) {
  auto all = time.count();
  return all < 0 ? 0 : all > 0xffffffff ? 0xffffffff : static_cast<std::uint32_t>(all);
}

// A closure as C calls it: it is deleted when what it was registered for has ended.
template <class F, class... Arguments>
struct closure {
  static void call(void *f, Arguments... arguments) { (*static_cast<F *>(f))(arguments...); }
  static void drop(void *f) { delete static_cast<F *>(f); }
};

// After a registration with `f`: it is `owner`'s, or nobody's.
template <class F>
bool registered(bool is_there, F *f, sl_conn *owner = nullptr) {
  if (is_there) sl__attach(owner, closure<F>::drop);
  else delete f;
  return is_there;
}

// A type's name in lower case, without what stands before `::`.
template <std::size_t N>
struct name {
  char text[N]{};
  consteval name(const char (&from)[N]) {
    std::size_t begin = 0, end = 0;
    for (std::size_t i = 0; i + 1 < N; i++) {
      if (from[i] == ':') begin = i + 1;
    }
    for (std::size_t i = begin; i + 1 < N; i++) {
      text[end++] = from[i] >= 'A' && from[i] <= 'Z' ? static_cast<char>(from[i] + 32) : from[i];
    }
  }
};
template <name Name>
inline constexpr auto lower = Name;

inline sl_conn *being_made = nullptr;

}  // namespace detail

// What ends with its scope. Empty where the host refused it; the log says why.
template <void (*End)(sl_handle)>
class Registration {
 public:
  Registration() = default;
  explicit Registration(sl_handle handle) : handle_(handle) {}
  Registration(Registration &&other) noexcept : handle_(std::exchange(other.handle_, 0)) {}
  Registration &operator=(Registration &&other) noexcept {
    if (this != &other) {
      cancel();
      handle_ = std::exchange(other.handle_, 0);
    }
    return *this;
  }
  ~Registration() { cancel(); }

  // Ends it now, also from its own callback.
  void cancel() {
    if (auto handle = std::exchange(handle_, 0)) End(handle);
  }
  // Lets it go on without this object.
  void detach() { handle_ = 0; }
  explicit operator bool() const { return handle_ != 0; }
  sl_handle handle() const { return handle_; }

 private:
  sl_handle handle_ = 0;
};

// ---- Log and options --------------------------------------------------------------------------------------------------

inline void log(sl_level level, std::string_view text) { sl_log(level, text.data(), text.size()); }
inline void trace(std::string_view text) { log(SL_TRACE, text); }
inline void debug(std::string_view text) { log(SL_DEBUG, text); }
inline void info(std::string_view text) { log(SL_INFO, text); }
inline void warn(std::string_view text) { log(SL_WARN, text); }
inline void err(std::string_view text) { log(SL_ERROR, text); }

// An option of [plugins.NAME.options].
inline std::optional<std::string> option(const char *key) {
  std::unique_ptr<char, decltype(&std::free)> value(sl_option(key), std::free);
  if (!value) return std::nullopt;
  return std::string(value.get());
}

// Every option, in the order of the keys.
inline std::vector<std::pair<std::string, std::string>> options() {
  std::size_t count = 0;
  std::unique_ptr<sl_option_value, decltype(&std::free)> all(sl_options(&count), std::free);
  std::vector<std::pair<std::string, std::string>> pairs;
  for (std::size_t i = 0; i < count; i++) pairs.emplace_back(all.get()[i].key, all.get()[i].value);
  return pairs;
}

// ---- The reactor ------------------------------------------------------------------------------------------------------

// Ends the host's loops after this turn; needs `allow.stop = true`, and without it the log says so.
inline void stop() { sl_stop(); }
inline result<> try_stop() { return detail::answer(sl_try_stop()); }
inline bool is_running() { return sl_is_running(); }
inline std::uint32_t connection_count() { return sl_connection_count(); }

using Timer = Registration<sl_cancel_timer>;

// Calls `f` once after this time. The timer ends with the object: keep it in a member, or `detach` it.
template <class F>
[[nodiscard("a timer ends with its object: keep it in a member, or call detach()")]] Timer add_timer(milliseconds time, F f) {
  auto *kept = new F(std::move(f));
  sl_handle timer = sl_timer(detail::count(time), detail::closure<F>::call, kept);
  detail::registered(timer != 0, kept);
  return Timer(timer);
}

// Calls `f` each time it has passed, counted from the end of one call to the next.
template <class F>
[[nodiscard("a timer ends with its object: keep it in a member, or call detach()")]] Timer add_periodic_timer(milliseconds time, F f) {
  auto *kept = new F(std::move(f));
  sl_handle timer = sl_periodic_timer(detail::count(time), detail::closure<F>::call, kept);
  detail::registered(timer != 0, kept);
  return Timer(timer);
}

// Calls `f` when this turn's events are done. In a connection its own `next_tick` is the safe one: it ends with the connection.
template <class F>
bool next_tick(F f, sl_conn *owner = nullptr) {
  auto *kept = new F(std::move(f));
  return detail::registered(sl_next_tick(detail::closure<F>::call, kept), kept, owner);
}

// ---- Work that takes long ---------------------------------------------------------------------------------------------

// What an operation has found: bytes, or why there are none.
struct Answer {
  failure why;            // SL_DONE where all is well
  std::string_view text;  // the result, or the words of the failure
  explicit operator bool() const { return why == SL_DONE; }
};

namespace detail {
template <auto Operation>
void run(sl_job *job, const std::uint8_t *argument, std::size_t size) {
  std::string_view given(reinterpret_cast<const char *>(argument), size);
  std::expected<std::string, std::string> found = Operation(given);
  if (found) sl_succeed(job, found->data(), found->size());
  else sl_fail(job, found.error().c_str());
}
}  // namespace detail

// Has a worker call `Operation`, a function of a `std::string_view` that returns `std::expected<std::string, std::string>`, in a sandbox
// of its own; then calls `f` with the Answer. A job that is refused is an Answer as well, in a tick.
template <auto Operation, class F>
void defer(view argument, F f, sl_conn *owner = nullptr) {
  struct kept {
    F f;
    static void done(void *self, sl_failure why, const std::uint8_t *data, std::size_t size) {
      static_cast<kept *>(self)->f(Answer{why, {reinterpret_cast<const char *>(data), size}});
    }
    static void drop(void *self) { delete static_cast<kept *>(self); }
  };
  auto *waiting = new kept{std::move(f)};
  sl_error error = sl_defer(detail::run<Operation>, argument.data, argument.size, kept::done, waiting);
  if (!error) {
    sl__attach(owner, kept::drop);
    return;
  }
  next_tick([f = std::move(waiting->f), error]() mutable { f(Answer{SL_UNAVAILABLE, sl_error_text(error)}); }, owner);
  delete waiting;
}

// ---- Channels and queues ----------------------------------------------------------------------------------------------

namespace detail {
template <class F>
void message(void *f, const std::uint8_t *data, std::size_t size) {
  (*static_cast<F *>(f))(bytes(data, size));
}
}  // namespace detail

class Subscription : public Registration<sl_unsubscribe> {
 public:
  using Registration::Registration;
  // Pushes to all subscribers of the channel but this one.
  void push_to_others(view message) { sl_push_to_others(handle(), message.data, message.size); }
};

// What one pushes, every subscriber gets, in every sandbox of the tenant.
class Channel {
 public:
  explicit Channel(std::string name) : name_(std::move(name)) {}

  // Calls `f` with the bytes of each message, until the subscription's object ends.
  template <class F>
  [[nodiscard("a subscription ends with its object: keep it in a member, or call detach()")]] Subscription subscribe(F f) const {
    auto *kept = new F(std::move(f));
    sl_handle handle = sl_subscribe(name_.c_str(), detail::message<F>, kept);
    detail::registered(handle != 0, kept);
    return Subscription(handle);
  }
  // At the bound the message is lost and the log says so.
  void push(view message) const { sl_push(name_.c_str(), message.data, message.size); }
  result<> try_push(view message) const { return detail::answer(sl_try_push(name_.c_str(), message.data, message.size, 0)); }
  std::uint32_t num_subscribers() const { return sl_num_subscribers(name_.c_str()); }

 private:
  std::string name_;
};

using Pop = Registration<sl_queue_cancel_pop>;

// What one pushes, one other gets.
class Queue {
 public:
  explicit Queue(std::string name) : name_(std::move(name)) {}

  result<> push(view item) const { return detail::answer(sl_queue_push(name_.c_str(), item.data, item.size)); }
  // Calls `f` with the bytes of one item, unless the pop's object ends first.
  template <class F>
  [[nodiscard("a pop ends with its object: keep it in a member, or call detach()")]] Pop pop(F f) const {
    auto *kept = new F(std::move(f));
    sl_handle handle = sl_queue_pop(name_.c_str(), detail::message<F>, kept);
    detail::registered(handle != 0, kept);
    return Pop(handle);
  }
  std::uint32_t size() const { return sl_queue_size(name_.c_str()); }
  std::uint32_t num_waiting() const { return sl_queue_num_waiting(name_.c_str()); }

 private:
  std::string name_;
};

using Watch = Registration<sl_unwatch>;

// Calls `f` with an sl_watch_event and an sl_watch_error for what becomes of a file or folder.
template <class F>
[[nodiscard]] result<Watch, sl_watch_error> watch_file(const char *path, F f) {
  auto *kept = new F(std::move(f));
  sl_handle handle = 0;
  sl_watch_error error = sl_watch_file(path, detail::closure<F, sl_watch_event, sl_watch_error>::call, kept, &handle);
  if (!detail::registered(error == SL_WATCH_OK, kept)) return std::unexpected(error);
  return Watch(handle);
}

// ---- Connections ------------------------------------------------------------------------------------------------------

// One connection: its fields are its state, its functions are called with what happens.
class Connection {
 public:
  Connection() : conn_(detail::being_made) {}
  Connection(const Connection &) = delete;
  Connection &operator=(const Connection &) = delete;
  virtual ~Connection() = default;

  // The connection exists. An outgoing one is not connected yet; what it sends here is sent when it is.
  virtual void post_init() {}
  // Outgoing only: the connection is made.
  virtual void connection_completed() {}
  // Bytes from the peer: at least one, in order, cut anywhere.
  virtual void receive_data(bytes) {}
  // The outbox has room again after it was full.
  virtual void drained() {}
  // The connection has ended; the object is deleted after this.
  virtual void unbind(close_reason) {}
  // TLS is there.
  virtual void tls_completed() {}
  // Whether the peer is taken, by its certificates as DER.
  virtual bool verify_peer(std::span<const sl_bytes>) { return false; }
  // The connection is to end within this time.
  virtual drain draining(milliseconds) { return SL_WHEN_IDLE; }
  virtual void proxy_target_unbound() {}
  virtual void proxy_completed() {}

  // Never fails: where the outbox is full the connection is closed, and the log says so.
  void send_data(view data) { sl_send(conn_, data.data, data.size); }
  result<> try_send_data(view data) { return detail::answer(sl_try_send(conn_, data.data, data.size)); }
  void close_connection() { sl_close(conn_); }
  void close_connection_after_writing() { sl_close_after_writing(conn_); }
  result<> half_close() { return detail::answer(sl_half_close(conn_)); }
  void keep_half_open(bool keep) { sl_keep_half_open(conn_, keep); }
  bool peer_finished() const { return sl_peer_finished(conn_); }
  void pause() { sl_pause(conn_); }
  void resume() { sl_resume(conn_); }
  bool is_paused() const { return sl_is_paused(conn_); }
  std::optional<address> peer_address() const {
    address at;
    return sl_peer_address(conn_, &at) ? std::optional(at) : std::nullopt;
  }
  std::optional<address> local_address() const {
    address at;
    return sl_local_address(conn_, &at) ? std::optional(at) : std::nullopt;
  }
  // Zero, the default, is never.
  void set_comm_inactivity_timeout(milliseconds time) { sl_set_comm_inactivity_timeout(conn_, detail::count(time)); }
  milliseconds comm_inactivity_timeout() const { return milliseconds(sl_comm_inactivity_timeout(conn_)); }
  result<> set_pending_connect_timeout(milliseconds time) {
    return detail::answer(sl_set_pending_connect_timeout(conn_, detail::count(time)));
  }
  milliseconds pending_connect_timeout() const { return milliseconds(sl_pending_connect_timeout(conn_)); }
  std::uint32_t outbound_data_size() const { return sl_outbound_data_size(conn_); }
  milliseconds idle_time() const { return milliseconds(sl_idle_time(conn_)); }
  std::uint32_t id() const { return sl_id(conn_); }
  result<> enable_keepalive(std::chrono::seconds idle, std::chrono::seconds interval, std::uint32_t count) {
    auto number = [](std::chrono::seconds time) { return static_cast<std::uint32_t>(time.count()); };
    return detail::answer(sl_enable_keepalive(conn_, number(idle), number(interval), count));
  }
  result<> disable_keepalive() { return detail::answer(sl_disable_keepalive(conn_)); }
  std::optional<sl_probes> keepalive() const {
    sl_probes probes;
    return sl_keepalive(conn_, &probes) ? std::optional(probes) : std::nullopt;
  }
  result<> set_nodelay(bool nodelay) { return detail::answer(sl_set_nodelay(conn_, nodelay)); }
  bool nodelay() const { return sl_nodelay(conn_); }

  // In the constructor and in post_init of an accepted connection: where it was accepted, and its options.
  std::string_view listener_address() const { return conn_->listener ? conn_->listener : ""; }
  std::optional<std::string> listener_option(const char *key) const {
    const char *value = sl_listener_option(conn_, key);
    return value ? std::optional<std::string>(value) : std::nullopt;
  }

  // In unbind: connects again, and this object goes on.
  result<> reconnect(const char *host, std::uint16_t port) {
    sl_error error = sl_reconnect(conn_, host, port);
    goes_on_ = error == SL_OK;
    return detail::answer(error);
  }

  // `{.profile = "server"}` waits for a client, `{.server_name = "example.org"}` begins.
  result<> start_tls(const sl_tls &tls) { return detail::answer(sl_start_tls(conn_, &tls)); }
  std::optional<sandloop::tls_session> tls_session() const {
    sl_tls_session session;
    return sl_get_tls_session(conn_, &session) ? std::optional(session) : std::nullopt;
  }
  std::optional<sandloop::tls_failure> tls_failure() const {
    sl_tls_failure failure;
    return sl_get_tls_failure(conn_, &failure) ? std::optional(failure) : std::nullopt;
  }
  sl_stream_end end_of_stream() const { return sl_end_of_stream(conn_); }
  std::vector<std::vector<std::uint8_t>> peer_certificates() const {
    std::size_t count = 0;
    std::unique_ptr<sl_bytes, decltype(&std::free)> chain(sl_peer_certificates(conn_, &count), std::free);
    std::vector<std::vector<std::uint8_t>> all;
    for (auto &it : std::span(chain.get(), count)) all.emplace_back(it.data, it.data + it.size);
    return all;
  }

  // What comes goes to `target`: after `bytes` of it, or never, it stops.
  result<void, sl_proxy_error> proxy_incoming_to(Connection &target, std::uint32_t buffer = 0, std::uint64_t bytes = 0) {
    sl_proxy_error error = sl_proxy_incoming_to(conn_, target.conn_, buffer, bytes);
    if (error) return std::unexpected(error);
    return {};
  }
  void stop_proxying() { sl_stop_proxying(conn_); }
  std::uint64_t get_proxied_bytes() const { return sl_get_proxied_bytes(conn_); }

  // A file goes out behind what was sent; `f` is called with an sl_file_error and the bytes that went out.
  template <class F>
  result<void, sl_file_error> send_file(const char *path, F f, std::uint64_t offset = 0, std::uint64_t length = SL_TO_END) {
    auto *kept = new F(std::move(f));
    auto *sent = detail::closure<F, sl_file_error, std::uint64_t>::call;
    sl_file_error error = sl_send_file(conn_, path, offset, length, sent, kept);
    if (!detail::registered(error == SL_FILE_OK, kept, conn_)) return std::unexpected(error);
    return {};
  }

  // As send_file, of a file that is still what `version` says; else `f` gets SL_FILE_CHANGED.
  template <class F>
  result<void, sl_file_error> send_file_version(const char *path, const sl_file_version &version, F f, std::uint64_t offset = 0,
                                                std::uint64_t length = SL_TO_END) {
    auto *kept = new F(std::move(f));
    auto *sent = detail::closure<F, sl_file_error, std::uint64_t>::call;
    sl_file_error error = sl_send_file_version(conn_, path, offset, length, &version, sent, kept);
    if (!detail::registered(error == SL_FILE_OK, kept, conn_)) return std::unexpected(error);
    return {};
  }

  // On a socket of open_datagram_socket: one datagram to an IP address.
  result<> send_datagram(view data, const char *host, std::uint16_t port) {
    return detail::answer(sl_send_datagram(conn_, data.data, data.size, host, port));
  }

  // As the functions of the same names, and it ends with this connection.
  template <class F>
  bool next_tick(F f) {
    return sandloop::next_tick(std::move(f), conn_);
  }
  template <auto Operation, class F>
  void defer(view argument, F f) {
    sandloop::defer<Operation>(argument, std::move(f), conn_);
  }

  sl_conn *raw() const { return conn_; }

 private:
  template <class T>
  friend struct Glue;
  sl_conn *conn_;
  bool goes_on_ = false;
};

// A connection of lines, which may have `max_line` bytes.
class Lines : public Connection {
 public:
  static constexpr std::size_t max_line = 16384;
  // A line without its "\n" or "\r\n".
  virtual void receive_line(std::string_view line) = 0;
};

// What C calls, for one type of connections.
template <class T>
struct Glue {
  static_assert(std::is_base_of_v<Connection, T>, "a handler is a class that derives from sandloop::Connection or sandloop::Lines");
  static_assert(!std::is_abstract_v<T>, "a handler overrides what its base leaves open: receive_line of sandloop::Lines");

  struct Maker {
    virtual ~Maker() = default;
    virtual T *make() = 0;
  };
  template <class... Arguments>
  struct MakerOf final : Maker {
    std::tuple<Arguments...> arguments;
    explicit MakerOf(Arguments... given) : arguments(std::move(given)...) {}
    T *make() override {
      return std::apply([](auto &...all) { return new T(std::move(all)...); }, arguments);
    }
  };

  static T *&slot(sl_conn *c) { return *static_cast<T **>(c->state); }
  static void accepted(sl_conn *c) {
    detail::being_made = c;
    if constexpr (std::is_default_constructible_v<T>) slot(c) = new T();
    slot(c)->post_init();
  }
  static void outgoing(sl_conn *c) {
    std::unique_ptr<Maker> maker(static_cast<Maker *>(std::exchange(c->context, nullptr)));
    detail::being_made = c;
    slot(c) = maker->make();
    slot(c)->post_init();
  }
  static void connection_completed(sl_conn *c) { slot(c)->connection_completed(); }
  static void receive_data(sl_conn *c, const std::uint8_t *data, std::size_t size) { slot(c)->receive_data(bytes(data, size)); }
  static void receive_line(sl_conn *c, char *line, std::size_t size) { slot(c)->receive_line(std::string_view(line, size)); }
  static void drained(sl_conn *c) { slot(c)->drained(); }
  static void unbind(sl_conn *c, sl_close_reason reason) {
    T *it = slot(c);
    it->unbind(reason);
    if (std::exchange(it->goes_on_, false)) return;
    slot(c) = nullptr;
    delete it;
  }
  static void tls_completed(sl_conn *c) { slot(c)->tls_completed(); }
  static bool verify_peer(sl_conn *c, const sl_bytes *chain, std::size_t count) { return slot(c)->verify_peer({chain, count}); }
  static sl_drain draining(sl_conn *c, std::uint32_t time) { return slot(c)->draining(milliseconds(time)); }
  static void proxy_target_unbound(sl_conn *c) { slot(c)->proxy_target_unbound(); }
  static void proxy_completed(sl_conn *c) { slot(c)->proxy_completed(); }

  static constexpr sl_handler handler(const char *name, void (*post_init)(sl_conn *)) {
    sl_handler it{};
    it.name = name;
    it.size = sizeof(T *);
    it.post_init = post_init;
    it.connection_completed = connection_completed;
    if constexpr (std::is_base_of_v<Lines, T>) {
      it.receive_line = receive_line;
      it.max_line = T::max_line;
    } else {
      it.receive_data = receive_data;
    }
    it.drained = drained;
    it.unbind = unbind;
    it.tls_completed = tls_completed;
    it.verify_peer = verify_peer;
    it.draining = draining;
    it.proxy_target_unbound = proxy_target_unbound;
    it.proxy_completed = proxy_completed;
    return it;
  }
  static constexpr sl_handler listed(const char *name) {
    static_assert(std::is_default_constructible_v<T>, "a handler of SANDLOOP_PLUGIN is made without arguments");
    return handler(name, accepted);
  }
  static inline constexpr sl_handler dialed = handler(nullptr, outgoing);

  // Asks for a connection that will be made of these arguments.
  template <class E, class Ask, class... Arguments>
  static result<void, E> ask(Ask ask, Arguments &&...arguments) {
    Maker *maker = new MakerOf<std::decay_t<Arguments>...>(std::forward<Arguments>(arguments)...);
    E error = ask(&dialed, static_cast<void *>(maker));
    if (error == E{}) return {};
    delete maker;
    return std::unexpected(error);
  }
};

// Starts an outgoing connection: `T` is made of the arguments after this callback has returned. That nobody answers is told to its
// `unbind`.
template <class T, class... Arguments>
result<> connect(const char *host, std::uint16_t port, Arguments &&...arguments) {
  auto ask = [&](const sl_handler *handler, void *maker) { return sl_connect(host, port, handler, maker); };
  return Glue<T>::template ask<sl_error>(ask, std::forward<Arguments>(arguments)...);
}
// To `host:port`, as an option has it.
template <class T, class... Arguments>
result<> connect_to(const std::string &host_and_port, Arguments &&...arguments) {
  auto ask = [&](const sl_handler *handler, void *maker) { return sl_connect_to(host_and_port.c_str(), handler, maker); };
  return Glue<T>::template ask<sl_error>(ask, std::forward<Arguments>(arguments)...);
}
template <class T, class... Arguments>
result<> connect_unix(const char *path, Arguments &&...arguments) {
  auto ask = [&](const sl_handler *handler, void *maker) { return sl_connect_unix(path, handler, maker); };
  return Glue<T>::template ask<sl_error>(ask, std::forward<Arguments>(arguments)...);
}
// From an address of this machine that `allow.listen` lists.
template <class T, class... Arguments>
result<> bind_connect(const char *local_host, std::uint16_t local_port, const char *host, std::uint16_t port, Arguments &&...arguments) {
  auto ask = [&](const sl_handler *handler, void *maker) {
    return sl_bind_connect(local_host, local_port, host, port, handler, maker);
  };
  return Glue<T>::template ask<sl_error>(ask, std::forward<Arguments>(arguments)...);
}
// Opens a UDP socket, which is one connection: `receive_data` is called with each datagram.
template <class T, class... Arguments>
result<address, sl_listen_error> open_datagram_socket(const char *host, std::uint16_t port, Arguments &&...arguments) {
  address local;
  auto ask = [&](const sl_handler *handler, void *maker) { return sl_open_datagram_socket(host, port, handler, maker, &local); };
  auto opened = Glue<T>::template ask<sl_listen_error>(ask, std::forward<Arguments>(arguments)...);
  if (!opened) return std::unexpected(opened.error());
  return local;
}
// Listens at an address that `allow.listen` lists, with a handler of SANDLOOP_PLUGIN by its name.
inline result<listener, sl_listen_error> start_server(sl_address_kind kind, const char *host_or_path, std::uint16_t port,
                                                      const char *handler, std::span<const sl_option_value> options = {}) {
  listener it;
  sl_listen_error error = sl_start_server(kind, host_or_path, port, handler, options.data(), options.size(), &it);
  if (error) return std::unexpected(error);
  return it;
}
inline void stop_server(std::uint32_t id) { sl_stop_server(id); }

// ---- Processes --------------------------------------------------------------------------------------------------------

// A sandbox of the plugin's own making: made of the argument, or of nothing.
class Process {
 public:
  virtual ~Process() = default;
  virtual void notified(bytes message) = 0;
};

namespace detail {
template <class T>
struct process {
  static const char *spawned(sl_process *self, const std::uint8_t *argument, std::size_t size) {
    if constexpr (std::constructible_from<T, bytes>) *static_cast<T **>(self->state) = new T(bytes(argument, size));
    else *static_cast<T **>(self->state) = new T();
    return nullptr;
  }
  static void notified(sl_process *self, const std::uint8_t *message, std::size_t size) {
    (*static_cast<T **>(self->state))->notified(bytes(message, size));
  }
  static constexpr sl_process_class named(const char *name) { return {name, sizeof(T *), spawned, notified}; }
};
}  // namespace detail

// Starts a process of this plugin, or of another one. `f` is called with its id and an sl_exit_reason when it has ended.
template <class F>
result<std::uint32_t> spawn(const char *name, view argument, F f, const char *plugin = nullptr) {
  auto *kept = new F(std::move(f));
  std::uint32_t id = 0;
  auto *exited = detail::closure<F, std::uint32_t, sl_exit_reason>::call;
  sl_error error = sl_spawn(plugin, name, argument.data, argument.size, exited, kept, &id);
  if (!detail::registered(error == SL_OK, kept)) return std::unexpected(error);
  return id;
}
inline result<> notify(std::uint32_t process, view message) { return detail::answer(sl_notify(process, message.data, message.size)); }
inline void kill(std::uint32_t process) { sl_kill(process); }
inline void exit() { sl_exit(); }

// ---- The program ------------------------------------------------------------------------------------------------------

namespace detail {
// An error's text lives until the next one.
inline const char *said(outcome of) {
  static std::string words;
  if (of) return nullptr;
  words = std::move(of.error());
  return words.c_str();
}
template <class P>
const char *prepare() {
  if constexpr (requires { P::prepare(); }) return said(P::prepare());
  else return nullptr;
}
template <class P>
const char *start() {
  return said(P::start());
}
template <class P>
void stopping() {
  if constexpr (requires { P::stopping(); }) P::stopping();
}
template <class P>
void stopped() {
  if constexpr (requires { P::stopped(); }) P::stopped();
}
template <class P>
void save(sl_state *state) {
  if constexpr (requires { P::save(); }) {
    std::optional<std::string> saved = P::save();
    if (saved) sl_save(state, saved->data(), saved->size());
  }
}
template <class P>
const char *restore(const std::uint8_t *state, std::size_t size) {
  std::string_view given(reinterpret_cast<const char *>(state), size);
  if constexpr (requires { P::restore(given); }) return said(P::restore(given));
  else return "this plugin has no use for a state: its program has no restore";
}
}  // namespace detail

}  // namespace sandloop

// The plugin's handlers: each is called as its class in lower case.
#define SANDLOOP_PLUGIN(...) \
  extern "C" const sl_handler sl_handlers[] = {SL__EACH(SL__HANDLER, __VA_ARGS__){}};
#define SL__HANDLER(type) ::sandloop::Glue<type>::listed(::sandloop::detail::lower<::sandloop::detail::name(#type)>.text),

// The plugin's processes, in the same way.
#define SANDLOOP_PROCESSES(...) \
  extern "C" const sl_process_class sl_processes[] = {SL__EACH(SL__PROCESS_OF, __VA_ARGS__){}};
#define SL__PROCESS_OF(type) ::sandloop::detail::process<type>::named(::sandloop::detail::lower<::sandloop::detail::name(#type)>.text),

// A program: a class with the static functions `start`, and if it wants `prepare`, `stopping`, `stopped`. The first two return
// `sandloop::outcome`. With `std::optional<std::string> save()` and `outcome restore(std::string_view)` it hands a state to the
// next version when it is replaced: `restore` comes between `prepare` and `start`.
#define SANDLOOP_PROGRAM(type)                                                                                        \
  SL_PROGRAM(.prepare = ::sandloop::detail::prepare<type>, .start = ::sandloop::detail::start<type>,                  \
             .stopping = ::sandloop::detail::stopping<type>, .stopped = ::sandloop::detail::stopped<type>,            \
             .save = ::sandloop::detail::save<type>, .restore = ::sandloop::detail::restore<type>);

#define SL__PARENS ()
#define SL__EXPAND(...) SL__EXPAND_3(SL__EXPAND_3(SL__EXPAND_3(SL__EXPAND_3(__VA_ARGS__))))
#define SL__EXPAND_3(...) SL__EXPAND_2(SL__EXPAND_2(SL__EXPAND_2(SL__EXPAND_2(__VA_ARGS__))))
#define SL__EXPAND_2(...) SL__EXPAND_1(SL__EXPAND_1(SL__EXPAND_1(SL__EXPAND_1(__VA_ARGS__))))
#define SL__EXPAND_1(...) __VA_ARGS__
#define SL__EACH(macro, ...) __VA_OPT__(SL__EXPAND(SL__EACH_OF(macro, __VA_ARGS__)))
#define SL__EACH_OF(macro, first, ...) macro(first) __VA_OPT__(SL__EACH_AGAIN SL__PARENS(macro, __VA_ARGS__))
#define SL__EACH_AGAIN() SL__EACH_OF

// The C++ library's last words are a line of the log. Its own functions for that print, for 10 KB and 13 WASI imports.
#if defined(SANDLOOP_IMPLEMENTATION) && !defined(SL__ABORT_IMPLEMENTED)
#define SL__ABORT_IMPLEMENTED

namespace sandloop::detail {
// What libc++ formats: `%s` and `%d`.
[[noreturn]] inline void die(const char *format, va_list arguments) {
  std::string words = "C++: ";
  for (const char *at = format; *at; at++) {
    if (at[0] == '%' && at[1] == 's') words += va_arg(arguments, const char *);
    else if (at[0] == '%' && at[1] == 'd') words += std::to_string(va_arg(arguments, int));
    else {
      words += *at;
      continue;
    }
    at++;
  }
  sl__die(words.c_str(), nullptr);
}
}  // namespace sandloop::detail

extern "C" __attribute__((noreturn, weak)) void abort_message(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  sandloop::detail::die(format, arguments);
}

#if _LIBCPP_VERSION >= 200000
#define SL__NOEXCEPT noexcept
#else
#define SL__NOEXCEPT
#endif
// Its name since libc++abi 20.
extern "C" __attribute__((noreturn, weak)) void __abort_message(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  sandloop::detail::die(format, arguments);
}

_LIBCPP_BEGIN_NAMESPACE_STD
__attribute__((noreturn, weak)) void __libcpp_verbose_abort(const char *format, ...) SL__NOEXCEPT {
  va_list arguments;
  va_start(arguments, format);
  sandloop::detail::die(format, arguments);
}
_LIBCPP_END_NAMESPACE_STD
#endif  // SANDLOOP_IMPLEMENTATION

#endif  // SANDLOOP_HPP
