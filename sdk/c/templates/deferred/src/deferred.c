// Answers each number with how many primes are below it; they are counted off the loop.

#define SANDLOOP_IMPLEMENTATION
#include "sandloop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Runs in a sandbox of its own: it knows nothing but its argument.
static void primes(sl_job *job, const uint8_t *argument, size_t size) {
  char *end, text[24];
  unsigned long long n = strtoull((const char *)argument, &end, 10);
  if (size == 0 || *end || strspn((const char *)argument, "0123456789") != size) {
    sl_fail(job, "error: not a number");
    return;
  }
  if (n > 1000000) {
    sl_fail(job, "error: too large");
    return;
  }
  unsigned count = 0;
  for (unsigned i = 2; i < n; i++) {
    unsigned d = 2;
    while (d * d <= i && i % d) d++;
    count += d * d > i;
  }
  snprintf(text, sizeof text, "%u", count);
  sl_succeed(job, text, strlen(text));
}

static void done(void *c, sl_failure failure, const uint8_t *answer, size_t size) {
  (void)failure;  // the words of an error are an answer too
  sl_send(c, answer, size);
  sl_puts(c, "\n");
}

static void receive_line(sl_conn *c, char *line, size_t size) {
  sl_error error = sl_defer(primes, line, size, done, c);
  if (error) sl_sendf(c, "error: %s\n", sl_error_text(error));
}

SL_HANDLERS({.name = "deferred", .receive_line = receive_line});
