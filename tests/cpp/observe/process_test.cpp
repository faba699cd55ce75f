// Process and control group readings, from this process and from folders made up like /proc, /sys.
#include "spinney/observe/process.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "spinney/base/cgroup.h"
#include "spinney/base/text_file.h"
#include "spinney/observe/prometheus.h"
#include "spinney/observe/trend.h"

namespace spinney::observe {
namespace {

class Folders : public ::testing::Test {
 protected:
  Folders() {
    std::string name = std::filesystem::temp_directory_path() / "observe_XXXXXX";
    root_ = mkdtemp(name.data());
  }
  ~Folders() override { std::filesystem::remove_all(root_); }
  void put(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  GroupUse read() const { return read_group(root_ / "proc", root_ / "sys"); }
  std::filesystem::path root_;
};

TEST_F(Folders, GroupsOfVersion2) {
  put("proc/self/cgroup", "0::/pods/a\n");
  put("sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
  const std::string folder = "sys/fs/cgroup/pods/a/";
  put(folder + "cpu.stat",
      "usage_usec 1500\nuser_usec 1\nnr_periods 10\nnr_throttled 4\n"
      "throttled_usec 250\n");
  put(folder + "cpu.max", "150000 100000\n");
  put(folder + "memory.current", "4096\n");
  put(folder + "memory.max", "max\n");
  const GroupUse use = read();
  EXPECT_EQ(use.cpus, 1.5);
  EXPECT_EQ(use.cpu_ns, 1'500'000);
  EXPECT_EQ(use.periods, 10u);
  EXPECT_EQ(use.throttled, 4u);
  EXPECT_EQ(use.throttled_ns, 250'000);
  EXPECT_EQ(use.memory_bytes, 4096u);
  EXPECT_EQ(use.memory_bytes_max, 0u);
}

TEST_F(Folders, GroupsOfVersion1SeenFromInsideAContainer) {
  put("proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc\n");
  put("sys/fs/cgroup/cpu/cpu.stat", "nr_periods 7\nnr_throttled 2\nthrottled_time 900\n");
  put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
  put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  put("sys/fs/cgroup/cpuacct/cpuacct.usage", "123456\n");
  put("sys/fs/cgroup/memory/memory.usage_in_bytes", "8192\n");
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  const GroupUse use = read();
  EXPECT_EQ(use.cpus, 0.5);
  EXPECT_EQ(use.cpu_ns, 123'456);
  EXPECT_EQ(use.throttled, 2u);
  EXPECT_EQ(use.throttled_ns, 900);
  EXPECT_EQ(use.memory_bytes, 8192u);
  EXPECT_EQ(use.memory_bytes_max, 0u);
}

TEST_F(Folders, TheSmallestQuotaUpToTheRootCounts) {
  put("proc/self/cgroup", "0::/pods/a/inner\n");
  put("sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
  put("sys/fs/cgroup/pods/a/inner/cpu.stat", "usage_usec 7\n");
  put("sys/fs/cgroup/pods/a/inner/cpu.max", "400000 100000\n");
  put("sys/fs/cgroup/pods/a/cpu.max", "max 100000\n");
  put("sys/fs/cgroup/pods/cpu.max", "250000 100000\n");
  put("sys/fs/cgroup/cpu.max", "300000 100000\n");
  EXPECT_EQ(read().cpus, 2.5);
  EXPECT_EQ(read().cpu_ns, 7'000);
  EXPECT_EQ(group_quota(root_ / "proc", root_ / "sys"), 2.5);
}

TEST_F(Folders, TheSmallestQuotaUpToTheRootCountsInVersion1) {
  put("proc/self/cgroup", "4:cpu,cpuacct:/pods/a\n");
  for (const auto& [folder, quota] : {std::pair{"/pods/a", "-1"}, {"/pods", "70000"}, {"", "-1"}}) {
    put(std::string("sys/fs/cgroup/cpu") + folder + "/cpu.cfs_quota_us", quota);
    put(std::string("sys/fs/cgroup/cpu") + folder + "/cpu.cfs_period_us", "100000");
  }
  EXPECT_EQ(read().cpus, 0.7);
}

TEST_F(Folders, NoGroupIsNoLimit) {
  EXPECT_EQ(read().cpus, 0);
  put("sys/fs/cgroup/cgroup.controllers", "");
  put("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(read().cpus, 0);
}

TEST(Process, ReadsItsOwnUse) {
  const ProcessUse before = read_process();
  EXPECT_GT(before.resident_bytes, 100'000u);
  EXPECT_GE(before.virtual_bytes, before.resident_bytes);
  EXPECT_GE(before.threads, 1u);
  EXPECT_GE(before.descriptors, 3u);
  std::FILE* file = std::fopen("/proc/self/stat", "r");
  std::thread other([&] {
    const ProcessUse now = read_process();
    EXPECT_GE(now.threads, before.threads + 1);
    EXPECT_LE(now.threads, before.threads + 2);  // the thread sanitizer may start one of its own
    EXPECT_EQ(now.descriptors, before.descriptors + 1);
  });
  other.join();
  std::fclose(file);
  EXPECT_GT(read_process().cpu_ns, before.cpu_ns);
}

TEST(Process, CpuPercentIsOfWhatMayBeUsed) {
  CpuMeter meter(2);
  EXPECT_EQ(meter.percent(0, 0), 0);
  EXPECT_EQ(meter.percent(1'000'000'000, 1'000'000'000), 50);
  EXPECT_EQ(meter.percent(1'000'000'001, 2'000'000'000), 50);  // too soon to tell
  EXPECT_EQ(meter.percent(2'000'000'000, 3'000'000'000), 100);
}

TEST(Process, FieldsAreFoundByTheirWholeName) {
  EXPECT_EQ(field_of("a 1\nab 2\n", "ab"), 2u);
  EXPECT_EQ(field_of("abc 1\nab 2", "ab"), 2u);
  EXPECT_EQ(field_of("ab x", "ab"), 0u);
  EXPECT_EQ(field_of("", "ab"), 0u);
}

TEST(Trend, KnowsALeakFromASaw) {
  Trend leak, saw, filling;
  for (int i = 0; i < 500; ++i) {
    const double wobble = (i * 7919 % 100) * 1000.0;
    leak.add(i, 1e6 + 5000.0 * i + wobble);
    saw.add(i, 1e6 + wobble);
    filling.add(i, 1e6 + 20'000.0 * std::min(i, 200) + wobble);
  }
  EXPECT_TRUE(leak.grows(1000));
  EXPECT_FALSE(leak.grows(10'000));
  EXPECT_FALSE(saw.grows(0.1));
  EXPECT_FALSE(filling.grows(1000));  // a cache that has filled
  const Slope slope = leak.slope();
  EXPECT_NEAR(slope.per_second, 5000, 300);
  EXPECT_LT(slope.low, 5000);
  EXPECT_GT(slope.high, 5000);
  EXPECT_LE(leak.samples().size(), Trend::kSamplesMax);
  EXPECT_EQ(leak.samples().front().seconds, 0);
  EXPECT_GT(leak.samples().back().seconds, 480);
}

TEST(Trend, RarelyCriesWolf) {
  unsigned cries = 0;
  for (unsigned seed = 1; seed <= 300; ++seed) {
    Trend noise;
    uint64_t state = seed;
    for (int i = 0; i < 60; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      noise.add(i, static_cast<double>(state >> 40));
    }
    cries += noise.grows(0);
  }
  EXPECT_LE(cries, 3u);  // 0.5 % each of two halves would be fewer than one
}

TEST(Trend, SaysNothingOfFewSamples) {
  Trend trend;
  for (int i = 0; i < 11; ++i) trend.add(i, i);
  EXPECT_EQ(trend.slope().per_second, 0);
  EXPECT_FALSE(trend.grows(0));
}

TEST(Prometheus, WritesTheFormat) {
  PrometheusText text;
  text.family("nv_inference_count", Kind::kCounter, "Rows\nanswered \\");
  text.sample("nv_inference_count", {{"model", "a\"b\\c\nd"}, {"ver sion", "1"}}, 12);
  text.sample("9bad-name", {}, std::nan(""));
  EXPECT_EQ(text.text(),
            "# HELP nv_inference_count Rows\\nanswered \\\\\n# TYPE nv_inference_count counter\n"
            "nv_inference_count{model=\"a\\\"b\\\\c\\nd\",ver_sion=\"1\"} 12\n_bad_name NaN\n");
}

TEST(Prometheus, HistogramsAreCumulative) {
  Histogram histogram;
  for (const uint64_t v : {500u, 1023u, 1024u, 5000u}) histogram.record(v);
  PrometheusText text;
  text.histogram("wait_us", {}, histogram.read(), 1e-3);
  EXPECT_NE(text.text().find("wait_us_bucket{le=\"1.024\"} 2\n"), std::string::npos);
  EXPECT_NE(text.text().find("wait_us_bucket{le=\"4.096\"} 3\n"), std::string::npos);
  EXPECT_NE(text.text().find("wait_us_bucket{le=\"+Inf\"} 4\n"), std::string::npos);
  EXPECT_NE(text.text().find("wait_us_count 4\n"), std::string::npos);
}

}  // namespace
}  // namespace spinney::observe
