#include "os/signals.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <algorithm>

namespace gyre::os {

namespace {

sigset_t held_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGHUP, SIGINT, SIGTERM}) sigaddset(&set, number);
  return set;
}

}  // namespace

void hold_signals() {
  const sigset_t set = held_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

Signal next_signal(Nanos timeout) {
  const sigset_t set = held_signals();
  const Nanos bounded = std::clamp<Nanos>(timeout, 0, 3600 * kSecond);
  const timespec wait{.tv_sec = bounded / kSecond, .tv_nsec = bounded % kSecond};
  switch (sigtimedwait(&set, nullptr, &wait)) {
    case SIGHUP:
      return Signal::hangup;
    case SIGINT:
      return Signal::interrupt;
    case SIGTERM:
      return Signal::terminate;
    default:
      return Signal::none;
  }
}

}  // namespace gyre::os
