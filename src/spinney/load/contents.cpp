#include "spinney/load/contents.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "spinney/load/archive/archive.h"
#include "spinney/load/artifact/artifact.h"
#include "spinney/load/catboost/catboost.h"
#include "spinney/load/estimator.h"
#include "spinney/load/file/budget.h"
#include "spinney/load/file/expand.h"
#include "spinney/load/guess.h"
#include "spinney/load/lightgbm/lightgbm.h"
#include "spinney/load/pickle/pickle.h"
#include "spinney/load/skops/skops.h"
#include "spinney/load/treelite/treelite.h"
#include "spinney/load/xgboost/xgboost.h"

namespace spinney::load {
namespace {

constexpr unsigned kWrappingsMax = 3;  // a pickle in a zip in a gzip
constexpr size_t kEntriesNamed = 20;
constexpr size_t kNameShown = 120;

// Bytes to be read, and the file that they come from.
struct Contents {
  std::span<const char> bytes;
  size_t file_bytes = 0;
  bool was_compressed = false;
};

Result<Description> read_any_pickle(const Contents& contents, const Choice& choice) {
  PickleLimits limits;
  limits.file_bytes = contents.file_bytes;
  limits.was_compressed = contents.was_compressed;
  SPINNEY_ASSIGN(const Pickle pickle, read_pickle(contents.bytes, limits));
  return describe_pickle(pickle, choice);
}

Result<Description> read_converted(const Contents& contents, const Choice& choice) {
  constexpr char kWhat[] =
      "a .spinney file, which keeps what was chosen when the model was converted";
  SPINNEY_TRY(refuse_choice(choice, kWhat));
  SPINNEY_TRY(refuse_member(choice, kWhat));
  return read_artifact(contents.bytes);
}

Result<Description> read_any_json(std::span<const char> bytes, const Choice& choice) {
  if (!is_catboost_json(bytes)) return read_xgboost_json(bytes, choice);
  SPINNEY_TRY(refuse_member(choice, "CatBoost's JSON"));
  return read_catboost_json(bytes, choice);
}

Result<Description> read_any_cbm(std::span<const char> bytes, const Choice& choice) {
  SPINNEY_TRY(refuse_member(choice, "CatBoost's cbm"));
  return read_catboost_cbm(bytes, choice);
}

template <Result<Description> (*kRead)(std::span<const char> bytes, const Choice& choice)>
Result<Description> read_within_budget(const Contents& contents, const Choice& choice) {
  Budget budget(contents.file_bytes, contents.bytes.size(), BudgetLimits{});
  const BudgetInUse in_use(budget);
  return kRead(contents.bytes, choice);
}

Result<Description> read_skops_archive(Archive& archive, size_t file_bytes, const Choice& choice) {
  SPINNEY_ASSIGN(const Pickle pickle, read_skops(archive, file_bytes));
  return describe_pickle(pickle, choice, "skops");
}

Result<Description> read_skops_file(const Contents& contents, const Choice& choice) {
  if (archive_kind(contents.bytes) != ArchiveKind::kZip)
    return corrupt("a file of skops is a zip archive, and this is none");
  SPINNEY_ASSIGN(Archive archive,
                 Archive::open(contents.bytes, expanded_most(contents.file_bytes)));
  return read_skops_archive(archive, contents.file_bytes, choice);
}

// One reader a format; each validates before it narrows and is fuzzed on its own.
struct Reader {
  Format format;
  Result<Description> (*read)(const Contents& contents, const Choice& choice);
};

constexpr std::array kReaders = {
    Reader{Format::kJson, read_within_budget<read_any_json>},
    Reader{Format::kXgboostUbjson, read_within_budget<read_xgboost_ubjson>},
    Reader{Format::kXgboostBinary, read_within_budget<read_xgboost_binary>},
    Reader{Format::kLightgbmText, read_within_budget<read_lightgbm_text>},
    Reader{Format::kCatboostCbm, read_within_budget<read_any_cbm>},
    Reader{Format::kTreelite, read_within_budget<read_treelite>},
    Reader{Format::kPickle, read_any_pickle},
    Reader{Format::kSkops, read_skops_file},
    Reader{Format::kSpinney, read_converted},
};

// Whether an archive's entry may be the model: files of JSON lie in archives for other reasons.
bool may_be_model(std::span<const char> bytes) {
  if (compression_of(bytes) != Compression::kNone || archive_kind(bytes) != ArchiveKind::kNone)
    return true;
  const auto format = guess_format(bytes);
  if (!format.ok()) return false;
  if (*format != Format::kJson && *format != Format::kXgboostUbjson) return true;
  if (is_catboost_json(bytes)) return true;
  const std::string_view head(bytes.data(), std::min<size_t>(bytes.size(), 4096));
  return head.find("learner") != std::string_view::npos;
}

// What macOS and editors leave beside files.
bool is_debris(const std::string& name) {
  const std::string slashed = "/" + name;
  return slashed.find("/._") != std::string::npos ||
         slashed.find("/__MACOSX/") != std::string::npos;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < kEntriesNamed; ++i)
    text += (i ? ", " : "") + names[i].substr(0, kNameShown);
  if (names.size() > kEntriesNamed)
    text += " and " + std::to_string(names.size() - kEntriesNamed) + " more";
  return text.empty() ? "nothing" : text;
}

struct Found {
  std::string name;
  Expanded contents;
  Choice choice;  // within the entry
};

// The entry that is named, alone or with what is meant within it behind a colon.
Result<std::optional<Found>> find_named(Archive& archive, const Choice& choice) {
  std::string name = choice.member;
  Choice inner = choice;
  inner.member.clear();
  const ArchiveEntry* entry = archive.find(name);
  if (const size_t colon = name.rfind(':'); !entry && colon != std::string::npos) {
    inner.member = name.substr(colon + 1);
    name.resize(colon);
    entry = archive.find(name);
  }
  if (name.empty() || !entry) return std::optional<Found>();
  SPINNEY_ASSIGN(Expanded contents, archive.read(*entry));
  return std::optional<Found>(Found{name, std::move(contents), std::move(inner)});
}

Result<Found> find_model(Archive& archive, const Choice& choice) {
  SPINNEY_ASSIGN(std::optional<Found> named, find_named(archive, choice));
  if (named) return *std::move(named);
  std::vector<std::string> names, models;
  Found found;
  for (const ArchiveEntry& entry : archive.entries()) {
    if (is_debris(entry.name)) continue;
    names.push_back(entry.name);
    SPINNEY_ASSIGN(Expanded contents, archive.read(entry));
    if (!may_be_model(contents.bytes)) continue;
    if (models.empty()) found = {entry.name, std::move(contents), choice};
    models.push_back(entry.name);
  }
  if (models.size() == 1) return found;
  if (models.empty())
    return unsupported("the archive holds no model in a format that is read, but " + listed(names));
  return invalid_argument(
      "the archive holds several files that may be the model: " + listed(models) +
      ". Say which is meant: member=\"" + models[0].substr(0, kNameShown) + "\"");
}

Result<Description> read_wrapped(const Contents& contents, Format format, const Choice& choice,
                                 unsigned wrappings_left);

Result<Description> read_from_archive(const Contents& contents, const Choice& choice,
                                      unsigned wrappings_left) {
  SPINNEY_ASSIGN(Archive archive,
                 Archive::open(contents.bytes, expanded_most(contents.file_bytes)));
  if (is_skops(archive)) return read_skops_archive(archive, contents.file_bytes, choice);
  SPINNEY_ASSIGN(const Found found, find_model(archive, choice));
  const Contents inner{found.contents.bytes, contents.file_bytes, false};
  auto model = read_wrapped(inner, Format::kGuess, found.choice, wrappings_left);
  if (model.ok()) return model;
  return Error{model.error().code, found.name.substr(0, kNameShown) + ": " + model.error().message};
}

Result<Description> read_wrapped(const Contents& contents, Format format, const Choice& choice,
                                 unsigned wrappings_left) {
  const Compression compression = compression_of(contents.bytes);
  const bool is_archive =
      format == Format::kGuess && archive_kind(contents.bytes) != ArchiveKind::kNone;
  if (compression != Compression::kNone || is_archive) {
    if (wrappings_left == 0)
      return too_large("compressed files and archives lie within each other too deeply");
    if (is_archive) return read_from_archive(contents, choice, wrappings_left - 1);
    SPINNEY_ASSIGN(const Expanded expanded,
                   expand(contents.bytes, compression, expanded_most(contents.file_bytes)));
    return read_wrapped({expanded.bytes, contents.file_bytes, true}, format, choice,
                        wrappings_left - 1);
  }
  if (format == Format::kGuess) {
    SPINNEY_ASSIGN(format, guess_format(contents.bytes));
  }
  for (const Reader& reader : kReaders)
    if (reader.format == format) return reader.read(contents, choice);
  return unsupported("this build does not read the format asked for");
}

}  // namespace

Result<Description> read_contents(std::span<const char> bytes, Format format,
                                  const Choice& choice) {
  return read_wrapped({bytes, bytes.size(), false}, format, choice, kWrappingsMax);
}

}  // namespace spinney::load
