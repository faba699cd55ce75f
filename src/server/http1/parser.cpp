#include "server/http1/parser.h"

#if defined(__GNUC__) && !defined(__clang__)
// Under the sanitizers gcc 12 takes the empty optionals of Beast's header for values not set.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/version.hpp>
#include <new>

namespace spinney::server::http1 {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::iequals;
using View = boost::beast::string_view;

std::string_view plain(View view) { return {view.data(), view.size()}; }

// Of names that Beast has no number for.
int other_field(View name) {
  if (iequals(name, "x-request-id")) return static_cast<int>(Field::kRequestId);
  if (iequals(name, "traceparent")) return static_cast<int>(Field::kTraceparent);
  if (iequals(name, "inference-header-content-length")) return static_cast<int>(Field::kJsonLength);
  return -1;
}

int field_number(http::field name, View text) {
  switch (name) {
    case http::field::host:
      return static_cast<int>(Field::kHost);
    case http::field::origin:
      return static_cast<int>(Field::kOrigin);
    case http::field::authorization:
      return static_cast<int>(Field::kAuthorization);
    case http::field::content_type:
      return static_cast<int>(Field::kContentType);
    case http::field::content_encoding:
      return static_cast<int>(Field::kContentEncoding);
    case http::field::accept_encoding:
      return static_cast<int>(Field::kAcceptEncoding);
    case http::field::expect:
      return static_cast<int>(Field::kExpect);
    default:
      return other_field(text);
  }
}

bool is_bad_length(const error_code& error) {
#if BOOST_VERSION >= 108100  // 1.74 has one error for both
  if (error == http::error::multiple_content_length) return true;
#endif
  return error == http::error::bad_content_length;
}

Fault fault_of(const error_code& error) {
  if (error == http::error::header_limit)
    return {431, "the header is larger than the server takes"};
  if (error == http::error::body_limit) return {413, "the body is larger than the server takes"};
  if (error == http::error::bad_version)
    return {400, "not HTTP/1.1 or 1.0 (bad version or end of the request line)"};
  if (error == http::error::bad_method || error == http::error::bad_target)
    return {400, "the request line cannot be read"};
  if (is_bad_length(error)) return {400, "Content-Length is no number, or not the only length"};
  if (error == http::error::bad_transfer_encoding)
    return {400, "Transfer-Encoding is given twice, or beside Content-Length"};
  if (error == http::error::bad_chunk || error == http::error::bad_chunk_extension)
    return {400, "a chunk cannot be read"};
  return {400, "the header cannot be read"};
}

// What a callback refuses for a reason of its own, which fault() then says.
error_code refused() { return http::error::bad_field; }

}  // namespace

class Parser::Machine final : public http::basic_parser<true> {
 public:
  // Where the call at hand reads and writes.
  struct Call {
    const char* begin = nullptr;
    const char* end = nullptr;
    const Limits* limits = nullptr;
    Head* head = nullptr;
    Bytes* body = nullptr;
    Fault fault;
  };
  Call call;
  size_t fields = 0;
  bool in_body = false;

  size_t put_bytes(const char* data, size_t size, error_code& error) {
    return put(boost::asio::const_buffer(data, size), error);
  }

 private:
  void refuse(int status, const char* message, error_code& error) {
    call.fault = {status, message};
    error = refused();
  }
  bool is_inside(View view) const {
    return view.empty() || (view.data() >= call.begin && view.data() + view.size() <= call.end);
  }

  void on_request_impl(http::verb method, View, View target, int version,
                       error_code& error) override {
    Head& head = *call.head;
    head = Head{};
    head.method = method == http::verb::get    ? Method::kGet
                  : method == http::verb::post ? Method::kPost
                  : method == http::verb::head ? Method::kHead
                                               : Method::kOther;
    head.target = plain(target);
    head.is_version_11 = version == 11;
    error = {};
  }

  void on_field_impl(http::field name, View text, View value, error_code& error) override {
    error = {};
    if (++fields > call.limits->header_fields)
      return refuse(431, "more header fields than the server takes", error);
    if (in_body) return;  // trailers say nothing
    if (!is_inside(value)) return refuse(400, "a header field is folded over lines", error);
    Head& head = *call.head;
    if (name == http::field::content_length) {
      if (head.has_length) return refuse(400, "Content-Length is given twice", error);
      head.has_length = true;
    }
    if (name == http::field::transfer_encoding) {
      if (head.chunked) return refuse(400, "Transfer-Encoding is given twice", error);
      if (!iequals(value, "chunked"))
        return refuse(501, "the only Transfer-Encoding that is known is chunked", error);
      if (!head.is_version_11) return refuse(400, "HTTP/1.0 has no chunks", error);
      head.chunked = true;
    }
    const int number = field_number(name, text);
    if (number < 0) return;
    std::string_view& kept = head.fields[static_cast<size_t>(number)];
    if (kept.data() && name != http::field::accept_encoding)
      return refuse(400, "a header field that may stand once is given twice", error);
    kept = value.data() ? plain(value) : plain(text).substr(0, 0);
  }

  void on_header_impl(error_code& error) override {
    error = {};
    Head& head = *call.head;
    if (head.is_version_11 && !head.has(Field::kHost))
      return refuse(400, "the Host field is missing", error);
    head.keep_alive = keep_alive();
    if (head.has_length) head.content_length = content_length().value_or(0);
  }

  void on_chunk_header_impl(std::uint64_t size, View, error_code& error) override {
    error = {};
    if (size > call.limits->body_bytes || call.body->size() + size > call.limits->body_bytes)
      refuse(413, "the body is larger than the server takes", error);
  }
  std::size_t on_chunk_body_impl(std::uint64_t, View piece, error_code& error) override {
    error = {};
    if (!call.body->append(plain(piece)))
      refuse(503, "no memory for the body at this moment", error);
    return piece.size();
  }

  void on_response_impl(int, View, int, error_code& error) override { error = {}; }
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code& error) override {
    error = {};
  }
  std::size_t on_body_impl(View piece, error_code& error) override {
    error = {};
    return piece.size();
  }
  void on_finish_impl(error_code& error) override { error = {}; }
};

Parser::Machine* Parser::machine() noexcept {
  return std::launder(reinterpret_cast<Machine*>(place_));
}

void Parser::restart() {
  static_assert(sizeof(Machine) <= kMachineBytes && alignof(Machine) <= 16);
  destroy();
  auto* made = new (place_) Machine;
  made->body_limit(boost::none);  // the lengths are looked at here
  made_ = true;
  done_ = 0;
}

void Parser::destroy() noexcept {
  if (made_) machine()->~Machine();
  made_ = false;
}

size_t Parser::read_head(const char* data, size_t size, const Limits& limits, Head& head,
                         Fault& fault) {
  Machine& parser = *machine();
  if (done_ == 0 && size > 0) parser.header_limit(static_cast<std::uint32_t>(limits.header_bytes));
  parser.call = {data, data + size, &limits, &head, nullptr, {}};
  error_code error;
  done_ += parser.put_bytes(data + done_, size - done_, error);
  if (error && error != http::error::need_more) {
    fault = parser.call.fault.status ? parser.call.fault : fault_of(error);
    return 0;
  }
  const bool whole = parser.is_header_done();
  // The machine's own limit is one of each field.
  if (whole ? done_ > limits.header_bytes : size >= limits.header_bytes)
    fault = {431, "the header is larger than the server takes"};
  return whole && fault.status == 0 ? done_ : 0;
}

size_t Parser::read_chunks(const char* data, size_t size, const Limits& limits, Bytes& body,
                           bool& done, Fault& fault) {
  Machine& parser = *machine();
  Head trailers;
  parser.call = {data, data + size, &limits, &trailers, &body, {}};
  parser.in_body = true;
  parser.eager(true);
  error_code error;
  const size_t used = parser.put_bytes(data, size, error);
  if (error && error != http::error::need_more)
    fault = parser.call.fault.status ? parser.call.fault : fault_of(error);
  done = parser.is_done();
  return used;
}

}  // namespace spinney::server::http1
