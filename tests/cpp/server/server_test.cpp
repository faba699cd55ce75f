// The server's own steps: what half failed can be tried again, and it may be ended from anywhere.
#include "server/server.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <thread>
#include <vector>

namespace spinney::server {
namespace {

Options some() {
  Options options;
  options.port = 0;
  options.threads = 8;
  options.engine.num_workers = 1;
  return options;
}

TEST(Server, WhatFailedToListenCanBeToldToAgain) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizers look at a thread's type through a pipe, for which none are left";
#endif
  const auto server = Server::make(some()).value();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  int refused = 0;
  // Whatever descriptor it is that cannot be had any more.
  for (rlim_t most = 3; most < 80; ++most) {
    rlimit few = before;
    few.rlim_cur = most;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    const Status listens = server->listen();
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    if (listens.ok()) break;
    ++refused;
    ASSERT_EQ(listens.error().code, Code::kIo) << listens.error().message;
    ASSERT_EQ(server->url(), "");
  }
  EXPECT_GE(refused, 8);
  EXPECT_NE(server->url(), "");
  EXPECT_EQ(server->listen().error().code, Code::kInvalidArgument);
  EXPECT_TRUE(server->drain(kSecond));
}

TEST(Server, MayBeDrainedByManyAtOnce) {
  for (int round = 0; round < 20; ++round) {
    const auto server = Server::make(some()).value();
    ASSERT_TRUE(server->listen().ok());
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { EXPECT_TRUE(server->drain(kSecond)); });
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace spinney::server
