// Answers each line with itself; "quit", and five seconds without a line, with "bye".

#define SANDLOOP_IMPLEMENTATION
#include "sandloop.hpp"

using namespace std::chrono_literals;

struct Lines : sandloop::Lines {
  sandloop::Timer idle;

  void post_init() override { wait_for_line(); }

  void receive_line(std::string_view line) override {
    if (line == "quit") return bye();
    send_data(std::string(line) + "\n");
    wait_for_line();
  }

  void wait_for_line() {
    idle = sandloop::add_timer(5s, [this] { bye(); });
  }

  void bye() {
    send_data("bye\n");
    close_connection_after_writing();
  }
};

SANDLOOP_PLUGIN(Lines)
