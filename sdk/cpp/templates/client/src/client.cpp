// Connects to the option `server`, says hello, and logs the first line of the answer.

#define SANDLOOP_IMPLEMENTATION
#include "sandloop.hpp"

using namespace std::chrono_literals;

static void dial();

struct Client : sandloop::Lines {
  bool is_answered = false;

  void connection_completed() override { send_data("hello\n"); }

  void receive_line(std::string_view line) override {
    if (is_answered) return;
    is_answered = true;
    sandloop::info("answer: " + std::string(line));
    close_connection();
    sandloop::stop();
  }

  void unbind(sandloop::close_reason) override {
    if (!is_answered) sandloop::add_timer(1s, dial).detach();
  }
};

static void dial() {
  auto connecting = sandloop::connect_to<Client>(sandloop::option("server").value_or(""));
  if (!connecting) sandloop::err("no connect to the option `server`: " + sandloop::text(connecting.error()));
}

struct Start {
  static sandloop::outcome start() {
    dial();
    return {};
  }
};

SANDLOOP_PROGRAM(Start)
