// The same bytes give the same answers, however they are cut; nothing stays behind, and nothing is
// allocated once there is what requests need.
#include <chrono>
#include <thread>

#include "server/allocations.h"
#include "server/world.h"

namespace spinney::server::testing {
namespace {

constexpr std::string_view kRow =
    R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","data":[0.25,3]}]})";
constexpr std::string_view kAnswer =
    R"({"model_name":"sum","model_version":"1","outputs":[{"name":"predict","datatype":"FP64",)"
    R"("shape":[1],"data":[30.25]}]})";

std::string stream() {
  std::string chunked = "POST /v2/models/sum/infer HTTP/1.1\r\nHost: h\r\n";
  chunked += "Transfer-Encoding: chunked\r\n\r\n";
  for (const char c : kRow) chunked.append("1;x=y\r\n").append(1, c).append("\r\n");
  chunked += "0\r\nX: y\r\n\r\n";
  return post(kRow, "X-Request-Id: 7\r\n") + "GET /v2/health/live HTTP/1.1\r\nHost: h\r\n\r\n" +
         post("{") + chunked + "\r\n" + post(kRow) + "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n" +
         post(kRow, "Connection: close\r\n") + post(kRow);
}

size_t count_of(const std::string& text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(Session, AnswersAreTheSameHoweverTheirBytesAreCut) {
  World world;
  const std::string text = stream();
  http1::Session whole(world.shared);
  const std::string expected = feed(whole, text, text.size());
  EXPECT_EQ(count_of(expected, kAnswer), 4U);
  EXPECT_EQ(count_of(expected, "HTTP/1.1 200 OK"), 5U);
  EXPECT_EQ(count_of(expected, "HTTP/1.1 400"), 1U);
  EXPECT_EQ(count_of(expected, "HTTP/1.1 404"), 1U);
  EXPECT_EQ(count_of(expected, "Connection: close"), 1U);
  EXPECT_TRUE(whole.is_last());
  for (const size_t piece : {1, 2, 3, 7, 64, 500}) {
    http1::Session session(world.shared);
    EXPECT_EQ(feed(session, text, piece), expected) << piece;
  }
  for (size_t first = 1; first < text.size(); ++first) {
    http1::Session session(world.shared);
    std::string sent = feed(session, std::string_view(text).substr(0, first), first);
    sent += feed(session, std::string_view(text).substr(first), text.size());
    ASSERT_EQ(sent, expected) << first;
  }
}

TEST(Session, EveryRequestIsCountedAndEveryBufferGivenBack) {
  World world;
  const size_t before = world.counts.requests.load();
  {
    http1::Session session(world.shared);
    feed(session, stream(), 5);
  }
  EXPECT_EQ(world.counts.requests.load() - before, 7U);
  EXPECT_EQ(world.counts.answers[2].load(), 5U);
  EXPECT_EQ(world.counts.answers[4].load(), 2U);
  // What is left are spare buffers, and those are wiped.
  const size_t spares = world.budget.used() / Spares::kFirstBytes;
  ASSERT_GE(spares, 2U);
  ASSERT_LE(spares, 8U);
  std::vector<Bytes> taken;
  for (size_t i = 0; i < spares; ++i) taken.push_back(world.spares.take());
  EXPECT_LT(world.budget.used(), (spares + 1) * Spares::kFirstBytes);  // and a row of the desk's
  for (const Bytes& spare : taken)
    EXPECT_TRUE(
        std::all_of(spare.data(), spare.data() + spare.capacity(), [](char c) { return c == 0; }));
}

TEST(Session, ARequestAllocatesNothingOnceItsKindHasBeenServed) {
  World world;
  http1::Session session(world.shared);
  const std::string request = post(kRow, "Accept: */*\r\nUser-Agent: x\r\n");
  const std::string binary_json =
      R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","parameters":)"
      R"({"binary_data_size":16}}],)"
      R"("outputs":[{"name":"predict","parameters":{"binary_data":true}}]})";
  std::string header = "Inference-Header-Content-Length: ";
  header.append(std::to_string(binary_json.size())).append("\r\n");
  const double row[] = {1, 2};
  std::string body = binary_json;
  body.append(reinterpret_cast<const char*>(row), sizeof row);
  const std::string binary = post(body, header);
  char answer[1024];
  for (const std::string& one : {request, binary}) {
    size_t before = 0;
    for (int round = 0; round < 20; ++round) {
      if (round == 10) before = allocations();
      const auto room = session.room();
      ASSERT_GE(room.size(), one.size());
      one.copy(room.data(), one.size());
      session.received(one.size());
      const auto pending = session.pending();
      ASSERT_LE(pending.size(), sizeof answer);
      std::copy(pending.begin(), pending.end(), answer);
      ASSERT_EQ(std::string_view(answer, 12), "HTTP/1.1 200");
      session.sent(pending.size());
    }
    EXPECT_EQ(allocations(), before);
  }
}

TEST(Session, AnAnswerThatNobodyReadsKeepsTheNextRequestWaiting) {
  World world;
  http1::Session session(world.shared);
  const std::string one = "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n";
  size_t taken = 0;
  for (int i = 0; i < 100'000; ++i) {
    const auto room = session.room();
    const size_t n = std::min(room.size(), one.size() - taken % one.size());
    if (n == 0) break;
    one.copy(room.data(), n, taken % one.size());
    session.received(n);
    taken += n;
  }
  EXPECT_LT(session.pending().size(), world.limits.pending_answer_bytes + (size_t{1} << 20));
  EXPECT_TRUE(session.room().empty());
  const size_t asked = taken / one.size();
  size_t answered = 0;
  std::string sent;
  while (!session.pending().empty()) {
    const auto pending = session.pending();
    sent.assign(pending.data(), std::min<size_t>(pending.size(), 100'000));
    answered += count_of(sent, "HTTP/1.1 200");
    session.sent(sent.size());
  }
  EXPECT_NEAR(static_cast<double>(answered), static_cast<double>(asked), 20);  // heads cut in two
  EXPECT_EQ(session.phase() == http1::Session::Phase::kIdle, taken % one.size() == 0);
}

TEST(Session, ABodyThatIsAnnouncedAndNotSentTakesNoMemory) {
  World world;
  http1::Session session(world.shared);
  feed(session,
       "POST /v2/models/sum/infer HTTP/1.1\r\nHost: h\r\nContent-Length: 60000000\r\n\r\n{", 1000);
  EXPECT_EQ(session.phase(), http1::Session::Phase::kBody);
  EXPECT_LE(world.budget.used(), 2 * Spares::kFirstBytes);
}

TEST(Session, WithoutMemoryForABodyItSaysSo) {
  World world;
  Budget small{64 << 10};
  Spares spares{&small};
  http1::Shared shared{world.limits, world.desk, spares, SteadyClock::instance(), world.counts};
  http1::Session session(shared);
  const std::string sent = feed(session, post(std::string(100'000, ' ')), 10'000);
  EXPECT_EQ(count_of(sent, "HTTP/1.1 503"), 1U);
  EXPECT_TRUE(session.is_last());
}

// Asks for two outputs, which go through the queue.
const std::string& queued() {
  static const std::string text =
      post(R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","data":[1,2]}],)"
           R"("outputs":[{"name":"predict"},{"name":"predict_raw"}]})");
  return text;
}

TEST(Session, AnAnswerThatComesLaterKeepsItsPlace) {
  World world;
  http1::Session session(world.shared);
  std::string sent = feed(session, queued() + post(kRow), 100'000);
  for (int i = 0; i < 2000 && count_of(sent, "HTTP/1.1 200") < 2; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    world.desk.deliver();
    sent += feed(session, "", 1);
  }
  ASSERT_EQ(count_of(sent, "HTTP/1.1 200"), 2U);
  EXPECT_LT(sent.find("predict_raw"), sent.find(kAnswer));
}

TEST(Session, OneThatGoesBeforeItsAnswerIsForgotten) {
  World world;
  for (int i = 0; i < 50; ++i) {
    http1::Session session(world.shared);
    feed(session, queued(), 100'000);
    if (i % 2) world.desk.deliver();
  }
  EXPECT_TRUE(world.engine->drain(10 * kSecond));
  world.desk.deliver();
  const auto requests = world.engine->stats().requests;
  EXPECT_EQ(requests.answered + requests.cancelled, 50U);
  EXPECT_LE(world.budget.used(), 8 * Spares::kFirstBytes);
}

// A head that nearly fills its room leaves little of it for the lines of chunks.
TEST(Session, AChunkedBodyGoesWithAnyHead) {
  for (const size_t more : {10, 1'000, 15'000, 16'230, 16'260}) {
    World world;
    std::string text = "POST /v2/models/sum/infer HTTP/1.1\r\nHost: h\r\n";
    text.append("Transfer-Encoding: chunked\r\nX: ").append(more, 'x').append("\r\n\r\n");
    ASSERT_LT(text.size(), world.limits.header_bytes);
    const std::string extension = ";name=" + std::string(400, 'v');
    for (const char c : kRow) text.append("1").append(extension + "\r\n").append(1, c) += "\r\n";
    text += "0\r\n\r\n";
    http1::Session session(world.shared);
    const std::string sent = feed(session, text, 100);
    EXPECT_TRUE(sent.ends_with(kAnswer)) << more << sent;
    // Lines without an end are refused all the same.
    http1::Session other(world.shared);
    const std::string endless = text.substr(0, text.find("\r\n\r\n") + 4) + "1;x=";
    EXPECT_TRUE(feed(other, endless + std::string(100'000, 'y'), 100).starts_with("HTTP/1.1 4"));
    EXPECT_LE(world.budget.used(), 8 * Spares::kFirstBytes);
  }
}

TEST(Session, ALoneCarriageReturnKeepsNoBuffer) {
  World world;
  std::vector<std::unique_ptr<http1::Session>> sessions;
  for (int i = 0; i < 100; ++i) {
    sessions.push_back(std::make_unique<http1::Session>(world.shared));
    feed(*sessions.back(), "\r", 1);
  }
  EXPECT_LE(world.budget.used(), 4 * Spares::kFirstBytes);
  EXPECT_EQ(sessions[0]->requests(), 0U);
  const std::string request = post(kRow);
  EXPECT_TRUE(feed(*sessions[0], "\n" + request, 3).ends_with(kAnswer));
  EXPECT_TRUE(feed(*sessions[1], "\n\r\n\r" + ("\n" + request), 1).ends_with(kAnswer));
  EXPECT_TRUE(feed(*sessions[2], request, 1).starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(feed(*sessions[3], "\r\n" + request, 100).starts_with("HTTP/1.1 400"));
}

TEST(Session, InvocationsTakeJsonByAnyOfItsNamesAndNothingElse) {
  World world;
  const auto ask = [&](std::string_view type) {
    const std::string_view body = R"({"inputs":[[1,2]]})";
    std::string text = "POST /invocations HTTP/1.1\r\nHost: h\r\nContent-Type: ";
    text.append(type).append("\r\nContent-Length: ").append(std::to_string(body.size()));
    http1::Session session(world.shared);
    return feed(session, text.append("\r\n\r\n").append(body), 1000).substr(9, 3);
  };
  for (const char* type : {"application/json", "Application/JSON", "application/json;charset=utf-8",
                           "application/json ; format=x", ""})
    EXPECT_EQ(ask(type), "200") << type;
  for (const char* type :
       {"application/jsonl", "application/json+x", "text/csv", "application/jso"})
    EXPECT_EQ(ask(type), "415") << type;
}

}  // namespace
}  // namespace spinney::server::testing
