// The loop on real sockets, when the system refuses it what it asks for, and at its end.
#include "server/loop/loop.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "server/world.h"

namespace {
// What accept4 says in place of accepting, so many times; this program has its own.
std::atomic<int> failing{0}, failures{0}, failed{0};
}  // namespace

extern "C" int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  int left = failures.load();
  while (left > 0 && !failures.compare_exchange_weak(left, left - 1)) {
  }
  if (left > 0) {
    failed.fetch_add(1);
    errno = failing.load();
    return -1;
  }
  return static_cast<int>(syscall(SYS_accept4, fd, address, size, flags));
}

namespace spinney::server::testing {
namespace {

using loop::Descriptor;

struct Running {
  explicit Running(size_t connections_max, http1::Limits given = {})
      : limits(given), connections(connections_max) {
    auto listeners = loop::listen_on("127.0.0.1", 0, 1);
    EXPECT_TRUE(listeners.ok());
    port = listeners->port;
    std::vector<Descriptor> own;
    own.push_back(std::move(listeners->sockets[0]));
    made = loop::Loop::make(limits, connections, world.budget, world.desk, std::move(own)).value();
  }
  ~Running() {
    failures = 0;
    made->stop();
    if (thread.joinable()) thread.join();
    made.reset();
  }
  void run() {
    thread = std::thread([this] { made->run(); });
  }
  Descriptor connect() const {
    Descriptor fd(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const timeval longest{30, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
    return fd;
  }
  World world;
  http1::Limits limits;
  loop::Connections connections;
  std::unique_ptr<loop::Loop> made;
  uint16_t port = 0;
  std::thread thread;
};

bool say(const Descriptor& fd, std::string_view text) {
  return send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(text.size());
}

// Until the peer's end; "broken" behind what came if it is none.
std::string read_all(const Descriptor& fd) {
  std::string read;
  char piece[4096];
  for (;;) {
    const ssize_t n = recv(fd.get(), piece, sizeof piece, 0);
    if (n < 0) return read + "broken";
    if (n == 0) return read;
    read.append(piece, static_cast<size_t>(n));
  }
}

constexpr std::string_view kLast =
    "GET /v2/health/live HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

// A connection that cannot be taken stays in the queue, and says so all the time.
TEST(Loop, WaitsAWhileWhereNothingCanBeAccepted) {
  for (const int error : {ENOMEM, ENOBUFS, EMFILE, ENFILE}) {
    Running running(10);
    failing = error;
    failed = 0;
    failures = 1'000'000'000;
    running.run();
    const int64_t before = SteadyClock::instance().now_ns();
    const Descriptor client = running.connect();
    ASSERT_TRUE(say(client, kLast));
    // Two each time where one is dropped by the descriptor that is kept for them.
    while (failed < 3) std::this_thread::yield();
    EXPECT_GE(SteadyClock::instance().now_ns() - before, 200 * kMillisecond) << strerror(error);
    failures = 0;
    const Descriptor later = running.connect();
    ASSERT_TRUE(say(later, kLast));
    EXPECT_TRUE(read_all(later).starts_with("HTTP/1.1 200")) << strerror(error);
    if (error == EMFILE || error == ENFILE) continue;  // the first may have been dropped
    EXPECT_TRUE(read_all(client).starts_with("HTTP/1.1 200")) << strerror(error);
  }
}

TEST(Loop, CountsWhatItDropsAmongWhatCame) {
  Running running(10);
  failing = EMFILE;
  failures = 1;
  const Descriptor client = running.connect();
  running.run();
  const std::string read = read_all(client);
  EXPECT_TRUE(read.empty() || read == "broken") << read;
  EXPECT_EQ(running.connections.refused.load(), 1U);
  EXPECT_EQ(running.connections.accepted.load(), 1U);
}

TEST(Loop, ADrainTellsEverybodyInTheQueue) {
  for (const size_t most : {0, 100, 1000}) {
    Running running(most);
    std::vector<Descriptor> clients;
    for (int i = 0; i < 400; ++i) {
      clients.push_back(running.connect());
      if (most == 1000) {
        ASSERT_TRUE(say(clients.back(), kLast));
      }
    }
    running.made->drain();
    running.run();
    running.thread.join();
    size_t told = 0, ended = 0;
    for (const Descriptor& client : clients) {
      const std::string read = read_all(client);
      told += read.starts_with(most == 1000 ? "HTTP/1.1 200" : "HTTP/1.1 503");
      ended += !read.ends_with("broken");
    }
    EXPECT_EQ(told, most == 1000 ? 400U : 400U - most);
    EXPECT_EQ(ended, 400U);
  }
}

TEST(Loop, WhoeverIsTooManyIsToldThoughItAskedBefore) {
  Running running(0);
  const Descriptor client = running.connect();
  ASSERT_TRUE(say(client, kLast));
  running.run();
  const std::string read = read_all(client);
  EXPECT_TRUE(read.starts_with("HTTP/1.1 503")) << read;
  EXPECT_FALSE(read.ends_with("broken"));
}

TEST(Loop, WhoeverIsToldThatItTookTooLongCanReadIt) {
  http1::Limits limits;
  limits.header_ns = kMillisecond;
  Running running(10, limits);
  running.run();
  const Descriptor client = running.connect();
  ASSERT_TRUE(say(client, "GET / HTTP/1.1\r\n"));
  pollfd come{client.get(), POLLIN, 0};
  ASSERT_EQ(poll(&come, 1, 30'000), 1);
  // What it had still to say takes nothing back.
  EXPECT_TRUE(say(client, "Host: h\r\n"));
  EXPECT_TRUE(say(client, "\r\n"));
  const std::string read = read_all(client);
  EXPECT_TRUE(read.starts_with("HTTP/1.1 408")) << read;
  EXPECT_FALSE(read.ends_with("broken"));
}

// An empty line now and then is no request.
TEST(Loop, BlankLinesKeepNoConnection) {
  http1::Limits limits;
  limits.idle_ns = 600 * kMillisecond;
  Running running(10, limits);
  running.run();
  const Descriptor client = running.connect();
  pollfd come{client.get(), POLLIN, 0};
  int lines = 0;
  while (lines < 300 && poll(&come, 1, 100) == 0) {
    (void)say(client, "\r\n");
    ++lines;
  }
  EXPECT_LT(lines, 300);
  const std::string read = read_all(client);
  EXPECT_TRUE(read.empty() || read == "broken") << read;
  EXPECT_EQ(running.connections.timed_out.load(), 1U);
}

}  // namespace
}  // namespace spinney::server::testing
