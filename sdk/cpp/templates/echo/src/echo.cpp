// Sends back what comes.

#define SANDLOOP_IMPLEMENTATION
#include "sandloop.hpp"

struct Echo : sandloop::Connection {
  void receive_data(sandloop::bytes data) override { send_data(data); }
};

SANDLOOP_PLUGIN(Echo)
