// How answers are written: the body first, then the head into the room before it.
#include <algorithm>
#include <charconv>
#include <cstring>

#include "server/http1/session.h"
#include "spinney/base/utf8.h"

namespace spinney::server::http1 {
namespace {

// Room for the head of an answer, which is known only when its body is written.
constexpr size_t kHeadRoom = 512;
constexpr size_t kRequestIdMax = 128;

std::string_view reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Unknown";
  }
}

// A line of an answer's head, on the spot.
class HeadText {
 public:
  void add(std::string_view text) {
    const size_t n = std::min(text.size(), sizeof text_ - size_);
    std::memcpy(text_ + size_, text.data(), n);
    size_ += n;
  }
  void add(uint64_t number) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    add({digits, static_cast<size_t>(end - digits)});
  }
  std::string_view text() const { return {text_, size_}; }

 private:
  char text_[kHeadRoom];
  size_t size_ = 0;
};

// Only what can stand in a header and in a log as it is.
bool is_plain_id(std::string_view id) {
  return !id.empty() && id.size() <= kRequestIdMax &&
         std::all_of(id.begin(), id.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

Bytes& Exchange::begin() noexcept {
  Session& session = session_;
  Bytes& out = session.out_;
  if (out.capacity() == 0) out = session.shared_.spares.take();
  if (!session.writes_) session.answer_first_ = out.size();
  session.writes_ = true;
  out.resize_down(session.answer_first_);
  out.forget_lack();
  session.body_first_ = 0;
  if (out.room(kHeadRoom)) {
    out.grow(kHeadRoom);
    session.body_first_ = out.size();
  }
  return out;
}

void Exchange::finish(const AnswerHead& head) noexcept { session_.finish(head); }

void Exchange::resume() noexcept {
  Session& session = session_;
  session.answered();
  if (session.shared_.sink) session.shared_.sink->answered(session.owner_);
}

void Exchange::refuse(int status, std::string_view message, int64_t retry_after_s,
                      std::string_view allow) noexcept {
  Bytes& out = begin();
  const bool utf8 = is_utf8(message);  // what clients sent may stand in it
  (void)out.append("{\"error\":\"");
  for (const char c : message) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') (void)out.append("\\");
    if (code < 0x20)
      (void)out.append(" ");
    else
      (void)out.append(code >= 0x80 && !utf8 ? std::string_view("?") : std::string_view(&c, 1));
  }
  (void)out.append("\"}");
  AnswerHead answer;
  answer.status = status;
  answer.retry_after_s = retry_after_s;
  answer.allow = allow;
  finish(answer);
}

void Session::finish(const AnswerHead& head) noexcept {
  if (body_first_ == 0 || out_.lacks()) return finish_without_memory();
  HeadText text;
  const bool close = last_ || shared_.closing || !exchange_.head_.keep_alive;
  const size_t body = out_.size() - body_first_;
  text.add("HTTP/1.1 ");
  text.add(static_cast<uint64_t>(head.status));
  text.add(" ");
  text.add(reason_of(head.status));
  text.add("\r\nContent-Type: ");
  text.add(head.type);
  text.add("\r\nContent-Length: ");
  text.add(body);
  if (head.json_bytes) {
    text.add("\r\nInference-Header-Content-Length: ");
    text.add(head.json_bytes);
  }
  if (!head.encoding.empty()) {
    text.add("\r\nContent-Encoding: ");
    text.add(head.encoding);
  }
  if (head.retry_after_s > 0) {
    text.add("\r\nRetry-After: ");
    text.add(static_cast<uint64_t>(head.retry_after_s));
  }
  if (!head.allow.empty()) {
    text.add("\r\nAllow: ");
    text.add(head.allow);
  }
  if (const std::string_view id = exchange_.head_.field(Field::kRequestId); is_plain_id(id)) {
    text.add("\r\nX-Request-Id: ");
    text.add(id);
  }
  if (close)
    text.add("\r\nConnection: close");
  else if (!exchange_.head_.is_version_11)
    text.add("\r\nConnection: keep-alive");
  text.add("\r\n\r\n");
  Counts::add(shared_.counts.answers[std::clamp(head.status / 100, 0, 5)]);
  if (close) last_ = true;
  exchange_.finished_ = true;
  place_head(text.text());
}

// Into the end of the room before the body.
void Session::place_head(std::string_view text) noexcept {
  const size_t gap = kHeadRoom - text.size();
  std::memcpy(out_.data() + body_first_ - text.size(), text.data(), text.size());
  if (exchange_.head_.method == Method::kHead) out_.resize_down(body_first_);
  // Behind an answer that is not sent yet the gap is closed.
  if (answer_first_ == out_first_)
    out_first_ += gap;
  else
    out_.erase(answer_first_, gap);
  body_first_ = 0;
  writes_ = false;
}

// An answer that has a hole is no answer. Its client is told so; where there is no memory even for
// that, the connection ends behind the answers that are whole.
void Session::finish_without_memory() noexcept {
  if (!refuses_) {
    refuses_ = true;
    exchange_.refuse(503, "no memory for the answer at this moment", 1);
    refuses_ = false;
    return;
  }
  if (writes_) out_.resize_down(answer_first_);
  body_first_ = 0;
  writes_ = false;
  last_ = true;
  exchange_.finished_ = true;
  Counts::add(shared_.counts.abandoned);
}

}  // namespace spinney::server::http1
