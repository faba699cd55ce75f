// What a compressed body was is nowhere once it has been answered.
#include "server/protocol/inflate.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

#include "server/allocations.h"

namespace spinney::server::protocol {
namespace {

std::string packed(const std::string& text) {
  std::string made(compressBound(text.size()), '\0');
  uLongf size = made.size();
  EXPECT_EQ(compress(reinterpret_cast<Bytef*>(made.data()), &size,
                     reinterpret_cast<const Bytef*>(text.data()), text.size()),
            Z_OK);
  made.resize(size);
  return made;
}

TEST(Inflate, ItsWindowIsWipedBeforeItIsGivenBack) {
  std::string secret;
  for (int i = 0; i < 40'000; ++i) secret += "card " + std::to_string(i * 7919) + "; ";
  const std::string whole = packed(secret);
  for (const std::string& body : {whole, whole.substr(0, whole.size() / 2)}) {
    Bytes expanded;
    server::testing::Freed freed;
    const Status read = inflate_body(body, Coding::kDeflate, size_t{1} << 20, expanded);
    EXPECT_EQ(read.ok(), body.size() == whole.size());
    EXPECT_GE(freed.large, 2U);  // the state and the window
    EXPECT_EQ(freed.dirty, 0U);
  }
}

}  // namespace
}  // namespace spinney::server::protocol
