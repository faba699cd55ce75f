"""Checkpoints of Treelite that contradict themselves, and what a checkpoint cannot express."""

import struct
from pathlib import Path

import numpy as np
import pytest

import spinney

FOLDER = Path(__file__).parent.parent / "data" / "treelite"
FILES = [FOLDER / name for name in ("4.0.0_vectors_f4.tl", "4.0.0_binary_f8.tl")]
FILES += [FOLDER / name for name in ("3.9.1_grove_f4.tl", "3.9.1_vectors_f8.tl")]
ERRORS = (spinney.CorruptModelError, spinney.UnsupportedModelError, spinney.ModelTooLargeError)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_that_are_cut(path):
    data = path.read_bytes()
    for end in [*range(0, 400, 7), *range(400, len(data), 61), len(data) - 1]:
        with pytest.raises(ERRORS):
            spinney.load(data[:end], format="treelite")
    with pytest.raises(spinney.CorruptModelError, match="cut short"):
        spinney.load(data[:-1])
    with pytest.raises(spinney.CorruptModelError, match="behind the last tree"):
        spinney.load(data + b"\0")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("word", [b"\xff" * 8, b"\xff\xff\xff\x7f" * 2, b"\0" * 8])
def test_words_that_are_others_are_refused_or_read(path, word):
    data = path.read_bytes()
    refused = 0
    for at in range(12, len(data) - 8, 13):
        try:
            model = spinney.load(data[:at] + word + data[at + 8 :], format="treelite")
            model.predict(np.zeros((2, model.n_features)))
        except ERRORS as error:
            assert str(error)
            refused += 1
    assert refused > 10


def checkpoint(left, right, features=1, classes=1, trees=1, category=None, minor=8):
    """Of float32; one tree whose nodes have these children."""

    def array(kind, values):
        return struct.pack(f"<Q{len(values)}{kind}", len(values), *values)

    n = len(left)
    kinds = [0 if child == -1 else 2 if category is not None else 1 for child in left]
    out = struct.pack("<iiiBBQiB?i", 4, minor, 1, 2, 2, trees, features, 1, False, 1)
    out += array("i", [classes]) + array("i", [1, 1]) + array("i", [0] * trees)
    out += array("i", [0] * trees) + array("c", [b"i", b"d", b"e", b"n", b"t", b"i", b"t", b"y"])
    out += struct.pack("<ff", 1, 1) + array("d", [0.0] * min(classes, 100)) + array("c", [])
    out += struct.pack("<i", 0)
    out += struct.pack("<i?", n, category is not None) + array("b", kinds)
    out += array("i", left) + array("i", right) + array("i", [0] * n) + array("B", [0] * n)
    out += array("f", np.arange(n)) + array("f", [0.0] * n) + array("b", [3] * n)
    out += array("B", [0] * n) + array("f", []) + array("Q", [0] * n) * 2
    out += array("I", [] if category is None else [category]) + array("Q", [0] * n)
    out += array("Q", [0 if category is None else 1] * n)
    return out + array("Q", []) * 6 + struct.pack("<ii", 0, 0)


def test_the_checkpoint_of_these_tests_is_one():
    model = spinney.load(checkpoint([1, -1, -1], [2, -1, -1]))
    np.testing.assert_array_equal(model.predict([[-1.0], [1.0]]), [1, 2])
    treelite = pytest.importorskip("treelite")
    treelite.Model.deserialize_bytes(checkpoint([1, -1, -1], [2, -1, -1]))


@pytest.mark.parametrize(
    "data, error, words",
    [
        (checkpoint([0, -1], [1, -1]), spinney.CorruptModelError, "cycle"),
        (checkpoint([1, 0, -1], [2, 2, -1]), spinney.CorruptModelError, "cycle"),
        (checkpoint([1, -1], [7, -1]), spinney.CorruptModelError, "child 7"),
        (checkpoint([1, -1], [-5, -1]), spinney.CorruptModelError, "a child is -5"),
        (checkpoint([1, -1, -1], [2, -1, -1], features=0), spinney.CorruptModelError, "feature 0"),
        (checkpoint([-1], [-1], classes=1 << 23), spinney.CorruptModelError, "base scores"),
        (checkpoint([-1], [-1], classes=-4), spinney.CorruptModelError, "-4 classes"),
        (checkpoint([-1], [-1], trees=2), spinney.CorruptModelError, "cut short"),
    ],
)
def test_files_that_contradict_themselves(data, error, words):
    with pytest.raises(error, match=words):
        spinney.load(data)


def test_a_node_of_several_parents_is_copied_within_the_budget():
    model = spinney.load(checkpoint([1, 2, -1], [2, 2, -1]))
    np.testing.assert_array_equal(model.predict([[0.0]]), [2])
    # Each of these is both children of the one before: 2 to the power of 60 leaves.
    chain = list(range(1, 61))
    with pytest.raises(spinney.ModelTooLargeError):
        spinney.load(checkpoint([*chain, -1], [*chain, -1]))


def test_a_category_of_four_thousand_millions_takes_no_such_room():
    model = spinney.load(checkpoint([1, -1, -1], [2, -1, -1], category=2**32 - 1))
    np.testing.assert_array_equal(model.predict([[0.0], [2.0**32]]), [2, 2])


def test_other_versions_are_named():
    data = bytearray(FILES[0].read_bytes())
    data[0] = 5
    with pytest.raises(spinney.UnsupportedModelError, match=r"Treelite 5\.0 wrote"):
        spinney.load(bytes(data))


def test_keywords_of_other_libraries_are_refused():
    with pytest.raises(spinney.InvalidInputError, match="ntree_end"):
        spinney.load(FILES[0], ntree_end=2)
    with pytest.raises(spinney.InvalidInputError, match="member"):
        spinney.load(FILES[0], member="model")
