"""Treelite's checkpoints, beside its own general interpreter."""

import numpy as np
import pytest

import spinney

treelite = pytest.importorskip("treelite")

from treelite.model_builder import PostProcessorFunc  # noqa: E402

from treelite_models import answers, build, rows  # noqa: E402

TYPES = ("float32", "float64")
SINGLE = (
    PostProcessorFunc(name="identity"),
    PostProcessorFunc(name="signed_square"),
    PostProcessorFunc(name="hinge"),
    PostProcessorFunc(name="sigmoid", sigmoid_alpha=0.7),
    PostProcessorFunc(name="exponential"),
    PostProcessorFunc(name="exponential_standard_ratio", ratio_c=3.5),
    PostProcessorFunc(name="logarithm_one_plus_exp"),
)
SEVERAL = (
    PostProcessorFunc(name="identity_multiclass"),
    PostProcessorFunc(name="softmax"),
    PostProcessorFunc(name="multiclass_ova", sigmoid_alpha=1.3),
)


def same(model, original, rng, dtype):
    x = rows(rng, np.dtype(dtype).type)
    for margin in (True, False):
        expected = answers(original, x, margin)
        got = model.predict_raw(x) if margin else model.predict(x)
        assert got.dtype == expected.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(
            got.view(np.uint8), np.ascontiguousarray(expected).view(np.uint8)
        )
        one = model.predict_raw(x[:1]) if margin else model.predict(x[:1])
        np.testing.assert_array_equal(one, expected[:1])


def load(original):
    return spinney.load(original.serialize_bytes())


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("postprocessor", SINGLE, ids=lambda p: p.name)
def test_equals_the_interpreter_with_one_output(dtype, postprocessor):
    rng = np.random.default_rng(1)
    for average in (False, True):
        original = build(
            rng, dtype, postprocessor=postprocessor, average=average, base=[0.1], categories=True
        )
        model = load(original)
        same(model, original, rng, dtype)
        same(spinney.load(model.to_bytes()), original, rng, dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("operators", [("<",), ("<=",), (">", "<"), ("==",), ("<=", ">=")])
def test_equals_the_interpreter_for_every_comparison(dtype, operators):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        original = build(rng, dtype, operators=operators, trees=12, depth=5)
        same(load(original), original, rng, dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("postprocessor", SEVERAL, ids=lambda p: p.name)
@pytest.mark.parametrize("vectors", [False, True])
def test_equals_the_interpreter_with_several_classes(dtype, postprocessor, vectors):
    rng = np.random.default_rng(2)
    for average in (False, True):
        original = build(
            rng,
            dtype,
            classes=(3,),
            shape=(1, 3) if vectors else (1, 1),
            ids=((0, -1),) if vectors else ((0, 0), (0, 1), (0, 2)),
            postprocessor=postprocessor,
            average=average,
            base=[0.1, -0.2, 1 / 3],
            task="kMultiClf",
            categories=True,
            trees=9,
        )
        same(load(original), original, rng, dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "classes, shape, ids",
    [
        ((2, 3), (2, 3), ((-1, -1),)),
        ((3, 3), (2, 1), ((-1, 0), (-1, 1), (-1, 2))),
        ((2, 3), (1, 3), ((0, -1), (1, -1))),
        ((2, 2), (1, 1), ((0, 0), (0, 1), (1, 0), (1, 1))),
    ],
)
def test_equals_the_interpreter_with_several_targets(dtype, classes, shape, ids):
    rng = np.random.default_rng(3)
    for average in (False, True):
        original = build(
            rng,
            dtype,
            classes=classes,
            shape=shape,
            ids=ids,
            postprocessor=PostProcessorFunc(name="identity_multiclass"),
            average=average,
            base=(np.arange(len(classes) * max(classes)) / 7).tolist(),
            task="kMultiClf",
            trees=12,
        )
        same(load(original), original, rng, dtype)


def test_equals_the_interpreter_with_targets_of_one_class():
    rng = np.random.default_rng(4)
    original = build(
        rng,
        classes=(1, 1, 1),
        shape=(3, 1),
        ids=((-1, 0),),
        postprocessor=PostProcessorFunc(name="sigmoid"),
        base=[0.5, 0.0, -0.5],
        task="kBinaryClf",
    )
    same(load(original), original, rng, "float32")


def test_large_categories_equal_the_interpreter():
    rng = np.random.default_rng(5)
    builder_rows = np.array([2**24, 2**24 - 1, 2**24 + 2, 0, np.nan, -1], np.float32)
    original = build(rng, categories=True, trees=20)
    model = load(original)
    x = np.repeat(builder_rows[:, None], 5, axis=1)
    np.testing.assert_array_equal(model.predict(x), answers(original, x, False))


def test_says_what_it_is(tmp_path):
    original = build(np.random.default_rng(6), task="kBinaryClf")
    path = tmp_path / "model.tl"
    original.serialize(str(path))
    model = spinney.load(path)
    assert model.source["library"] == "treelite"
    assert model.source["version"] == treelite.__version__
    assert model.n_trees == original.num_tree
    assert model.n_features == original.num_feature
    # As the interpreter's, leaves are named by their nodes' numbers.
    x = rows(np.random.default_rng(6), np.float32)
    np.testing.assert_array_equal(
        model.predict_leaf(x), treelite.gtil.predict_leaf(original, x).astype(int)
    )
    again = spinney.load(path, format="treelite")
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    saved = tmp_path / "model.spinney"
    model.save(saved)
    np.testing.assert_array_equal(spinney.load(saved).predict(x), model.predict(x))


def test_the_engine_serves_it_as_of_treelite():
    original = build(np.random.default_rng(6))
    x = rows(np.random.default_rng(6), np.float32)
    with spinney.InferenceEngine() as engine:
        assert engine.load_model(original.serialize_bytes(), "treelite")
        assert engine.model_info["model_type"] == "TREELITE"
        np.testing.assert_array_equal(engine.predict(x)[1], answers(original, x, False))


def test_absent_entries_of_sparse_rows_are_missing():
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(7)
    original = build(rng)
    x = sparse.random(50, 5, 0.4, "csr", dtype=np.float32, random_state=1)
    expected = treelite.gtil.predict(original, x).reshape(-1)
    np.testing.assert_array_equal(load(original).predict(x), expected)


def test_refuses_what_the_reader_cannot_say():
    rng = np.random.default_rng(8)
    original = build(
        rng,
        classes=(3,),
        shape=(1, 3),
        ids=((0, -1),),
        postprocessor=PostProcessorFunc(name="sigmoid"),
        task="kMultiClf",
    )
    with pytest.raises(spinney.UnsupportedModelError, match="post-processor sigmoid"):
        load(original)
    original = build(
        rng, classes=(2,), ids=((0, 0), (0, 0), (0, 1)), average=True, task="kMultiClf"
    )
    with pytest.raises(spinney.UnsupportedModelError, match="average is over"):
        load(original)
