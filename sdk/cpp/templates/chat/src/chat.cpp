// Each line goes to everyone else.

#define SANDLOOP_IMPLEMENTATION
#include "sandloop.hpp"

struct Chat : sandloop::Lines {
  sandloop::Subscription room = sandloop::Channel("chat").subscribe([this](sandloop::bytes line) { send_data(line); });

  void receive_line(std::string_view line) override { room.push_to_others(std::string(line) + "\n"); }
};

SANDLOOP_PLUGIN(Chat)
