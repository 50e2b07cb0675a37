// Answers each number with how many primes are below it; they are counted off the loop.

#define SANDLOOP_IMPLEMENTATION
#include "sandloop.hpp"

#include <charconv>

// Runs in a sandbox of its own: it knows nothing but its argument.
static std::expected<std::string, std::string> primes(std::string_view argument) {
  unsigned n = 0;
  auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), n);
  if (argument.empty() || end != argument.data() + argument.size()) return sandloop::fail("error: not a number");
  if (error == std::errc::result_out_of_range || n > 1'000'000) return sandloop::fail("error: too large");
  unsigned count = 0;
  for (unsigned i = 2; i < n; i++) {
    unsigned d = 2;
    while (d * d <= i && i % d) d++;
    count += d * d > i;
  }
  return std::to_string(count);
}

struct Deferred : sandloop::Lines {
  void receive_line(std::string_view line) override {
    defer<primes>(line, [this](sandloop::Answer answer) { send_data(std::string(answer.text) + "\n"); });
  }
};

SANDLOOP_PLUGIN(Deferred)
