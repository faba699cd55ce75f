// Pickles are inert data: hostile ones are refused or read as records, and none does anything.
#include "spinney/load/pickle/pickle.h"

#include <gtest/gtest.h>

#include <string>

#include "spinney/load/estimator.h"

namespace spinney::load {
namespace {

using namespace std::string_literals;

Result<Pickle> read(const std::string& bytes) { return read_pickle(bytes); }

std::string refusal(const std::string& bytes) {
  const auto pickle = read_pickle(bytes);
  return pickle.ok() ? "accepted" : pickle.error().message;
}

std::string model_refusal(const std::string& bytes) {
  const auto pickle = read_pickle(bytes);
  if (!pickle.ok()) return pickle.error().message;
  const auto description = describe_pickle(*pickle);
  return description.ok() ? "accepted" : description.error().message;
}

TEST(Pickle, ACallIsARecordAndRunsNothing) {
  const std::string bytes = "cposix\nsystem\n(S'touch /tmp/spinney-canary'\ntR."s;
  const auto pickle = read(bytes);
  ASSERT_TRUE(pickle.ok()) << pickle.error().message;
  const Record* record = pickle->root.record();
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->full_name(), "posix.system");
  ASSERT_NE(record->arguments, nullptr);
  EXPECT_EQ(record->arguments->at(0).string(), "touch /tmp/spinney-canary");
  EXPECT_NE(model_refusal(bytes).find("posix.system has no native reader"), std::string::npos);
}

TEST(Pickle, NumbersAndTextOfEveryProtocol) {
  const std::string bytes =
      "(I-7\nL99999999999L\nI01\nF0.5\nJ\xff\xff\xff\xffK\x07M\x00\x01\x8a\x02\x00\xff"
      "G\x3f\xe0\x00\x00\x00\x00\x00\x00\x88\x89NS'a\\'b'\n"
      "Vc\\u00e9\n\x8c\x02hiB\x01\x00\x00\x00zt."s;
  const auto pickle = read(bytes);
  ASSERT_TRUE(pickle.ok()) << pickle.error().message;
  const List& list = *pickle->root.list();
  ASSERT_EQ(list.size(), 16u);
  EXPECT_EQ(list[0].integer(), -7);
  EXPECT_EQ(list[1].integer(), 99999999999);
  EXPECT_EQ(std::get<bool>(list[2].storage), true);
  EXPECT_EQ(list[3].number(), 0.5);
  EXPECT_EQ(list[4].integer(), -1);
  EXPECT_EQ(list[5].integer(), 7);
  EXPECT_EQ(list[6].integer(), 256);
  EXPECT_EQ(list[7].integer(), -256);
  EXPECT_EQ(list[8].number(), 0.5);
  EXPECT_EQ(list[9].integer(), 1);
  EXPECT_EQ(list[10].integer(), 0);
  EXPECT_TRUE(list[11].is_none());
  EXPECT_EQ(list[12].string(), "a'b");
  EXPECT_EQ(list[13].string(), "c\xc3\xa9");
  EXPECT_EQ(list[14].string(), "hi");
  EXPECT_EQ(list[15].bytes()->size(), 1u);
}

TEST(Pickle, ACycleNeitherLeaksNorRecurses) {
  // a list that holds itself
  const auto pickle = read(
      "]\x94h\x00"
      "a."s);
  ASSERT_TRUE(pickle.ok()) << pickle.error().message;
  EXPECT_EQ(pickle->root.list()->at(0).list(), pickle->root.list());
}

TEST(Pickle, NestingAMillionDeepIsOnlyMemory) {
  std::string bytes;
  for (int i = 0; i < 1'000'000; ++i) bytes += "N0]";  // four bytes a list, as the budget has it
  for (int i = 0; i < 999'999; ++i) bytes += "a";
  const auto pickle = read(bytes + ".");
  ASSERT_TRUE(pickle.ok()) << pickle.error().message;
}

TEST(Pickle, RefusesWhatItLacksByName) {
  EXPECT_NE(refusal("P1\n."s).find("persistent id"), std::string::npos);
  EXPECT_NE(refusal("\x82\x01."s).find("extension registry"), std::string::npos);
  EXPECT_NE(refusal("\x97."s).find("buffer_callback"), std::string::npos);
  EXPECT_NE(refusal("\x80\x06."s).find("protocol 6"), std::string::npos);
  EXPECT_NE(refusal("h\x05."s).find("memo entry 5"), std::string::npos);
  EXPECT_NE(refusal("Nr\xff\xff\xff\x7f."s).find("far beyond"), std::string::npos);
  EXPECT_NE(refusal("\x8d\xff\xff\xff\xff\xff\xff\xff\x7f."s).find("declares"), std::string::npos);
  EXPECT_NE(refusal("a."s).find("stack is empty"), std::string::npos);
  EXPECT_NE(refusal("(N."s).find("stops inside"), std::string::npos);
  EXPECT_NE(refusal("NNb."s), "");
  EXPECT_NE(refusal("cos\nsystem\n}b."s).find("state of a class"), std::string::npos);
  EXPECT_NE(refusal("\xff."s).find("unknown opcode 255"), std::string::npos);
  EXPECT_NE(refusal(""s).find("byte 0"), std::string::npos);
}

TEST(Pickle, RefusesAMemoryBomb) {
  std::string shared = "(l\x94";
  for (int i = 0; i < 100'000; ++i) shared += "(h\x00t0"s;
  EXPECT_EQ(refusal(shared + "N."), "accepted");
  // 20,000 calls, each of which copies the same 20,000 arguments.
  std::string bomb = "(cbuiltins\nobject\n";
  bomb.append(20'000, 'N');
  bomb +=
      "t\x94"
      "0";
  for (int i = 0; i < 20'000; ++i) bomb += "ccopyreg\n__newobj__\nh\x00R0"s;
  EXPECT_NE(refusal(bomb + "N.").find("far more memory"), std::string::npos);
}

TEST(Pickle, RefusesAnArrayThatDeclaresMoreThanItHolds) {
  const std::string head =
      "cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01"s + "btR(K\x01("s;
  const std::string dtype =
      "tcnumpy\ndtype\n(\x8c\x02"s +
      "f8\x89\x88tR(K\x03\x8c\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"s;
  const std::string good = head + "K\x01"s + dtype +
                           "C\x08"
                           "12345678tb."s;
  const auto pickle = read(good);
  ASSERT_TRUE(pickle.ok()) << pickle.error().message;
  EXPECT_EQ(pickle->root.array()->dtype.text, "<f8");
  EXPECT_NE(refusal(head + "K\x02"s + dtype +
                    "C\x08"
                    "12345678tb."s)
                .find("2 elements of <f8"),
            std::string::npos);
  EXPECT_NE(refusal(head + "J\xff\xff\xff\xff"s + dtype +
                    "C\x08"
                    "12345678tb."s)
                .find("shape"),
            std::string::npos);
}

}  // namespace
}  // namespace spinney::load
