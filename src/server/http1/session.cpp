#include "server/http1/session.h"

#include <algorithm>

namespace spinney::server::http1 {
namespace {

bool equal_ignoring_case(std::string_view a, std::string_view lower) {
  return a.size() == lower.size() &&
         std::equal(a.begin(), a.end(), lower.begin(),
                    [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y; });
}

}  // namespace

std::span<char> Session::room() noexcept {
  if (ended_ || last_) return {};
  if (in_.capacity() == 0) in_ = shared_.spares.take();
  if (in_.size() == in_.capacity()) {
    // A body grows as it comes, so that what is announced and never sent takes no memory. Whatever
    // is behind the request at hand waits in its socket.
    const bool in_head = phase_ == Phase::kIdle || phase_ == Phase::kHead;
    size_t wanted = in_head ? shared_.limits.header_bytes : request_bytes_;
    if (phase_ == Phase::kBody && exchange_.head_.chunked)  // a chunk's line, or the trailers
      wanted = head_bytes_ + shared_.limits.header_bytes;
    if (wanted <= in_.size()) return {};
    const char* before = in_.data();
    if (!in_.reserve(std::min(wanted, std::max(in_.capacity(), Spares::kFirstBytes) * 2))) {
      refuse({503, "no memory for the request at this moment"});
      return {};
    }
    if (phase_ != Phase::kIdle) exchange_.head_.rebase(before, in_.data());
  }
  return {in_.end(), in_.capacity() - in_.size()};
}

void Session::received(size_t bytes) noexcept {
  in_.grow(bytes);
  process();
}

void Session::answered() noexcept {
  if (phase_ != Phase::kAnswer) return;
  end_request();
  process();
}

void Session::process() noexcept {
  if (processing_) return;
  processing_ = true;
  while (!last_ && phase_ != Phase::kAnswer &&
         pending().size() < shared_.limits.pending_answer_bytes) {
    if (phase_ == Phase::kIdle || phase_ == Phase::kHead) {
      if (!read_head()) break;
    }
    if (!read_body()) break;
    dispatch();
    if (!exchange_.finished_) break;
    end_request();
  }
  processing_ = false;
  if (last_ && phase_ != Phase::kAnswer) phase_ = Phase::kClosing;
  give_back();
}

// True once there is a head, and it is known how long its body is.
bool Session::read_head() noexcept {
  if (phase_ == Phase::kIdle) {
    size_t empty = 0;  // some clients end a body with an empty line that it does not count
    if (half_line_ && !in_.empty()) {
      half_line_ = false;
      if (*in_.data() != '\n') {
        refuse({400, "the request line cannot be read"});
        return false;
      }
      empty = 1;
    }
    while (empty + 1 < in_.size() && in_.data()[empty] == '\r' && in_.data()[empty + 1] == '\n')
      empty += 2;
    in_.erase(0, empty);
    if (in_.text() == "\r") {
      half_line_ = true;
      in_.erase(0, 1);
    }
    if (in_.empty()) return false;
    parser_.restart();
    ++requests_;
    phase_ = Phase::kHead;
    exchange_.head_ = Head{};
  }
  Fault fault;
  head_bytes_ = parser_.read_head(in_.data(), in_.size(), shared_.limits, exchange_.head_, fault);
  if (fault.status) {
    refuse(fault);
    return false;
  }
  return head_bytes_ > 0 && begin_body();
}

bool Session::begin_body() noexcept {
  const Head& head = exchange_.head_;
  phase_ = Phase::kBody;
  request_bytes_ = head_bytes_;
  if (head.content_length > shared_.limits.body_bytes) {
    refuse({413, "the body is larger than the server takes"});
    return false;
  }
  if (head.has_length) request_bytes_ += static_cast<size_t>(head.content_length);
  if (head.method == Method::kPost && !head.has_length && !head.chunked) {
    refuse({411, "a POST needs a Content-Length, or chunks"});
    return false;
  }
  if (head.has(Field::kExpect)) {
    if (!equal_ignoring_case(head.field(Field::kExpect), "100-continue")) {
      refuse({417, "the only expectation that is known is 100-continue"});
      return false;
    }
    const bool more = head.chunked ? in_.size() == head_bytes_ : in_.size() < request_bytes_;
    if (more && head.is_version_11) {
      if (out_.capacity() == 0) out_ = shared_.spares.take();
      (void)out_.append("HTTP/1.1 100 Continue\r\n\r\n");
    }
  }
  return true;
}

// True once the body is whole.
bool Session::read_body() noexcept {
  if (!exchange_.head_.chunked) {
    if (in_.size() < request_bytes_) return false;
    exchange_.body_ = {in_.data() + head_bytes_, request_bytes_ - head_bytes_};
    return true;
  }
  if (chunks_.capacity() == 0) chunks_ = shared_.spares.take();
  bool done = false;
  Fault fault;
  const size_t used = parser_.read_chunks(in_.data() + head_bytes_, in_.size() - head_bytes_,
                                          shared_.limits, chunks_, done, fault);
  in_.erase(head_bytes_, used);
  if (fault.status == 0 && !done && in_.size() - head_bytes_ >= shared_.limits.header_bytes)
    fault = {431, "a chunk's line or the trailers are larger than the server takes"};
  if (fault.status) {
    refuse(fault);
    return false;
  }
  exchange_.body_ = chunks_.text();
  return done;
}

void Session::dispatch() noexcept {
  exchange_.finished_ = false;
  exchange_.arrived_ns_ = shared_.clock.now_ns();
  Counts::add(shared_.counts.requests);
  phase_ = Phase::kAnswer;
  shared_.handler.handle(exchange_);
}

void Session::end_request() noexcept {
  exchange_.pending = nullptr;
  exchange_.finished_ = false;
  exchange_.body_ = {};
  exchange_.head_ = Head{};
  in_.erase(0, request_bytes_);
  chunks_.wipe();
  head_bytes_ = request_bytes_ = 0;
  phase_ = Phase::kIdle;
}

void Session::refuse(const Fault& fault) noexcept {
  Counts::add(shared_.counts.requests);
  Counts::add(shared_.counts.refused);
  last_ = true;
  exchange_.refuse(fault.status, fault.message);
  phase_ = Phase::kClosing;
}

void Session::timed_out() noexcept {
  // Whoever has sent nothing is told nothing.
  if (phase_ == Phase::kHead || phase_ == Phase::kBody)
    refuse({408, "the request took longer to arrive than the server waits"});
  last_ = true;
}

void Session::sent(size_t bytes) noexcept {
  out_first_ += bytes;
  if (out_first_ < out_.size()) return drop_sent();
  out_first_ = 0;
  out_.resize_down(0);
  if (!processing_ && phase_ != Phase::kAnswer && !in_.empty()) process();
  give_back();
}

// Whoever asks on and on may never have read everything. What was sent goes once it is the larger
// part, so that each byte is moved at most once for one that is sent.
void Session::drop_sent() noexcept {
  if (writes_ || out_first_ < out_.size() - out_first_) return;
  out_.erase(0, out_first_);
  out_first_ = 0;
}

// A connection that has nothing to keep keeps no memory.
void Session::give_back() noexcept {
  if (phase_ == Phase::kAnswer) return;
  if ((in_.empty() || last_) && in_.capacity()) shared_.spares.give(std::move(in_));
  if (phase_ != Phase::kBody && chunks_.capacity()) shared_.spares.give(std::move(chunks_));
  if (out_.empty() && out_.capacity()) shared_.spares.give(std::move(out_));
}

void Session::abandon() noexcept {
  if (phase_ == Phase::kAnswer && exchange_.pending) {
    Counts::add(shared_.counts.abandoned);
    shared_.handler.abandoned(exchange_);
  }
  exchange_.pending = nullptr;
  phase_ = Phase::kClosing;
  last_ = true;
  give_back();
}

}  // namespace spinney::server::http1
