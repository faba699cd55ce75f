"""Files made to hang, crash or fill the memory: each is refused, at once and within 250 MB."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import resource
import struct
import subprocess
import sys
import time
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import spinney

DATA = Path(__file__).resolve().parent.parent / "data"
SECONDS_MAX = 5  # all take well under one; the machine that tests may be busy
MB = 1 << 20


def status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


@contextmanager
def bounded(megabytes: int = 250):
    """Fails if what happens inside takes long or its memory rises by more than this."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (status_bytes("VmSize") + 1024 * MB, limits[1]))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before, start = status_bytes("VmRSS"), time.monotonic()
    try:
        yield
    finally:
        seconds, peak = time.monotonic() - start, status_bytes("VmHWM")
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert seconds < SECONDS_MAX
    assert peak - before < megabytes * MB


def refused(data: bytes, match: str, format: str | None = None, megabytes: int = 250) -> str:
    with bounded(megabytes), pytest.raises(spinney.SpinneyError, match=match) as caught:
        spinney.Model.from_bytes(bytes(data), format)
    assert len(str(caught.value)) < 3000
    return str(caught.value)


# Paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", [None, "json", "spinney"])
def test_a_pipe_that_nobody_writes_to_does_not_hang(tmp_path, format):
    os.mkfifo(tmp_path / "pipe")
    with bounded(), pytest.raises(spinney.SpinneyError, match=r"empty|cut short|is a pipe"):
        spinney.load(tmp_path / "pipe", format=format)


def test_a_pipe_that_is_written_to_is_a_file(tmp_path):
    model = DATA / "xgboost/3.2.0/logistic.json"
    writer = subprocess.Popen(["sh", "-c", f"sleep 0.2; cat {model}"], stdout=subprocess.PIPE)
    with bounded():
        loaded = spinney.load(f"/dev/fd/{writer.stdout.fileno()}")
    writer.wait()
    assert loaded.n_trees == spinney.load(model).n_trees


@pytest.mark.parametrize("format", [None, "json", "spinney"])
@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/tmp"])
def test_devices_and_folders(path, format):
    with bounded(), pytest.raises(spinney.ModelIOError, match=path):
        spinney.load(path, format=format)


def test_a_file_larger_than_the_memory(tmp_path):
    with open(tmp_path / "hole", "wb") as file:
        file.truncate(1 << 43)
    with bounded(), pytest.raises(spinney.ModelTooLargeError, match="memory of this machine"):
        spinney.load(tmp_path / "hole")


def test_names_of_files_are_bytes(tmp_path):
    with pytest.raises(spinney.InvalidInputError, match="zero byte"):
        spinney.load("model\0.json")
    name = tmp_path / os.fsdecode(b"m\xff.spinney")
    spinney.load(DATA / "xgboost/3.2.0/logistic.json").save(name)
    assert spinney.load(name).n_trees == 3
    with pytest.raises(spinney.InvalidInputError, match="zero byte"):
        spinney.load(name).save(str(tmp_path / "a\0b"))
    assert os.listdir(os.fsencode(tmp_path)) == [b"m\xff.spinney"]


def test_an_artifact_that_is_cut_short_beneath_its_model(tmp_path):
    path = tmp_path / "m.spinney"
    spinney.load(DATA / "xgboost/3.2.0/logistic.json").save(path)
    code = (
        "import os, sys, numpy as np, spinney\n"
        "model = spinney.load(sys.argv[1])\n"
        "before = model.predict_leaf(np.zeros((3, model.n_features)))\n"
        "os.truncate(sys.argv[1], 0)\n"
        "assert (model.predict_leaf(np.zeros((3, model.n_features))) == before).all()\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


# JSON ----------------------------------------------------------------------------------------


def xgboost_model(name: str, change) -> bytes:
    document = json.loads((DATA / f"xgboost/3.4.1/{name}.json").read_text())
    learner = document["learner"]
    change(learner["learner_model_param"], learner["gradient_booster"]["model"])
    return json.dumps(document).encode()


def chain(model, n_leaves: int, **fields):
    """Makes the model one tree: a chain of splits with a leaf to the left of each."""
    n = 2 * n_leaves - 1
    left, right = [-1] * n, [-1] * n
    for i in range(0, n - 1, 2):
        left[i], right[i] = i + 1, i + 2
    tree = model["trees"][0]
    for key in ("split_indices", "split_conditions", "default_left", "split_type", "parents"):
        tree[key] = [0] * n
    for key in ("base_weights", "loss_changes", "sum_hessian"):
        tree[key] = [0] * n
    tree.update(left_children=left, right_children=right, **fields)
    tree["tree_param"]["num_nodes"] = str(n)
    model.update(trees=[tree], tree_info=[0], iteration_indptr=[0, 1])
    return tree


@pytest.mark.parametrize("text", ['{"a":' * 10**6, "[" * 10**6, '{"a":[' + "{}," * 10**6 + "{}]}"])
def test_nesting_and_empty_values(text):
    refused(text.encode(), "JSON, byte", "json")


def test_features_without_end_cost_nothing():
    """The number of features is what the file says, which no table may follow."""

    def change(param, model):
        param["num_feature"] = str(2**31 - 1)
        model["trees"][0]["split_indices"][0] = 2**31 - 2

    sparse = pytest.importorskip("scipy.sparse")
    with bounded():
        model = spinney.Model.from_bytes(xgboost_model("logistic", change))
        rows = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (1, 2**31 - 1), (0, 0))
        assert model.predict(rows).shape == (1,)
        with pytest.raises(spinney.ModelTooLargeError, match="one row of 2147483647 columns"):
            model.predict(sparse.csr_matrix((1, 2**31 - 1), dtype=np.float32))
        with pytest.raises(spinney.ModelTooLargeError, match="2147483647 features"):
            spinney._core._split_values(model)


def test_leaves_that_share_a_row():
    def change(param, model):
        param.update(num_target="60000", base_score="0.5")
        tree = chain(model, 20000, leaf_weights=[0] * 60000)
        tree["tree_param"]["size_leaf_vector"] = "60000"
        tree["right_children"] = [
            0 if left < 0 else right
            for left, right in zip(tree["left_children"], tree["right_children"])
        ]

    refused(xgboost_model("vectors", change), "tree 0: 20000 leaves share 1 rows")


def test_categories_that_fill_bitmaps_or_are_read_again_and_again():
    def change(param, model, n, categories, begin, count):
        tree = chain(model, n + 1)
        tree["split_type"] = [int(child >= 0) for child in tree["left_children"]]
        tree.update(
            categories=categories,
            categories_nodes=list(range(0, 2 * n, 2)),
            categories_segments=begin,
            categories_sizes=count,
        )

    def made(*arguments):
        return xgboost_model("one_hot", lambda *parts: change(*parts, *arguments))

    n = 300
    refused(made(n, [2**24 - 1] * n, list(range(n)), [1] * n), "tree 0, node .*category sets")
    n = 30000
    refused(made(n, [5] * 10**5, [0] * n, [10**5] * n), "tree 0, node 2: it shares categories")
    refused(made(1, [-1], [0], [1]), "tree 0, node 0: category -1")


# Pickles -------------------------------------------------------------------------------------


def pickled(name: str, state: bytes) -> bytes:
    return b"\x80\x04c" + name.encode().replace(b":", b"\n") + b"\n)R" + state + b"b."


def state_of(**attributes) -> bytes:
    out = io.BytesIO()
    pickle.Pickler(out, 2).dump(attributes)
    return out.getvalue()[2:-1]


REPEATED = {
    "stack": b"N" * (10 * MB),
    "marks": b"(" * (10 * MB),
    "lists": b"]" * (10 * MB),
    "memo": b"N" + b"\x94" * (10 * MB),
    "memo gaps": b"N" + b"".join(b"r" + struct.pack("<I", 1024 * i) for i in range(1, 300000)),
    "tuples of themselves": b"]" + b"2\x86" * (4 * MB),
    "calls": b"ca\nb\n" + b")R" * (4 * MB),
    "arrays": b"cnumpy.core.multiarray\n_reconstruct\nq\x00" + b"h\x00)R0" * (2 * MB),
}


@pytest.mark.parametrize("body", REPEATED.values(), ids=REPEATED)
def test_opcodes_that_take_more_memory_than_bytes(body):
    refused(b"\x80\x04" + body + b".", "far more memory|stops inside a list")


def test_declared_sizes():
    for opcode, size in ((b"\x8d", "Q"), (b"\x8e", "Q"), (b"\x95", "Q"), (b"\x8b", "I")):
        declared = struct.pack("<" + size, 256 ** struct.calcsize(size) - 1)
        refused(b"\x80\x04" + opcode + declared + b"a.", "more bytes, but only")


def test_decompression_bombs():
    zeros = bytes(300 * MB)
    for bomb in (
        zlib.compress(zeros, 9),
        gzip.compress(zeros, 9),
        bz2.compress(zeros),
        lzma.compress(zeros, preset=0),
        lzma.compress(zeros, lzma.FORMAT_ALONE, preset=0),
    ):
        refused(bomb, "expands to more than")


def test_joblib_arrays_of_terabytes():
    wrapper = pytest.importorskip("joblib.numpy_pickle").NumpyArrayWrapper
    for shape, match in (
        ((2**38,), "larger than the file"),
        ((2**62, 2**62), "shape"),
        ((-1,), "shape"),
    ):
        array = wrapper(np.ndarray, shape, "C", np.dtype("f8"))
        refused(pickle.dumps(array) + bytes(100), match)


def test_values_named_again_and_again():
    name = "sklearn.tree._classes:DecisionTreeClassifier"
    common = {"n_features_in_": 100000, "criterion": "gini", "_sklearn_version": "1.9.1"}
    text, labels = "x" * MB, np.arange(100000)
    for state in (
        state_of(feature_names_in_=[text] * 100000, **common),
        state_of(n_outputs_=20000, classes_=[labels] * 20000, **common),
    ):
        refused(pickled(name, state), "names the same values again and again")


def test_attributes_beyond_all_estimators():
    """Each lookup walks the attributes; a hundred thousand of them for every tree took minutes."""
    attributes = state_of(**{f"a{i}": None for i in range(100000)})
    tree = b"csklearn.tree._classes\nDecisionTreeRegressor\n)R" + attributes + b"bq\x00"
    members = b"(" + b"h\x00" * 200000 + b"l"  # a list
    state = b"0}(S'n_features_in_'\nK\x01S'n_outputs_'\nK\x01S'criterion'\nS'a'\n"
    state = tree + state + b"S'estimators_'\n" + members + b"u"
    forest = pickled("sklearn.ensemble._forest:RandomForestRegressor", state)
    refused(forest, "tree_ is absent")


def test_a_record_type_that_calls_itself_a_number():
    """Elements of one byte that were read as doubles lay beyond the end of the file."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01(M\xe8\x03tcnumpy\ndtype\n"
        b"(S'f8'\nK\x00K\x01tR(K\x03S'<'\nN)}K\x01K\x01K\x00tb"
        b"K\x00B\xe8\x03\x00\x00" + b"\1" * 1000 + b"tb"
    )
    state = b"}(S'n_features_in_'\nM\xe8\x03S'coef_'\n" + array + b"S'intercept_'\nK\x00u"
    linear = pickled("sklearn.linear_model._base:LinearRegression", state)
    refused(linear, "structured dtype of 1 bytes an item calls itself <f8")
    refused(linear.replace(b"f8", b"V1"), r"coef_: element 0 is .*\|V1")


def test_names_as_long_as_the_file():
    refused(b"\x80\x04c" + b"a" * (20 * MB) + b"\nb\n)R.", "has no native reader|…")


def test_members_within_members():
    sklearn = pytest.importorskip("sklearn.ensemble")
    from sklearn.tree import DecisionTreeClassifier

    rng = np.random.default_rng(0)
    x, y = rng.random((40, 3)), rng.integers(0, 2, 40)

    def voting(members):
        made = sklearn.VotingClassifier([("a", DecisionTreeClassifier())], voting="soft").fit(x, y)
        made.estimators_, made.estimators = members, [("a", m) for m in members]
        return made

    nested = DecisionTreeClassifier(max_depth=1).fit(x, y)
    for _ in range(7):
        nested = voting([nested] * 20)
    refused(pickle.dumps(nested), "again and again")
    circular = voting([])
    circular.estimators_.append(circular)
    refused(pickle.dumps(circular), "too deeply|again and again")
    # Leaves of two classes must not become leaves of a hundred thousand.
    bagging = sklearn.BaggingClassifier(DecisionTreeClassifier(), 2)
    bagging.fit(rng.random((4000, 3)), rng.integers(0, 2, 4000))
    bagging.classes_, bagging.n_classes_ = np.arange(100000), 100000
    refused(pickle.dumps(bagging), "far more memory")


# Predicting ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    return spinney.load(DATA / "xgboost/3.2.0/logistic.json")


@pytest.mark.parametrize("num_threads", [0, -1, False, 4097, 2**31, 2**70, -(2**70)])
def test_numbers_of_threads(model, num_threads):
    with pytest.raises(spinney.InvalidInputError, match=r"num_threads is .*give 1 to 4096"):
        model.predict(np.zeros((1, model.n_features)), num_threads=num_threads)


def test_rows_without_end(model):
    endless = np.lib.stride_tricks.as_strided(np.zeros(8), (2**56, model.n_features), (0, 0))
    with bounded(), pytest.raises(MemoryError):
        model.predict(endless)
    with bounded(), pytest.raises((MemoryError, spinney.InvalidInputError)):
        model.predict(np.zeros((2**50, 0)))


def test_loading_and_predicting_again_and_again_leaks_nothing(model):
    data = (DATA / "sklearn/1.9.1/forest_classifier.pkl").read_bytes()
    rows = np.zeros((3, model.n_features), dtype=np.int64)

    def once():
        loaded = spinney.Model.from_bytes(data)
        loaded.predict_proba(np.zeros((3, loaded.n_features)))
        loaded.info(), loaded.classes_, model.predict(rows)
        for bad in (data[: len(data) // 2], b"", data[:40]):
            with pytest.raises(spinney.SpinneyError):
                spinney.Model.from_bytes(bad, "pickle")
        with pytest.raises(spinney.InvalidInputError):
            model.predict(np.zeros((1, 99)))

    for _ in range(200):
        once()
    before = status_bytes("VmRSS")
    for _ in range(1000):
        once()
    assert status_bytes("VmRSS") - before < 2 * MB


def test_the_interpreter_may_end_while_threads_predict():
    code = (
        "import spinney, sys, threading, time, numpy as np\n"
        "model = spinney.load(sys.argv[1])\n"
        "rows = np.zeros((200000, model.n_features))\n"
        "def work():\n"
        "    while True: model.predict(rows, num_threads=3)\n"
        "for _ in range(3): threading.Thread(target=work, daemon=True).start()\n"
        "time.sleep(0.1)\n"
    )
    path = DATA / "lightgbm/4.6.0_multiclass.txt"
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, timeout=60, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
