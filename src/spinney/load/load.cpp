#include "spinney/load/load.h"

#include "spinney/load/artifact/artifact.h"
#include "spinney/load/artifact/file.h"
#include "spinney/load/contents.h"
#include "spinney/load/file/bytes.h"
#include "spinney/load/mlflow/mlflow.h"

namespace spinney::load {
namespace {

constexpr char kConverted[] =
    "a .spinney file, which keeps what was chosen when the model was converted";

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

// Names from the folder's signature for a model that keeps none.
Result<Description> with_names(const Description& model, const MlflowModel& folder) {
  if (!model.feature_names.empty() || folder.names.size() != model.n_features()) return model;
  DescriptionParts parts = model.parts();
  parts.feature_names = folder.names;
  for (const std::string& column : folder.text_columns)
    parts.warnings.push_back("MLflow's signature says that the column " + column +
                             " holds texts, for which the model has no categories");
  return make_description(std::move(parts));
}

Result<Description> load_folder(const std::string& path, LoadOptions options) {
  SPINNEY_ASSIGN(const MlflowFolder folder, open_mlflow_folder(path));
  if (folder.model.is_booster) options.choice.as_booster = true;
  SPINNEY_ASSIGN(const Description model, load_file(folder.file, options));
  return named(with_names(model, folder.model), path);
}

}  // namespace

// Files are copied, since they may be cut short or overwritten meanwhile; only an artifact can be
// used where it lies.
Result<Description> load_file(const std::string& path, const LoadOptions& options) {
  if (is_mlflow_folder(path)) return load_folder(path, options);
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
  return named(read_contents(bytes, format, choice), name);
}

}  // namespace spinney::load
