// All that requests make the server hold is within the one budget: bodies, what they expand to, and
// their rows, as long as they wait.
#include <zlib.h>

#include "server/world.h"

namespace spinney::server::testing {
namespace {

// Two outputs, which go through the queue; far more text than it is bytes compressed.
std::string queued_rows(size_t count) {
  std::string text = R"({"outputs":[{"name":"predict"},{"name":"predict_raw"}],)"
                     R"("inputs":[{"name":"x","datatype":"FP64","shape":[)";
  text.append(std::to_string(count)).append(",2],\"data\":[0,0");
  for (size_t i = 1; i < count; ++i) text += ",0,0";
  return text + "]}]}";
}

std::string gzip(const std::string& text) {
  std::string packed(compressBound(text.size()) + 64, '\0');
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

constexpr size_t kRows = 20'000;

TEST(Budget, ExpandedBodiesAndRowsCountAsLongAsTheyWait) {
  World world;
  const std::string text = queued_rows(kRows);
  const std::string request = post(gzip(text), "Content-Encoding: gzip\r\n");
  http1::Session session(world.shared);
  ASSERT_EQ(feed(session, request, request.size()), "");
  EXPECT_GE(world.budget.used(), text.size() + kRows * 2 * sizeof(double));
  EXPECT_TRUE(world.engine->drain(10 * kSecond));
  world.desk.deliver();
  EXPECT_TRUE(feed(session, "", 1).starts_with("HTTP/1.1 200"));
  EXPECT_LE(world.budget.used(), 64 * Spares::kFirstBytes);
}

TEST(Budget, BeyondItARequestIsToldToComeAgain) {
  for (const size_t room : {size_t{64} << 10, size_t{300} << 10}) {
    World world;
    ASSERT_TRUE(world.budget.take((size_t{64} << 20) - room));
    const std::string text = queued_rows(kRows);
    http1::Session session(world.shared);
    const std::string request = post(gzip(text), "Content-Encoding: gzip\r\n");
    const std::string sent = feed(session, request, request.size());
    EXPECT_TRUE(sent.starts_with("HTTP/1.1 503")) << room << sent.substr(0, 200);
    EXPECT_NE(sent.find("Retry-After: "), std::string::npos);
    EXPECT_FALSE(session.is_last());
  }
}

// Or else one burst would hold it all for good.
TEST(Budget, IsGivenBackAfterABurst) {
  World world;
  const std::string request = post(queued_rows(400));
  {
    std::vector<std::unique_ptr<http1::Session>> sessions;
    for (int i = 0; i < 150; ++i) {
      sessions.push_back(std::make_unique<http1::Session>(world.shared));
      ASSERT_EQ(feed(*sessions.back(), request, request.size()), "") << i;
    }
    EXPECT_TRUE(world.engine->drain(10 * kSecond));
    world.desk.deliver();
  }
  const size_t one = 400 * 2 * sizeof(double);
  EXPECT_LE(world.budget.used(), Spares::kKept * (one + Spares::kFirstBytes));
}

}  // namespace
}  // namespace spinney::server::testing
