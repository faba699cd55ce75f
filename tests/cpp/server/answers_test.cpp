// Answers that wait to be read: how much memory they hold, and what becomes of them where there is
// none.
#include "server/world.h"

namespace spinney::server::testing {
namespace {

constexpr std::string_view kMetadata = "GET /v2/models/sum HTTP/1.1\r\nHost: h\r\n\r\n";

size_t put(http1::Session& session, std::string_view text) {
  const auto room = session.room();
  const size_t n = std::min(room.size(), text.size());
  text.copy(room.data(), n);
  if (n > 0) session.received(n);
  return n;
}

// A client that always has something to read, and reads all but a little of it.
TEST(Answers, ThatWereReadHoldNoMemory) {
  World world;
  http1::Session session(world.shared);
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_EQ(put(session, kMetadata), kMetadata.size());
    ASSERT_GT(session.pending().size(), 100U);
    session.sent(session.pending().size() - 1);
  }
  EXPECT_LE(world.budget.used(), 4 * Spares::kFirstBytes);
}

// What is sent, in pieces of every size, is what would have been sent whole.
TEST(Answers, AreTheSameHoweverTheyAreRead) {
  World world;
  std::string asked;
  for (int i = 0; i < 50; ++i) asked += kMetadata;
  http1::Session whole(world.shared);
  const std::string expected = feed(whole, asked, asked.size());
  for (const size_t piece : {1, 7, 100, 1000, 5000}) {
    http1::Session session(world.shared);
    std::string_view left = asked;
    std::string sent;
    while (!left.empty() || !session.pending().empty()) {
      left.remove_prefix(put(session, left.substr(0, kMetadata.size())));
      const auto pending = session.pending();
      const size_t n = std::min(pending.size(), piece);
      sent.append(pending.data(), n);
      session.sent(n);
    }
    EXPECT_EQ(sent, expected) << piece;
  }
}

// Every answer that is sent is whole, whatever the memory ends in: each head's length is met, and
// an answer of 200 is what it is elsewhere.
void expect_whole(std::string_view sent, std::string_view expected) {
  while (!sent.empty()) {
    ASSERT_TRUE(sent.starts_with("HTTP/1.1 ")) << sent.substr(0, 80);
    const size_t end = sent.find("\r\n\r\n");
    ASSERT_NE(end, std::string_view::npos);
    const size_t at = sent.find("Content-Length: ");
    ASSERT_LT(at, end);
    const size_t bytes = std::stoul(std::string(sent.substr(at + 16, 10)));
    ASSERT_LE(end + 4 + bytes, sent.size());
    if (sent.starts_with("HTTP/1.1 200")) {
      ASSERT_EQ(sent.substr(0, end + 4 + bytes), expected);
    } else {
      ASSERT_TRUE(sent.starts_with("HTTP/1.1 503"));
    }
    sent.remove_prefix(end + 4 + bytes);
  }
}

TEST(Answers, WithoutMemoryAreLeftOutWhole) {
  World world;
  std::string expected;
  {
    http1::Session session(world.shared);
    expected = feed(session, kMetadata, kMetadata.size());
  }
  const size_t cut = Spares::kFirstBytes;
  for (size_t beyond = 0; beyond < 2 * expected.size(); ++beyond) {
    Budget small{2 * cut};  // the first buffers, and nothing else
    Spares spares{&small};
    http1::Shared shared{world.limits, world.desk, spares, SteadyClock::instance(), world.counts};
    http1::Session session(shared);
    // Another length of the first request's id moves where the buffer ends.
    std::string first = "GET /v2/health/live HTTP/1.1\r\nHost: h\r\nX-Request-Id: ";
    first.append(1 + beyond % 100, 'x').append("\r\n\r\n");
    std::string sent_first;
    put(session, first);
    sent_first.assign(session.pending().data(), session.pending().size());
    const size_t length = sent_first.size();
    for (int i = 0; i < 200 && !session.is_last(); ++i) put(session, kMetadata);
    ASSERT_TRUE(session.is_last()) << beyond;
    const auto pending = session.pending();
    ASSERT_EQ(std::string_view(pending.data(), length), sent_first);
    expect_whole({pending.data() + length, pending.size() - length}, expected);
    if (HasFatalFailure()) return;
  }
}

TEST(Answers, ThatNobodyWaitsForAreCounted) {
  World world;
  {
    http1::Session session(world.shared);
    feed(session,
         post(R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","data":[1,2]}],)"
              R"("outputs":[{"name":"predict"},{"name":"predict_raw"}]})"),
         1000);
  }
  EXPECT_EQ(world.counts.requests.load(), 1U);
  EXPECT_EQ(world.counts.abandoned.load(), 1U);
}

}  // namespace
}  // namespace spinney::server::testing
