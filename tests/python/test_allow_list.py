"""The first wall: what a file may name by an allow-list, and what it may do to that.

Everything here is unpickled in this process, so that no sandbox stands behind the list.
"""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct

import numpy as np
import pytest

import worker_models
from spinney.workers import unpickle

CORE = "numpy._core" if np.__version__ >= "2" else "numpy.core"
PATTERNS = ["numpy.*", "scipy.*", "sklearn.*", "pandas.*", "xgboost.*", "lightgbm.*", "catboost.*"]


def load(data, allowed=PATTERNS):
    return unpickle.load_file(io.BytesIO(data), unpickle.AllowList(allowed))


# Files by hand: protocol 4, without its frames.


def text(words):
    return b"X" + struct.pack("<I", len(words.encode())) + words.encode()


def named(module, name):
    return text(module) + text(name) + b"\x93"


def called(module, name, *arguments):
    return named(module, name) + b"(" + b"".join(map(value, arguments)) + b"tR"


def value(given):
    """Plain values, or what is written already."""
    return given if isinstance(given, bytes) else pickletools.optimize(pickle.dumps(given, 2))[2:-1]


def made(module, name, state=None):
    return named(module, name) + b")\x81" + (b"" if state is None else state + b"b")


def state(**items):
    return b"}(" + b"".join(text(name) + value(each) for name, each in items.items()) + b"u"


def file(body):
    return b"\x80\x04" + body + b"."


@pytest.fixture
def canary(tmp_path):
    """A file that must stay as it is, and a place where nothing may appear."""
    path = tmp_path / "canary"
    path.write_text("as it was")
    yield path
    assert path.read_text() == "as it was"
    assert os.listdir(tmp_path) == ["canary"]


def refused(body, allowed=PATTERNS):
    for package in ("xgboost", "sklearn", "pandas"):
        if package.encode() in body:
            pytest.importorskip(package)
    with pytest.raises(pickle.UnpicklingError) as caught:
        load(file(body), allowed)
    return str(caught.value)


def test_pandas_expressions_are_not_run(canary):
    """pandas evaluates text, and text may call anything."""
    expression = f"@__import__('os').system('rm {canary}')"
    name = ("pandas.core.computation.expr", "Expr")
    assert "Expr" in refused(called(*name, expression))
    assert "Expr" in refused(called(*name, expression), ["pandas.core.*"])


def test_numpy_maps_no_file(canary):
    arguments = (str(canary), "uint8", "w+", 0, (1,))
    for name in (
        ("numpy", "memmap"),
        ("numpy.core.memmap", "memmap"),
        ("numpy._core.memmap", "memmap"),
    ):
        assert "memmap" in refused(called(*name, *arguments))
        assert "memmap" in refused(called(*name, *arguments), ["numpy.*", "sklearn.*"])
        assert "memmap" in refused(made(*name))


NAMES = """
numpy.load numpy.save numpy.fromfile numpy.DataSource numpy.lib.npyio.DataSource numpy.f2py.compile
numpy.ctypeslib.load_library numpy.testing.rundocs numpy.lib._datasource.DataSource
numpy.distutils.exec_command.exec_command numpy.lib.npyio.NpzFile numpy.genfromtxt numpy.frompyfunc
numpy.os.system numpy._core.os.system numpy.memmap.__new__ numpy.ndarray.tofile
scipy.io.loadmat scipy.io.netcdf_file scipy.LowLevelCallable scipy._lib._ccallback.CData
scipy.stats.rv_continuous scipy.stats._distn_infrastructure.rv_generic scipy.io._fortran.FortranFile
scipy.datasets.face scipy.stats._distn_infrastructure.rv_sample scipy.integrate._ivp.ivp.solve_ivp
sklearn.datasets.fetch_openml sklearn.datasets._openml.fetch_openml sklearn.datasets.load_files
sklearn.datasets.load_svmlight_file sklearn.utils.os.system sklearn.os.system sklearn.show_versions
sklearn.externals._arff.load sklearn.utils._testing.assert_run_python_script sklearn.conftest.x
sklearn.utils.parallel.Parallel sklearn.utils.parallel.delayed sklearn.utils._joblib.Memory
sklearn.utils.metaestimators.joblib.load sklearn.base.clone sklearn.utils.validation.check_memory
sklearn.utils.estimator_checks.check_estimator sklearn.pipeline.joblib.Memory sklearn.tests.x.y
sklearn.svm._classes.SVC.predict sklearn.utils.discovery.all_estimators sklearn.config_context
pandas.read_pickle pandas.read_csv pandas.eval pandas.io.pytables.HDFStore
pandas.io.common.IOHandles
pandas.core.computation.eval.eval pandas.io.parsers.readers.TextFileReader pandas.DataFrame.to_csv
pandas.io.sql.SQLDatabase pandas.core.frame.DataFrame.eval pandas.compat.pickle_compat.load
pandas.io.clipboard.paste pandas.ExcelWriter pandas.core.groupby.groupby.GroupBy
xgboost.core.DMatrix xgboost.core.DataIter xgboost.tracker.RabitTracker
xgboost.dask.DaskXGBRegressor
xgboost.callback.TrainingCheckPoint xgboost.core.c_str xgboost.testing.data.get_mq2008
lightgbm.basic.Dataset lightgbm.dask.DaskLGBMRegressor lightgbm.basic.Sequence lightgbm.basic._LIB
catboost.utils.read_cd catboost.core.Pool
os.system posix.system subprocess.Popen builtins.eval builtins.exec builtins.open
builtins.__import__
builtins.compile builtins.type functools.partial functools.reduce operator.attrgetter
operator.methodcaller copyreg.__newobj__ copyreg.constructor types.FunctionType types.CodeType
ctypes.CDLL ctypes.cdll.LoadLibrary _ctypes.dlopen pathlib.Path.write_text pathlib.Path.unlink
tempfile._TemporaryFileCloser tempfile.TemporaryDirectory weakref.finalize logging.FileHandler
shelve.open zipfile.ZipFile socket.socket multiprocessing.Process importlib.import_module
joblib.numpy_pickle.load joblib.memory.Memory joblib.numpy_pickle_compat.NDArrayWrapper
joblib.numpy_pickle.NumpyArrayWrapper.read joblib.parallel.Parallel joblib.externals.loky.x
webbrowser.open antigravity.x codecs.open io.FileIO pickle.loads _pickle.loads sys.exit site.main
"""


@pytest.mark.parametrize("name", NAMES.split())
def test_names_that_act_lead_nowhere(name):
    """By each way to split the name into a module and a walk, as protocol 4 may."""
    parts = name.split(".")
    for cut in range(1, len(parts)):
        module, walk = ".".join(parts[:cut]), ".".join(parts[cut:])
        with pytest.raises(unpickle.Forbidden):
            load(file(named(module, walk)))


@pytest.mark.parametrize(
    "body",
    [
        called(CORE, "_ufunc_reconstruct", "os", "system"),
        called(CORE, "_ufunc_reconstruct", "numpy", "load"),
        called("numpy.random._pickle", "__generator_ctor", "x", named("xgboost.core", "Booster")),
        called("numpy.random._pickle", "__randomstate_ctor", "x", named("builtins", "list")),
        called("numpy.random._pickle", "__bit_generator_ctor", named("xgboost.core", "Booster")),
        called("numpy.ma.core", "_mareconstruct", named("sklearn.svm._classes", "SVC"), 0, 0, 0),
        called("_codecs", "encode", "x", "idna"),
        called("pandas.core.indexes.base", "_new_Index", named("pandas", "DataFrame"), {"data": 1}),
        called(
            "copyreg",
            "_reconstructor",
            named("xgboost.core", "Booster"),
            named("xgboost.core", "Booster"),
            "path",
        ),
        called("builtins", "getattr", named("numpy", "mean"), "__globals__"),
        called("builtins", "getattr", made("sklearn.svm._classes", "SVC"), "predict"),
        called("numpy", "ndarray", (1,), "O", b"C\x08AAAAAAAA"),
    ],
    ids=range(12),
)
def test_functions_for_unpickling_call_nothing_else(body):
    refused(body)


@pytest.mark.parametrize(
    "body",
    [
        called("xgboost.core", "Booster", {}, (), "model.json"),
        called("sklearn.feature_extraction.text", "HashingVectorizer", "filename"),
        called("sklearn.pipeline", "Pipeline", [], None, "folder"),
        called("sklearn.feature_selection._univariate_selection", "f_classif", [], []),
        called("numpy", "mean", [1.0]),
        called("numpy", "vectorize", "x"),
        named("xgboost.core", "Booster") + b"})" + text("model.json") + b"\x87\x81",  # NEWOBJ
        named("xgboost.core", "Booster") + b")" + state(model_file="m.json") + b"\x92",  # NEWOBJ_EX
        b"(" + text("model.json") + b"ixgboost.core\nBooster\n",  # INST
        b"(" + named("xgboost.core", "Booster") + text("model.json") + b"o",  # OBJ
        made("sklearn.gaussian_process.kernels", "RBF") + b"(]tR",  # calls what it made
        made("sklearn.svm._classes", "SVC") + b"(]tR",
        called("collections", "OrderedDict") + b"(tR",
    ],
    ids=range(13),
)
@pytest.mark.parametrize("allowed", [PATTERNS])
def test_only_data_is_made_with_arguments(body, allowed):
    assert "calls" in refused(body, allowed)


def test_what_the_user_names_is_made_with_any_arguments():
    body = called("worker_models", "Sum", "give_much", False)
    assert load(file(body), ["worker_models.Sum"]).deed == "give_much"
    assert "Sum" in refused(body, ["worker_models.*"])


def test_a_state_plants_no_function_that_pickle_calls():
    target = made(
        "sklearn.svm._classes", "SVC", state(__setstate__=named("xgboost.core", "Booster"))
    )
    assert "__setstate__" in refused(target + state(x=1) + b"b")
    items = called("collections", "deque", [])
    assert "puts items" in refused(made("sklearn.utils._bunch", "Bunch") + b"]a")
    assert "puts items" in refused(made("sklearn.svm._classes", "SVC", state(append=items)) + b"Na")
    assert "puts items" in refused(made("pandas", "DataFrame") + text("a") + b"Ns")
    assert "puts items" in refused(
        made("sklearn.svm._classes", "SVC", state(add=items)) + b"(N\x90"
    )


def test_a_state_sets_slots_alone():
    slots = b"N" + state(requests=named("numpy", "ndarray")) + b"\x86b"
    assert "no slot" in refused(
        made("sklearn.utils._metadata_requests", "MethodMetadataRequest") + slots
    )
    assert "did not make" in refused(named("numpy", "mean") + state(a=1) + b"b")
    assert "did not make" in refused(named("numpy", "log1p") + state(a=1) + b"b")
    assert "did not make" in refused(named("pandas", "NA") + state(a=1) + b"b")


def test_a_state_has_no_class_to_call(canary):
    """A transformer calls whatever function its state holds, with arguments that it holds too."""
    pytest.importorskip("sklearn")
    transformer = ("sklearn.preprocessing._function_transformer", "FunctionTransformer")
    vectorizer = named("sklearn.feature_extraction.text", "CountVectorizer")
    held = state(func=vectorizer, kw_args={"input": "filename"}, validate=False)
    model = load(file(made(*transformer, held)))
    with pytest.raises(TypeError, match="not callable"):
        model.transform([[str(canary)]])
    kept = called("collections", "defaultdict", vectorizer)
    assert "a class to call" in refused(kept)
    own = made(*transformer, state(func=named("numpy", "log1p")))
    assert load(file(own)).func is np.log1p


def test_a_state_names_no_method_but_those_that_answer():
    """Stacking calls methods by name: save_model of a Booster, to_csv of a frame."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    model = ensemble.StackingClassifier([])
    for wrong in ("save_model", ["predict", "to_csv"], [np.str_("to_pickle")], [["fit"]]):
        model.stack_method_ = wrong
        with pytest.raises(pickle.UnpicklingError, match="no method that answers"):
            load(pickle.dumps(model), ["sklearn.*"])
    model.stack_method_ = ["predict_proba", "decision_function"]
    assert load(pickle.dumps(model), ["sklearn.*"]).stack_method_ == model.stack_method_


def test_a_frame_is_no_estimator():
    """Its transform runs any method of its own that it is given the name of."""
    pandas = pytest.importorskip("pandas")
    pipeline = pytest.importorskip("sklearn.pipeline")
    compose = pytest.importorskip("sklearn.compose")
    frame = pandas.DataFrame({"a": [1.0]})
    for wrong in (
        pipeline.Pipeline([("a", frame)]),
        pipeline.Pipeline([("a", frame["a"])]),
        pipeline.FeatureUnion(np.array([("a", frame)], dtype=object)),
    ):
        with pytest.raises(pickle.UnpicklingError, match="in a model's place"):
            load(pickle.dumps(wrong), ["sklearn.*", "pandas.*"])
    model = made("sklearn.pipeline", "Pipeline", state(steps=b"]\x94"))  # filled later on
    late = (
        b"(" + model + b"h\x00" + pickletools.optimize(pickle.dumps(frame, 2))[2:-1] + b"a" + b"t"
    )
    assert "in a model's place" in refused(late)
    mask = pandas.Series([True])
    honest = compose.ColumnTransformer([("a", "passthrough", mask)])
    got = load(pickle.dumps(honest), ["sklearn.*", "pandas.*"])
    assert got.transformers[0][2].equals(mask)


def test_a_state_has_no_addresses():
    """numpy reads and writes memory where an object's __array_interface__ says."""
    interface = {"data": (0x4141, False), "typestr": "|u1", "shape": (8,), "version": 3}
    lie = text("__array_interface__") + value(interface)
    assert "of its own" in refused(made("sklearn.svm._classes", "SVC", b"}" + lie + b"s"))
    assert "of its own" in refused(made("sklearn.utils._bunch", "Bunch") + lie + b"s")
    assert "of its own" in refused(made("sklearn.utils._bunch", "Bunch") + b"(" + lie + b"u")
    assert "of its own" in refused(made("sklearn.utils._bunch", "Bunch", b"N}" + lie + b"s\x86"))
    assert load(file(b"}" + text("__main__") + b"Ns")) == {"__main__": None}  # a mere key


def test_compiled_classes_are_made_of_classes():
    planted = made("sklearn.svm._classes", "SVC", state(x=1))
    assert "makes an object of a" in refused(
        named("sklearn.neighbors._kd_tree", "newObj") + b"(" + planted + b"tR"
    )


def test_a_distribution_runs_scipy_s_text_alone(canary):
    """scipy executes a text that lies in the state of each of its distributions."""
    stats = pytest.importorskip("scipy.stats")
    honest = pickle.dumps(
        [stats.uniform(1, 2), stats.randint(1, 4), stats.norm, stats.gamma(a=2.0)]
    )
    uniform, randint, _, gamma = load(honest, ["scipy.*"])
    assert (uniform.mean(), randint.pmf(2), gamma.mean()) == (2.0, 1 / 3, 2.0)
    wrong = stats.uniform(0, 1)
    wrong.dist._parse_arg_template = f"import os; os.remove({str(canary)!r})"
    with pytest.raises(pickle.UnpicklingError, match="code that is not scipy's"):
        load(pickle.dumps(wrong), ["scipy.*"])
    body = made("scipy.stats._continuous_distns", "norm_gen", b"]")
    assert "not one that scipy writes" in refused(body)


def test_text_vectorizers_open_no_files():
    text_of = pytest.importorskip("sklearn.feature_extraction.text")
    for kind in (text_of.HashingVectorizer, text_of.TfidfVectorizer, text_of.CountVectorizer):
        for wrong in ("filename", "file"):
            with pytest.raises(pickle.UnpicklingError, match="opens the files"):
                load(pickle.dumps(kind(input=wrong)), ["sklearn.*"])
            name = f"{kind.__module__}.{kind.__name__}"
            assert load(pickle.dumps(kind(input=wrong)), [name]).input == wrong
        assert load(pickle.dumps(kind()), ["sklearn.*"]).input == "content"


def test_joblib_s_arrays_are_read_from_the_file_itself(canary):
    joblib = pytest.importorskip("joblib")
    written = io.BytesIO()
    joblib.dump({"a": np.arange(1000.0), "b": np.array([1, "x"], dtype=object)}, written)
    got = load(written.getvalue(), ["sklearn.*"])
    assert got["a"].sum() == np.arange(1000.0).sum() and got["b"].tolist() == [1, "x"]
    wrapper = made(
        "joblib.numpy_pickle",
        "NumpyArrayWrapper",
        state(filename=str(canary), allow_mmap=True, subclass=named("numpy", "memmap")),
    )
    assert "memmap" in refused(wrapper)
    old = made("joblib.numpy_pickle_compat", "NDArrayWrapper", state(filename=str(canary)))
    assert "NDArrayWrapper" in refused(text("NumpyArrayWrapper") + b"0" + old)


# Patterns


@pytest.mark.parametrize(
    "entry",
    "spinney.* torch.* tensorflow.* keras.* dask.* pyarrow.* polars.* requests.* matplotlib.* "
    "logging.* "
    "pathlib.* functools.* http.* sqlite3.* zipfile.* numba.* collections.* email.* "
    "urllib.request.*".split(),
)
def test_patterns_over_packages_that_act_are_refused(entry):
    with pytest.raises(ValueError, match=r"one by one \('.*Class'\)|trusted=True"):
        unpickle.AllowList([entry])


def test_an_entry_that_walks_round_is_no_entry():
    for entry in ("worker_models.os.system", "worker_models.sys.exit", "worker_models.os"):
        module, _, name = entry.rpartition(".")
        with pytest.raises((unpickle.Forbidden, ModuleNotFoundError)):
            load(file(named(module, name)), [entry])
        module, _, name = entry.partition(".")
        with pytest.raises(unpickle.Forbidden):
            load(file(named(module, name)), [entry])


def test_a_pattern_over_another_package_means_its_quiet_models():
    """A class with code of its own for unpickling is named by whoever trusts that code."""
    array = np.arange(3)
    assert (
        load(pickle.dumps(worker_models.Answers(array)), ["worker_models.*"]).array == array
    ).all()
    assert isinstance(
        load(pickle.dumps(worker_models.Sum()), ["worker_models.Sum"]), worker_models.Sum
    )
    for kind in (worker_models.Sum(), worker_models.Caller(), worker_models.Deletes()):
        with pytest.raises(unpickle.Forbidden):
            load(pickle.dumps(kind), ["worker_models.*"])
