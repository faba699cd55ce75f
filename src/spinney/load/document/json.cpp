// JSON as XGBoost writes it: RFC 8259 and, besides, bare NaN and Infinity.
#include <charconv>
#include <cstring>
#include <limits>
#include <utility>

#include "spinney/base/utf8.h"
#include "spinney/load/document/document.h"
#include "spinney/load/document/real_text.h"

namespace spinney::load {
namespace {

using Kind = Item::Kind;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

class JsonParser {
 public:
  explicit JsonParser(std::span<const char> text)
      : begin_(text.data()), at_(begin_), end_(begin_ + text.size()) {}

  Result<Document> parse() {
    SPINNEY_TRY(value(0, 0));
    while (!open_.empty()) SPINNEY_TRY(step());
    skip_space();
    if (at_ != end_) return fault("text after the end of the model");
    return std::move(document_);
  }

 private:
  struct Open {
    uint32_t item;
    bool is_object;
    bool is_first;
  };

  Error fault(const std::string& what) const {
    return corrupt("JSON, byte " + std::to_string(at_ - begin_) + ": " + what);
  }
  Error cut_short() const { return fault("the text ends too early; the file is cut short"); }

  void skip_space() {
    while (at_ != end_ && is_space(*at_)) ++at_;
  }

  // The next member or element of the innermost open object or array, or its end.
  Status step() {
    Open& open = open_.back();
    skip_space();
    if (at_ == end_) return cut_short();
    if (*at_ == (open.is_object ? '}' : ']')) {
      ++at_;
      document_.items[open.item].next = static_cast<uint32_t>(document_.items.size());
      open_.pop_back();
      return {};
    }
    if (!open.is_first) {
      if (*at_ != ',') return fault("expected a comma");
      ++at_;
      skip_space();
    }
    open.is_first = false;
    if (!open.is_object) return value(nullptr, 0);
    SPINNEY_ASSIGN(const std::string_view key, quoted());
    if (key.size() > UINT32_MAX) return fault("a key of over 4 GB");
    skip_space();
    if (at_ == end_ || *at_ != ':') return fault("expected a colon");
    ++at_;
    return value(key.data(), static_cast<uint32_t>(key.size()));
  }

  // What lies between the quotes, escapes and all.
  Result<std::string_view> quoted() {
    if (at_ == end_) return cut_short();
    if (*at_ != '"') return fault("expected a string");
    const char* first = ++at_;
    SPINNEY_TRY(skip_quoted());
    return std::string_view(first, static_cast<size_t>(at_ - 1 - first));
  }

  // From behind an opening quote to behind the closing one.
  Status skip_quoted() {
    while (at_ != end_) {
      const char c = *at_++;
      if (c == '"') return {};
      if (c == '\\') {
        if (at_ == end_) break;
        ++at_;
      }
    }
    return cut_short();
  }

  Status add(Item item) {
    if (document_.items.size() > 64 + static_cast<size_t>(end_ - begin_) / kBytesPerItemMin ||
        document_.items.size() >= UINT32_MAX)
      return fault("more nested values than any model has");
    item.next = static_cast<uint32_t>(document_.items.size() + 1);
    document_.items.push_back(item);
    return {};
  }

  Status value(const char* key, uint32_t key_size) {
    skip_space();
    if (at_ == end_) return cut_short();
    Item item;
    item.key = key;
    item.key_size = key_size;
    switch (*at_) {
      case '{':
        return open(item, Kind::kObject);
      case '[':
        return array(item);
      case '"': {
        SPINNEY_ASSIGN(const std::string_view text, quoted());
        item.kind = Kind::kString;
        item.data = text.data();
        item.size = text.size();
        return add(item);
      }
      default:
        return word(item);
    }
  }

  Status open(Item item, Kind kind) {
    if (open_.size() >= kDepthMax)
      return fault("nested more than " + std::to_string(kDepthMax) + " deep");
    ++at_;
    item.kind = kind;
    open_.push_back({static_cast<uint32_t>(document_.items.size()), kind == Kind::kObject, true});
    return add(item);
  }

  // An array of numbers, words or strings alone stays one item.
  Status array(Item item) {
    const char* first = at_ + 1;
    while (first != end_ && is_space(*first)) ++first;
    if (first == end_) return cut_short();
    if (*first == '{' || *first == '[') return open(item, Kind::kArray);
    const char* const opened = at_;
    item.kind = Kind::kScalars;
    item.data = first;
    at_ = first;
    if (*first == '"') {
      while (at_ != end_ && *at_ != ']') {
        const char c = *at_++;
        if (c == '"') SPINNEY_TRY(skip_quoted());
      }
    } else {
      const void* found = std::memchr(at_, ']', static_cast<size_t>(end_ - at_));
      const char* const behind = found ? static_cast<const char*>(found) : end_;
      // Numbers beside an array, as in [1, [0]], are items of their own.
      if (std::memchr(first, '[', static_cast<size_t>(behind - first))) {
        at_ = opened;
        return open(item, Kind::kArray);
      }
      at_ = behind;
    }
    if (at_ == end_) return cut_short();
    item.size = static_cast<size_t>(at_ - first);
    ++at_;
    return add(item);
  }

  // A number, true, false or null: everything up to the next separator.
  Status word(Item item) {
    const char* first = at_;
    while (at_ != end_ && !is_space(*at_) && *at_ != ',' && *at_ != '}' && *at_ != ']') ++at_;
    const std::string_view text(first, static_cast<size_t>(at_ - first));
    item.data = first;
    item.size = text.size();
    if (text == "true" || text == "false") {
      item.kind = Kind::kBool;
    } else if (text == "null") {
      item.kind = Kind::kNull;
    } else if (text.empty() || !std::strchr("-+0123456789NI", text[0])) {
      return fault("neither a value nor an end");
    } else {
      item.kind = Kind::kNumber;
    }
    return add(item);
  }

  const char* begin_;
  const char* at_;
  const char* end_;
  Document document_;
  std::vector<Open> open_;
};

Error unreadable(std::string_view what, size_t index, const char* at, const char* end) {
  const std::string_view text(at, static_cast<size_t>(std::min<ptrdiff_t>(end - at, 24)));
  return corrupt(in_quotes(what) + ", element " + std::to_string(index) + ": " + in_quotes(text) +
                 " cannot be read");
}

// Walks "1, 2, 3": calls read(at, end), which moves at beyond one value, for each.
template <typename Read>
Status each_scalar(const Item& item, std::string_view what, Read&& read) {
  const char* at = item.data;
  const char* const end = at + item.size;
  const auto skip_space = [&] {
    while (at != end && is_space(*at)) ++at;
  };
  skip_space();
  for (size_t index = 0; at != end; ++index) {
    if (!read(at, end)) return unreadable(what, index, at, end);
    skip_space();
    if (at == end) break;
    if (*at != ',') return unreadable(what, index, at, end);
    ++at;
    skip_space();
    if (at == end) return corrupt(in_quotes(what) + " ends with a comma");
  }
  return {};
}

template <typename Real>
bool read_real(const char*& at, const char* end, Real& value) {
  // from_chars takes "NaN", "Infinity" and "-Infinity" as they are, but no plus sign.
  if (*at == '+' && end - at > 1 && at[1] != '-') ++at;
  const auto [behind, error] = std::from_chars(at, end, value);
  if (error == std::errc::result_out_of_range)  // to XGBoost, zero or infinity
    value = out_of_range<Real>({at, static_cast<size_t>(behind - at)});
  else if (error != std::errc())
    return false;
  at = behind;
  return true;
}

bool read_integer(const char*& at, const char* end, int64_t& value) {
  if (*at == 't' && end - at >= 4 && std::string_view(at, 4) == "true") {
    value = 1;
    at += 4;
    return true;
  }
  if (*at == 'f' && end - at >= 5 && std::string_view(at, 5) == "false") {
    value = 0;
    at += 5;
    return true;
  }
  const auto [behind, error] = std::from_chars(at, end, value);
  if (error != std::errc()) return false;
  at = behind;
  return true;
}

}  // namespace

Result<Document> parse_json(std::span<const char> text) { return JsonParser(text).parse(); }

Result<std::string> unescape_json(std::string_view raw, std::string_view what) {
  std::string out;
  out.reserve(raw.size());
  for (size_t i = 0; i < raw.size();) {
    const char c = raw[i++];
    if (c != '\\' || i == raw.size()) {
      out += c;
      continue;
    }
    const char escaped = raw[i];
    const std::optional<uint32_t> code = read_json_escape(raw, i);
    if (!code) return corrupt(in_quotes(what) + " holds an unknown escape, \\" + escaped);
    append_utf8(out, *code);
  }
  return out;
}

Status read_json_scalars(const Item& item, std::vector<float>& out, std::string_view what) {
  return each_scalar(item, what, [&](const char*& at, const char* end) {
    float value;
    if (!read_real(at, end, value)) return false;
    out.push_back(value);
    return true;
  });
}

Status read_json_scalars(const Item& item, std::vector<double>& out, std::string_view what) {
  return each_scalar(item, what, [&](const char*& at, const char* end) {
    double value;
    if (!read_real(at, end, value)) return false;
    out.push_back(value);
    return true;
  });
}

Status read_json_scalars(const Item& item, std::vector<int64_t>& out, std::string_view what) {
  return each_scalar(item, what, [&](const char*& at, const char* end) {
    int64_t value;
    if (!read_integer(at, end, value)) return false;
    out.push_back(value);
    return true;
  });
}

Status read_json_scalars(const Item& item, std::vector<std::string>& out, std::string_view what) {
  return each_scalar(item, what, [&](const char*& at, const char* end) {
    if (*at != '"') return false;
    const char* first = ++at;
    while (at != end && *at != '"') at += *at == '\\' && end - at > 1 ? 2 : 1;
    if (at == end) return false;
    auto text = unescape_json({first, static_cast<size_t>(at - first)}, what);
    if (!text.ok()) return false;
    out.push_back(std::move(text).value());
    ++at;
    return true;
  });
}

}  // namespace spinney::load
