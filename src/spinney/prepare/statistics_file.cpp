#include <array>
#include <cmath>
#include <map>
#include <string>

#include "spinney/prepare/bytes.h"
#include "spinney/prepare/serialize.h"
#include "spinney/prepare/statistics.h"

namespace spinney::prepare {
namespace {

template <typename M>
auto tables_of(M& m) {
  return std::array{&m.count, &m.mean, &m.m2, &m.min, &m.max, &m.missing, &m.positive, &m.negative};
}

void write_moments(ByteWriter& writer, const RunningMoments& running) {
  for (const Moments* moments : {&running.whole(), &running.open()})
    for (const auto* table : tables_of(*moments)) writer.numbers(*table);
  writer.number(static_cast<uint64_t>(running.open_rows()));
}

bool is_count(double n) { return n >= 0 && n <= 9007199254740992.0 && n == std::floor(n); }

void check_moments(ByteReader& reader, const Moments& m) {
  for (size_t c = 0; c < m.width() && reader.ok(); ++c) {
    const bool counts = is_count(m.count[c]) && is_count(m.missing[c]) && is_count(m.positive[c]) &&
                        is_count(m.negative[c]);
    const bool ordered = m.count[c] == 0 || (std::isfinite(m.min[c]) && m.min[c] <= m.max[c] &&
                                             std::isfinite(m.max[c]));
    // Where values near the type's end lie apart, the mean and m2 overflow; recipes that need them
    // are refused, the others go on.
    if (!counts || !ordered || (std::isfinite(m.m2[c]) && m.m2[c] < 0))
      reader.fail("the moments of column " + std::to_string(c) + " contradict themselves");
  }
}

void read_moments(ByteReader& reader, size_t width, RunningMoments& running) {
  Moments whole(0), open(0);
  for (Moments* moments : {&whole, &open}) {
    for (auto* table : tables_of(*moments)) {
      *table = reader.numbers<double>();
      if (reader.ok() && table->size() != width)
        reader.fail("moments of " + std::to_string(table->size()) + " columns where " +
                    std::to_string(width) + " are expected");
    }
    if (reader.ok()) check_moments(reader, *moments);
  }
  const auto open_rows = reader.number<uint64_t>();
  if (open_rows >= kMomentRows) reader.fail("a block has too many rows");
  if (reader.ok()) running.restore(std::move(whole), std::move(open), open_rows);
}

void read_sketch(ByteReader& reader, QuantileSketch& sketch) {
  const auto count = reader.number<uint64_t>();
  const auto moves = reader.number<uint64_t>();
  const auto rank_error = reader.number<uint64_t>();
  const auto n = reader.number<uint8_t>();
  std::vector<std::vector<double>> levels;
  for (unsigned i = 0; i < n && reader.ok(); ++i) levels.push_back(reader.numbers<double>());
  if (!reader.ok()) return;
  const Status status = sketch.restore(std::move(levels), count, moves, rank_error);
  if (!status.ok()) reader.fail(status.error().message);
}

void read_frequencies(ByteReader& reader, Frequencies& frequencies) {
  const auto error = reader.number<uint64_t>();
  const auto values = reader.numbers<uint64_t>();
  const auto times = reader.numbers<uint64_t>();
  if (reader.ok() && values.size() != times.size())
    reader.fail("a table of frequencies has values without counts");
  if (!reader.ok()) return;
  Frequencies::Counts counts;
  for (size_t i = 0; i < values.size(); ++i) counts[values[i]] = times[i];
  const Status status = frequencies.restore(std::move(counts), error);
  if (!status.ok()) reader.fail(status.error().message);
}

}  // namespace

std::vector<char> Statistics::to_bytes() const {
  ByteWriter writer;
  write_options(writer, options_);
  writer.number(static_cast<uint64_t>(width_));
  writer.number(static_cast<uint8_t>(can_continue_));
  writer.number(rows_);
  write_moments(writer, raw_);
  for (const QuantileSketch& sketch : sketches_) {
    writer.number(sketch.count());
    writer.number(sketch.moves());
    writer.number(sketch.rank_error_max());
    writer.number(static_cast<uint8_t>(sketch.levels().size()));
    for (const auto& level : sketch.levels()) writer.numbers(level);
  }
  for (const Frequencies& frequencies : frequencies_) {
    std::vector<uint64_t> values, times;
    const std::map<uint64_t, uint64_t> ordered(frequencies.counts().begin(),
                                               frequencies.counts().end());
    for (const auto& [value, n] : ordered) {
      values.push_back(value);
      times.push_back(n);
    }
    writer.number(frequencies.error());
    writer.numbers(values);
    writer.numbers(times);
  }
  return writer.take();
}

Result<Statistics> Statistics::from_bytes(std::span<const char> bytes) {
  ByteReader reader(bytes);
  Clip clip = Clip::kNone;
  const Options options = read_options(reader, clip);
  const auto width = reader.number<uint64_t>();
  const bool can_continue = reader.flag("the mark of statistics that go on");
  const auto rows = reader.number<uint64_t>();
  // Sixteen tables of moments at least, so that the width is no more than the bytes say.
  if (width == 0 || width > kWidthMax || width > bytes.size() / (16 * sizeof(double)))
    reader.fail("statistics of " + std::to_string(width) + " columns are declared");
  if (!reader.ok()) return reader.finish().error();
  const Status valid = options.check();
  if (!valid.ok()) return corrupt("the preprocessor's file is damaged: " + valid.error().message);
  Statistics statistics(options, width);
  statistics.can_continue_ = can_continue;
  statistics.rows_ = rows;
  read_moments(reader, width, statistics.raw_);
  if (clip == Clip::kFirst) {  // and moments of clipped values, which nothing is fitted on now
    RunningMoments clipped(width, options.clip_low, options.clip_high);
    read_moments(reader, width, clipped);
  }
  const Moments total = statistics.moments();
  for (size_t c = 0; c < width && reader.ok(); ++c)
    if (total.count[c] + total.missing[c] + total.positive[c] + total.negative[c] !=
        static_cast<double>(rows))
      reader.fail("column " + std::to_string(c) + " does not count the rows that were seen");
  if (can_continue && reader.ok()) statistics.make_summaries();
  for (QuantileSketch& sketch : statistics.sketches_) read_sketch(reader, sketch);
  for (Frequencies& frequencies : statistics.frequencies_) read_frequencies(reader, frequencies);
  SPINNEY_TRY(reader.finish());
  return statistics;
}

}  // namespace spinney::prepare
