// Every call of the C++ SDK, one for each word that a peer says: what comes back is what the host has said.

#define SANDLOOP_IMPLEMENTATION
#include "sandloop.hpp"

#include <cstdio>
#include <map>

using namespace sandloop;
using std::string;
using std::to_string;

static string code(const string &text) { return text.substr(0, text.find(':')) + "\n"; }
template <class T, class E>
static string code(const std::expected<T, E> &it) {
  return it ? "ok\n" : code(text(it.error()));
}
static string shown(const std::optional<address> &it) {
  static const char *const kinds[] = {"tcp", "udp", "unix"};
  return it ? string(kinds[it->kind]) + " " + it->host + " " + to_string(it->port) + "\n" : "none\n";
}
template <class... T>
static string numbers(T... all) {
  string line;
  ((line += (line.empty() ? "" : " ") + to_string(all)), ...);
  return line + "\n";
}

static std::expected<string, string> backwards(std::string_view argument) {
  if (argument.empty()) return fail("nothing to turn");
  if (argument == "trap") __builtin_trap();
  return string(argument.rbegin(), argument.rend());
}

// An outgoing connection that knows the one that asked for it.
struct Out : Connection {
  Connection &asked;
  explicit Out(Connection *asked) : asked(*asked) {}
  void connection_completed() override { asked.send_data("connected " + numbers(proxy_incoming_to(asked, 0, 5) ? 0 : 1)); }
  void proxy_completed() override {
    asked.send_data("\nproxied " + numbers(get_proxied_bytes()));
    close_connection();
  }
  void unbind(close_reason reason) override { asked.send_data("unbound " + text(reason) + "\n"); }
};

struct Persistent : Connection {
  Connection &asked;
  int count = 0;
  explicit Persistent(Connection *asked) : asked(*asked) {}
  void unbind(close_reason reason) override {
    if (++count < 3 && reconnect("127.0.0.1", 1)) return;
    asked.send_data("again " + to_string(count) + " " + text(reason) + " kept\n");
  }
};

struct Datagram : Connection {
  void receive_data(bytes data) override {
    auto from = peer_address();
    if (data.size() > 1 && data[0] == '>' && from) (void)send_datagram(data.subspan(1), from->host, from->port);
    else send_data(data);
  }
};

struct Worker : Process {
  string given;
  explicit Worker(bytes argument) : given(text(argument)) {}
  void notified(bytes message) override {
    Channel("calls").push(given + " " + string(text(message)));
    sandloop::exit();
  }
};
SANDLOOP_PROCESSES(Worker)

struct Calls : Lines {
  static constexpr std::size_t max_line = 100;
  string where{listener_address()}, color = listener_option("color").value_or("none");
  std::vector<Timer> timers;
  std::vector<Watch> watches;
  std::vector<Pop> pops;
  Subscription room;
  Timer periodic;
  int ticks = 0;

  string answer(const string &word, const string &rest) {
    auto fired = [this] { send_data("fired\n"); };
    auto popped = [this](bytes item) { send_data("popped " + string(text(item)) + "\n"); };
    auto exited = [this](std::uint32_t process, sl_exit_reason reason) { send_data("exited " + numbers(process != 0, int(reason))); };
    auto sent = [this](sl_file_error error, std::uint64_t bytes) {
      string words = code(text(error));
      send_data("sent " + words.substr(0, words.size() - 1) + " " + numbers(bytes));
    };
    if (word == "listener") return where + " " + color + "\n";
    if (word == "peer") return shown(peer_address());
    if (word == "local") return shown(local_address());
    if (word == "numbers") {
      set_comm_inactivity_timeout(milliseconds(70000));
      auto zero = set_pending_connect_timeout(milliseconds(0));
      return numbers(comm_inactivity_timeout().count(), outbound_data_size(), int(zero.error()), id() > 0, idle_time().count() < 60000);
    }
    if (word == "states") {
      pause();
      bool paused = is_paused();
      resume();
      keep_half_open(true);
      return numbers(paused, is_paused(), peer_finished(), is_running());
    }
    if (word == "keepalive") {
      using std::chrono::seconds;
      int first = !enable_keepalive(seconds(11), seconds(12), 13);
      auto probes = keepalive().value_or(sl_probes{});
      int second = !disable_keepalive(), third = keepalive().has_value(), fourth = !set_nodelay(false);
      return numbers(first, 1, probes.idle, probes.interval, probes.count, second, third, fourth, nodelay());
    }
    if (word == "half") return code(half_close());
    if (word == "option") return option(rest.c_str()).value_or("none") + "\n";
    if (word == "options") {
      string line;
      for (auto &[key, value] : options()) line += key + "=" + value + ";";
      return line + "\n";
    }
    if (word == "server") {
      sl_option_value given[] = {{"color", "blue"}, {"", ""}};
      auto it = start_server(SL_TCP, "127.0.0.1", 0, "calls", given);
      return it ? shown(it->address) : code(it);
    }
    if (word == "denied") {
      int first = start_server(SL_TCP, "127.0.0.2", 1, "").error(), second = open_datagram_socket<Datagram>("name", 1).error();
      return numbers(first, second, int(connect<Out>("127.0.0.2", 1, this).error()));
    }
    if (word == "datagrams") {
      auto it = open_datagram_socket<Datagram>("127.0.0.1", 0);
      return it ? shown(*it) : code(it);
    }
    if (word == "file") return code(send_file(rest.c_str(), sent));
    if (word == "part") return code(send_file(rest.c_str(), sent, 1, 3));
    if (word == "version") return code(send_file_version(rest.c_str(), {6, 1, 2}, sent));
    if (word == "watch") {
      auto watch = watch_file(rest.c_str(), [this](sl_watch_event event, sl_watch_error error) {
        static const char *const events[] = {"modified", "moved", "deleted", "ended"};
        send_data(string(events[event]) + " " + code(text(error)));
      });
      if (!watch) return numbers(int(watch.error()));
      watches.push_back(std::move(*watch));
      return "0\n";
    }
    if (word == "connect") return code(connect_to<Out>(rest, this));
    if (word == "from") return code(bind_connect<Out>("127.0.0.1", 0, "127.0.0.1", std::uint16_t(std::stoi(rest)), this));
    if (word == "unix") return code(connect_unix<Out>(rest.c_str(), this));
    if (word == "again") return code(connect<Persistent>("127.0.0.1", 1, this));
    if (word == "count") return numbers(connection_count());
    if (word == "timer") {
      timers.push_back(add_timer(milliseconds(std::stoi(rest)), fired));
      return "";
    }
    if (word == "cancelled") {
      { auto forgotten = add_timer(milliseconds(0), fired); }
      return "cancelled\n";
    }
    if (word == "periodic") {
      periodic = add_periodic_timer(milliseconds(1), [this] {
        if (++ticks == 3) {
          periodic.cancel();
          Channel("calls").push("three");
        }
      });
      return "";
    }
    if (word == "zero") return numbers(!add_periodic_timer(milliseconds(0), fired));
    if (word == "tick") return next_tick(fired), "";
    if (word == "defer") {
      defer<backwards>(rest, [this](Answer it) { send_data("done " + to_string(it.why) + " " + string(it.text) + "\n"); });
      return "ok\n";
    }
    if (word == "subscribe") {
      room = Channel("calls").subscribe([this](bytes message) { send_data("heard " + string(text(message)) + "\n"); });
      return numbers(Channel("calls").num_subscribers(), !Channel("").subscribe([](bytes) {}));
    }
    if (word == "unsubscribe") return room.cancel(), numbers(Channel("calls").num_subscribers());
    if (word == "push") return Channel("calls").push(rest), "";
    if (word == "others") return room.push_to_others(rest), "";
    if (word == "item") return code(Queue("calls").push(rest));
    if (word == "pop") {
      Queue queue("calls");
      { auto forgotten = queue.pop(popped); pops.push_back(queue.pop(popped)); }
      return numbers(queue.num_waiting(), queue.size());
    }
    if (word == "spawn") {
      auto process = spawn("worker", "given", exited);
      return process ? code(notify(*process, "told")) : code(process);
    }
    if (word == "kill") {
      kill(spawn("worker", "given", exited).value_or(0));
      return "";
    }
    if (word == "session") {
      auto s = tls_session();
      if (!s) return "none\n";
      string line = numbers(s->is_tls13, s->resumed);
      line.pop_back();
      return line + " " + s->cipher + " " + to_string(s->cipher_bits) + " " + s->alpn + " " + s->server_name + " " +
             numbers(peer_certificates().size(), int(end_of_stream()));
    }
    static sl_conn *remembered;
    if (word == "remember") return remembered = raw(), "";
    if (word == "stale") return sl_puts(remembered, "stale\n"), "";
    if (word == "bounds") {
      static int four[4];
      return numbers(four[std::stoi(rest)]);
    }
    if (word == "null") {
      Calls *none = std::stoi(rest) ? this : nullptr;
      none->ticks = 1;
      return "";
    }
    if (word == "print") return std::printf("%s", rest.c_str()), "";
    if (word == "quit") return close_connection_after_writing(), "";
    return "what?\n";
  }

  void receive_line(std::string_view line) override {
    auto space = line.find(' ');
    string rest(space == line.npos ? "" : line.substr(space + 1));
    send_data(answer(string(line.substr(0, space)), rest));
  }
  drain draining(milliseconds time) override {
    send_data("draining " + numbers(time.count() > 0));
    close_connection_after_writing();
    return SL_UNTIL_CLOSED;
  }
  void unbind(close_reason reason) override { info("unbind " + text(reason)); }
};

struct Deaf : Connection {};

SANDLOOP_PLUGIN(Calls, Deaf)
