#include "spinney/load/load.h"

#include <array>

#include "spinney/load/artifact/artifact.h"
#include "spinney/load/artifact/file.h"
#include "spinney/load/catboost/catboost.h"
#include "spinney/load/estimator.h"
#include "spinney/load/file/bytes.h"
#include "spinney/load/guess.h"
#include "spinney/load/lightgbm/lightgbm.h"
#include "spinney/load/pickle/pickle.h"
#include "spinney/load/xgboost/xgboost.h"

namespace spinney::load {
namespace {

constexpr char kConverted[] =
    "a .spinney file, which keeps what was chosen when the model was converted";

Result<Description> read_any_pickle(std::span<const char> bytes, const Choice& choice) {
  SPINNEY_ASSIGN(const Pickle pickle, read_pickle(bytes));
  return describe_pickle(pickle, choice);
}

Result<Description> read_converted(std::span<const char> bytes, const Choice& choice) {
  SPINNEY_TRY(refuse_choice(choice, kConverted));
  SPINNEY_TRY(refuse_member(choice, kConverted));
  return read_artifact(bytes);
}

Result<Description> read_any_json(std::span<const char> bytes, const Choice& choice) {
  return is_catboost_json(bytes) ? read_catboost_json(bytes, choice)
                                 : read_xgboost_json(bytes, choice);
}

// One reader a format; each validates before it narrows and is fuzzed on its own.
struct Reader {
  Format format;
  Result<Description> (*read)(std::span<const char> bytes, const Choice& choice);
};

constexpr std::array kReaders = {
    Reader{Format::kJson, read_any_json},
    Reader{Format::kXgboostUbjson, read_xgboost_ubjson},
    Reader{Format::kLightgbmText, read_lightgbm_text},
    Reader{Format::kCatboostCbm, read_catboost_cbm},
    Reader{Format::kPickle, read_any_pickle},
    Reader{Format::kSpinney, read_converted},
};

Result<Description> read(std::span<const char> bytes, Format format, const Choice& choice) {
  for (const Reader& reader : kReaders)
    if (reader.format == format) return reader.read(bytes, choice);
  return unsupported("this build does not read the format asked for");
}

// A message may quote a file's names, which may be as long as the file.
std::string shortened(const std::string& message) {
  constexpr size_t kBegin = 2000, kEnd = 200;
  if (message.size() <= kBegin + kEnd) return message;
  return message.substr(0, kBegin) + " … " + message.substr(message.size() - kEnd);
}

Result<Description> named(Result<Description> model, const std::string& name) {
  if (model.ok()) return model;
  return Error{model.error().code, name + ": " + shortened(model.error().message)};
}

}  // namespace

// Files are copied, since they may be cut short or overwritten meanwhile; only an artifact can be
// used where it lies.
Result<Description> load_file(const std::string& path, const LoadOptions& options) {
  const Format format = options.format;
  if (format == Format::kGuess || format == Format::kSpinney) {
    SPINNEY_ASSIGN(const bool artifact, starts_as_artifact(path));
    if (artifact) {
      SPINNEY_TRY(refuse_choice(options.choice, kConverted));
      SPINNEY_TRY(refuse_member(options.choice, kConverted));
      SPINNEY_ASSIGN(const MappedFile file, options.copy ? copy_file(path) : map_file(path));
      return named(read_artifact(file.owner, file.bytes, !options.copy), path);
    }
  }
  if (!options.copy)
    return invalid_argument(path +
                            " is not a .spinney file, and only such a file can be mapped: leave "
                            "out copy=false, or save the model with Model.save first");
  SPINNEY_ASSIGN(const FileBytes file, read_file(path));
  return load_bytes(file.span(), format, path, options.choice);
}

Result<Description> load_file(const std::string& path, Format format) {
  return load_file(path, LoadOptions{format, true, {}});
}

Result<Description> load_bytes(std::span<const char> bytes, Format format, const std::string& name,
                               const Choice& choice) {
  if (format == Format::kGuess) {
    auto guessed = guess_format(bytes);
    if (!guessed.ok()) return named(guessed.error(), name);
    format = *guessed;
  }
  return named(read(bytes, format, choice), name);
}

}  // namespace spinney::load
