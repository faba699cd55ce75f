// Topologies of machines that are not this one, and where threads go on them.
#include "spinney/cpu/topology.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "spinney/cpu/affinity.h"
#include "spinney/cpu/count.h"

namespace spinney::cpu {
namespace {

using Numbers = std::vector<unsigned>;

Topology synthetic(std::string_view text) {
  auto topology = synthetic_topology(text);
  EXPECT_TRUE(topology.ok()) << topology.error().message;
  return std::move(topology).value();
}

bool has_hwloc() {
  const auto topology = synthetic_topology("pu:1");
  return topology.ok() || topology.error().code != Code::kUnsupported;
}

#define NEEDS_HWLOC() \
  if (!has_hwloc()) GTEST_SKIP() << synthetic_topology("pu:1").error().message

// Two nodes of two cores of two threads, numbered as servers do: second threads come last.
Topology two_nodes() {
  return {{{0, 0, 0}, {1, 1, 0}, {2, 2, 1}, {3, 3, 1}, {4, 0, 0}, {5, 1, 0}, {6, 2, 1}, {7, 3, 1}},
          "test"};
}

Numbers cpus_of(const Assignment& assignment) {
  Numbers numbers;
  for (const Place& place : assignment.places) numbers.push_back(place.cpu);
  return numbers;
}

TEST(Assign, PhysicalCoresComeFirstAndNodesTogether) {
  const Topology machine = two_nodes();
  EXPECT_EQ(cpus_of(assign(machine, 8)), (Numbers{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(assign(machine, 2).nodes, (Numbers{0}));
  EXPECT_EQ(assign(machine, 3).nodes, (Numbers{0, 1}));
  EXPECT_EQ(assign(machine, 3).places.back(), (Place{2, 1}));
  EXPECT_EQ(cpus_of(assign(machine, 10)), (Numbers{0, 1, 2, 3, 4, 5, 6, 7, 0, 1}));
  EXPECT_TRUE(assign(machine, 0).places.empty());
  EXPECT_TRUE(assign(machine, 0).nodes.empty());
}

TEST(Assign, SiblingsThatLieTogetherAreTakenLast) {
  NEEDS_HWLOC();
  const Topology machine = synthetic("node:2 core:2 pu:2");  // CPUs 0 and 1 are one core
  EXPECT_EQ(cpus_of(assign(machine, 8)), (Numbers{0, 2, 4, 6, 1, 3, 5, 7}));
}

TEST(Synthetic, NodesCoresAndThreadsAreRead) {
  NEEDS_HWLOC();
  const Topology machine = synthetic("node:2 core:4 pu:2");
  EXPECT_EQ(machine.cpus.size(), 16u);
  EXPECT_EQ(machine.n_cores(), 8u);
  EXPECT_EQ(machine.nodes(), (Numbers{0, 1}));
  EXPECT_EQ(machine.cpus[9], (Cpu{9, 4, 1}));
  EXPECT_TRUE(machine.source.starts_with("hwloc (its interface 2.")) << machine.source;
  EXPECT_EQ(synthetic("pack:2 node:2 l3:1 core:2 pu:1").nodes(), (Numbers{0, 1, 2, 3}));
  EXPECT_EQ(synthetic("pu:3").n_cores(), 3u);  // no cores are told: each thread is one
}

TEST(Synthetic, NonsenseIsRefused) {
  NEEDS_HWLOC();
  for (const char* text : {"", "cat:2", "node:2", "node:0 pu:1", "pu:1 core:1"}) {
    const auto topology = synthetic_topology(text);
    EXPECT_FALSE(topology.ok()) << text;
  }
}

class SysFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path() / ("spinney-sys-" + std::to_string(getpid()));
    std::filesystem::create_directories(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  std::filesystem::path root_;
};

TEST_F(SysFiles, TellCoresAndNodes) {
  for (unsigned cpu = 0; cpu < 8; ++cpu) {
    const unsigned first = cpu % 4;
    write("cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list",
          std::to_string(first) + "," + std::to_string(first + 4) + "\n");
  }
  write("node/online", "0,2\n");
  write("node/node0/cpulist", "0-1,4-5\n");
  write("node/node2/cpulist", "2-3,6-7\n");
  const Numbers allowed = {0, 2, 3, 6, 7};
  const auto topology = topology_from_sys(root_.string(), allowed);
  ASSERT_TRUE(topology.ok());
  EXPECT_EQ(topology->cpus,
            (std::vector<Cpu>{{0, 0, 0}, {2, 2, 2}, {3, 3, 2}, {6, 2, 2}, {7, 3, 2}}));
  EXPECT_EQ(cpus_of(assign(*topology, 5)), (Numbers{0, 2, 3, 6, 7}));
  EXPECT_EQ(assign(*topology, 5).nodes, (Numbers{0, 2}));
}

TEST_F(SysFiles, ThatDoNotTellAreNamed) {
  write("cpu/cpu0/topology/thread_siblings_list", "nonsense");
  const Numbers allowed = {0};
  const auto topology = topology_from_sys(root_.string(), allowed);
  ASSERT_FALSE(topology.ok());
  EXPECT_NE(topology.error().message.find("thread_siblings_list"), std::string::npos);
}

TEST(CpuList, IsReadAsTheKernelWritesIt) {
  EXPECT_EQ(parse_cpu_list("0-3,8\n"), (Numbers{0, 1, 2, 3, 8}));
  EXPECT_EQ(parse_cpu_list("5"), (Numbers{5}));
  for (const char* text : {"", "\n", "a", "3-1", "1-", "0-4294967295", "99999999999", "-1"})
    EXPECT_TRUE(parse_cpu_list(text).empty()) << text;
}

TEST(ThisMachine, HasTheCpusThatTheThreadMayUse) {
  const Topology topology = read_topology();
  Numbers numbers;
  for (const Cpu& cpu : topology.cpus) numbers.push_back(cpu.number);
  EXPECT_EQ(numbers, affinity());
  EXPECT_FALSE(topology.source.empty());
  EXPECT_GE(topology.n_cores(), 1u);
  setenv("SPINNEY_HWLOC", "off", 1);
  const Topology plain = read_topology();
  unsetenv("SPINNEY_HWLOC");
  if (has_hwloc()) {
    EXPECT_NE(plain.source.find("SPINNEY_HWLOC=off"), std::string::npos) << plain.source;
  }
  EXPECT_EQ(plain.cpus.size(), topology.cpus.size());
  EXPECT_EQ(plain.n_cores(), topology.n_cores());
  EXPECT_EQ(plain.nodes(), topology.nodes());
}

TEST(Pinning, HoldsUntilItIsLetGo) {
  std::thread([] {  // another thread, so that a fault here leaves this one's mask alone
    const Numbers before = affinity();
    for (const unsigned cpu : before) {
      const auto pinned = Pinned::to(cpu);
      ASSERT_TRUE(pinned.ok()) << pinned.error().message;
      EXPECT_EQ(affinity(), (Numbers{cpu}));
      EXPECT_EQ(current_cpu(), cpu);
      EXPECT_EQ(usable_cpus(), 1u);
    }
    EXPECT_EQ(affinity(), before);
    const auto absent = Pinned::to(1000000);
    ASSERT_FALSE(absent.ok());
    EXPECT_NE(absent.error().message.find("1000000"), std::string::npos);
    EXPECT_FALSE(set_affinity({}).ok());
    EXPECT_FALSE(set_affinity({1u << 31}).ok());
    EXPECT_EQ(affinity(), before);
  })
      .join();
}

}  // namespace
}  // namespace spinney::cpu
