#include "spinney/load/file/expand.h"

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "spinney/base/checked_size.h"

namespace spinney::load {
namespace {

// A growing buffer; realloc lets the system move pages instead of copying them.
class Buffer {
 public:
  explicit Buffer(size_t most) : most_(most) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(data_); }

  // Room for at least one more byte.
  Status make_room() {
    if (used_ < size_) return {};
    if (size_ >= most_)
      return too_large("the file expands to more than " + std::to_string(most_) +
                       " bytes, far beyond what its size explains; save it uncompressed");
    const size_t wanted = std::min(most_, std::max<size_t>(size_ * 2, size_t{1} << 20));
    void* grown = std::realloc(data_, wanted);
    if (!grown) return too_large("there is no memory to decompress the file");
    data_ = static_cast<char*>(grown);
    size_ = wanted;
    return {};
  }
  char* end() { return data_ + used_; }
  size_t room() const { return size_ - used_; }
  void add(size_t n) { used_ += n; }

  Expanded release() {
    std::shared_ptr<char> owner(data_, &std::free);
    const std::span<const char> bytes(data_, used_);
    data_ = nullptr;
    return {std::move(owner), bytes};
  }

 private:
  size_t most_;
  char* data_ = nullptr;
  size_t used_ = 0;
  size_t size_ = 0;
};

enum class Progress { kMore, kEnd, kDamaged };

// One decompressor: advances input and buffer, and says how it went. reset() begins a next stream.
class Codec {
 public:
  virtual ~Codec() = default;
  virtual bool start() = 0;
  virtual Progress step(std::span<const char>& input, Buffer& out) = 0;
  virtual bool joins_streams() const { return true; }
};

class Zlib final : public Codec {
 public:
  // window_bits as zlib has them: 16 more for gzip, negative for deflate without a header.
  explicit Zlib(int window_bits) : window_bits_(window_bits) {}
  ~Zlib() override { inflateEnd(&stream_); }
  bool start() override {
    inflateEnd(&stream_);
    stream_ = {};
    return inflateInit2(&stream_, window_bits_) == Z_OK;
  }
  bool joins_streams() const override { return window_bits_ > MAX_WBITS; }
  Progress step(std::span<const char>& input, Buffer& out) override {
    const auto given = static_cast<uInt>(std::min<size_t>(input.size(), 1u << 30));
    const auto room = static_cast<uInt>(std::min<size_t>(out.room(), 1u << 30));
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
    stream_.avail_in = given;
    stream_.next_out = reinterpret_cast<Bytef*>(out.end());
    stream_.avail_out = room;
    const int code = inflate(&stream_, Z_NO_FLUSH);
    input = input.subspan(given - stream_.avail_in);
    out.add(room - stream_.avail_out);
    if (code == Z_STREAM_END) return Progress::kEnd;
    return code == Z_OK || code == Z_BUF_ERROR ? Progress::kMore : Progress::kDamaged;
  }

 private:
  int window_bits_;
  z_stream stream_{};
};

class Bzip2 final : public Codec {
 public:
  ~Bzip2() override { BZ2_bzDecompressEnd(&stream_); }
  bool start() override {
    BZ2_bzDecompressEnd(&stream_);
    stream_ = {};
    return BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK;
  }
  Progress step(std::span<const char>& input, Buffer& out) override {
    const auto given = static_cast<unsigned>(std::min<size_t>(input.size(), 1u << 30));
    const auto room = static_cast<unsigned>(std::min<size_t>(out.room(), 1u << 30));
    stream_.next_in = const_cast<char*>(input.data());
    stream_.avail_in = given;
    stream_.next_out = out.end();
    stream_.avail_out = room;
    const int code = BZ2_bzDecompress(&stream_);
    input = input.subspan(given - stream_.avail_in);
    out.add(room - stream_.avail_out);
    if (code == BZ_STREAM_END) return Progress::kEnd;
    return code == BZ_OK ? Progress::kMore : Progress::kDamaged;
  }

 private:
  bz_stream stream_{};
};

class Lzma final : public Codec {
 public:
  explicit Lzma(bool alone) : alone_(alone) {}
  ~Lzma() override { lzma_end(&stream_); }
  bool start() override {
    lzma_end(&stream_);
    stream_ = LZMA_STREAM_INIT;
    // The dictionary's size stands in the file; 192 MiB is more than any preset needs.
    constexpr uint64_t kMemoryMax = uint64_t{192} << 20;
    return (alone_ ? lzma_alone_decoder(&stream_, kMemoryMax)
                   : lzma_stream_decoder(&stream_, kMemoryMax, 0)) == LZMA_OK;
  }
  bool joins_streams() const override { return !alone_; }
  Progress step(std::span<const char>& input, Buffer& out) override {
    const size_t room = out.room();
    stream_.next_in = reinterpret_cast<const uint8_t*>(input.data());
    stream_.avail_in = input.size();
    stream_.next_out = reinterpret_cast<uint8_t*>(out.end());
    stream_.avail_out = room;
    const lzma_ret code = lzma_code(&stream_, LZMA_RUN);
    input = input.subspan(input.size() - stream_.avail_in);
    out.add(room - stream_.avail_out);
    if (code == LZMA_STREAM_END) return Progress::kEnd;
    return code == LZMA_OK || code == LZMA_BUF_ERROR ? Progress::kMore : Progress::kDamaged;
  }

 private:
  bool alone_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

class Lz4 final : public Codec {
 public:
  ~Lz4() override { LZ4F_freeDecompressionContext(context_); }
  bool start() override {
    if (context_) {
      LZ4F_resetDecompressionContext(context_);
      return true;
    }
    return !LZ4F_isError(LZ4F_createDecompressionContext(&context_, LZ4F_VERSION));
  }
  Progress step(std::span<const char>& input, Buffer& out) override {
    size_t given = input.size();
    size_t room = out.room();
    const size_t code = LZ4F_decompress(context_, out.end(), &room, input.data(), &given, nullptr);
    input = input.subspan(given);
    out.add(room);
    if (LZ4F_isError(code)) return Progress::kDamaged;
    return code == 0 ? Progress::kEnd : Progress::kMore;
  }

 private:
  LZ4F_dctx* context_ = nullptr;
};

class Zstd final : public Codec {
 public:
  ~Zstd() override { ZSTD_freeDCtx(context_); }
  bool start() override {
    if (!context_) context_ = ZSTD_createDCtx();
    return context_ && !ZSTD_isError(ZSTD_DCtx_reset(context_, ZSTD_reset_session_only));
  }
  Progress step(std::span<const char>& input, Buffer& out) override {
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    ZSTD_outBuffer made{out.end(), out.room(), 0};
    const size_t code = ZSTD_decompressStream(context_, &made, &in);
    input = input.subspan(in.pos);
    out.add(made.pos);
    if (ZSTD_isError(code)) return Progress::kDamaged;
    return code == 0 ? Progress::kEnd : Progress::kMore;
  }

 private:
  ZSTD_DCtx* context_ = nullptr;
};

std::unique_ptr<Codec> make_codec(Compression compression) {
  switch (compression) {
    case Compression::kZlib:
      return std::make_unique<Zlib>(MAX_WBITS);
    case Compression::kGzip:
      return std::make_unique<Zlib>(16 + MAX_WBITS);
    case Compression::kBzip2:
      return std::make_unique<Bzip2>();
    case Compression::kXz:
      return std::make_unique<Lzma>(false);
    case Compression::kLzma:
      return std::make_unique<Lzma>(true);
    case Compression::kLz4:
      return std::make_unique<Lz4>();
    case Compression::kZstd:
      return std::make_unique<Zstd>();
    case Compression::kDeflate:
      return std::make_unique<Zlib>(-MAX_WBITS);
    default:
      return nullptr;
  }
}

// 'x' begins texts too; its first two bytes as a number are a multiple of 31 in zlib.
bool is_zlib(std::string_view head) {
  if (head.size() < 2 || head[0] != 'x') return false;
  return (static_cast<unsigned char>(head[0]) * 256u + static_cast<unsigned char>(head[1])) % 31 ==
         0;
}

}  // namespace

Compression compression_of(std::span<const char> bytes) {
  const std::string_view head(bytes.data(), std::min<size_t>(bytes.size(), 8));
  if (head.starts_with("ZF")) return Compression::kOldJoblib;
  if (is_zlib(head)) return Compression::kZlib;
  if (head.starts_with("\x1f\x8b")) return Compression::kGzip;
  if (head.starts_with("BZ")) return Compression::kBzip2;
  if (head.starts_with("\xfd"
                       "7zXZ"))
    return Compression::kXz;
  if (head.starts_with(std::string_view("\x5d\x00", 2))) return Compression::kLzma;
  if (head.starts_with("\x04\x22\x4d\x18")) return Compression::kLz4;
  if (head.starts_with("\x28\xb5\x2f\xfd")) return Compression::kZstd;
  return Compression::kNone;
}

size_t expanded_most(size_t file_bytes) {
  constexpr size_t kBase = size_t{64} << 20, kPerByte = 64;
  return checked_sum(kBase, checked_product(kPerByte, file_bytes).value_or(kSizeMax - kBase))
      .value_or(kSizeMax);
}

Result<Expanded> expand(std::span<const char> bytes, Compression compression, size_t most) {
  if (compression == Compression::kOldJoblib)
    return unsupported(
        "this file is in the compressed format of joblib before 0.10; load it with "
        "Python and save it again with a newer joblib");
  const std::unique_ptr<Codec> codec = make_codec(compression);
  if (!codec || !codec->start()) return too_large("there is no memory to decompress the file");
  Buffer out(most);
  std::span<const char> input = bytes;
  for (;;) {
    SPINNEY_TRY(out.make_room());
    const size_t input_before = input.size();
    const size_t room_before = out.room();
    const Progress progress = codec->step(input, out);
    if (progress == Progress::kDamaged) return corrupt("the compressed data is damaged");
    if (progress == Progress::kEnd) {
      if (input.empty() || !codec->joins_streams()) return out.release();
      // A further stream follows, or padding that every one of these formats allows or ignores.
      if (compression_of(input) != compression) return out.release();
      if (!codec->start()) return too_large("there is no memory to decompress the file");
    } else if (input.size() == input_before && out.room() == room_before) {
      return corrupt("the compressed data is cut short");
    }
  }
}

}  // namespace spinney::load
