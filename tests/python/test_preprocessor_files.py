"""Files of a preprocessor that are damaged, contradict themselves or are something else."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from modules.configs import NormalizationType
from modules.engine.data_preprocessor import DataPreprocessor, SerializationError
from spinney._core import prepare_pack, prepare_unpack


def some_rows():
    return np.random.default_rng(0).normal(3, 2, (200, 5))


def test_files_that_are_no_preprocessor(tmp_path):
    path = tmp_path / "p"
    DataPreprocessor().fit(some_rows()).serialize(path)
    data = path.read_bytes()
    assert oct(path.stat().st_mode & 0o777) == oct(0o666 & ~current_umask())
    for damaged in (b"", data[:-1], data + b"x", b"GARBAGE" + data, data[:50] + b"?" + data[51:]):
        path.write_bytes(damaged)
        with pytest.raises(SerializationError):
            DataPreprocessor.deserialize(path)
    for wrong in (tmp_path / "missing", tmp_path):
        with pytest.raises(SerializationError):
            DataPreprocessor.deserialize(wrong)
    with pytest.raises(SerializationError, match="written"):
        DataPreprocessor().serialize(tmp_path / "no" / "folder")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(SerializationError, match="regular"):
        DataPreprocessor.deserialize(fifo)


@pytest.mark.parametrize(
    "change",
    [
        {"config": {"normalization": "nothing"}},
        {"config": 3},
        {"feature_names": ["a"]},
        {"feature_names": [1, 2, 3, 4, 5]},
        {"judge": {}},
    ],
)
def test_descriptions_that_contradict_their_parts(tmp_path, change):
    DataPreprocessor().fit(some_rows()).serialize(tmp_path / "p")
    parts = dict(prepare_unpack((tmp_path / "p").read_bytes()))
    parts[1] = json.dumps({**json.loads(parts[1]), **change}).encode()
    (tmp_path / "p").write_bytes(prepare_pack(list(parts.items())))
    with pytest.raises(SerializationError):
        DataPreprocessor.deserialize(tmp_path / "p")
    for text in (b"[" * 100_000, b"\xff", b"7"):
        parts[1] = text
        (tmp_path / "p").write_bytes(prepare_pack(list(parts.items())))
        with pytest.raises(SerializationError):
            DataPreprocessor.deserialize(tmp_path / "p")


def test_an_unfitted_preprocessor_can_be_kept(tmp_path):
    assert DataPreprocessor({"normalization": "log"}).serialize(tmp_path / "p") is True
    again = DataPreprocessor.deserialize(tmp_path / "p")
    assert again.config.normalization is NormalizationType.LOG and again.get_statistics() == {}


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("normalization", ["none", "robust"])
@pytest.mark.parametrize("ends", [(1e200, -1e200), (1.7e308, -1.7e308), (-1.7e308, 1.7e308, 1e308)])
def test_columns_whose_moments_overflow_come_back(tmp_path, normalization, ends):
    """Their mean is no number, which nothing here needs."""
    x = np.r_[np.linspace(-1, 1, 40), list(ends)].reshape(-1, 1)
    options = {"normalization": normalization, "nan_strategy": "median"}
    fitted = DataPreprocessor(options).partial_fit(x)
    fitted.serialize(tmp_path / "p")
    again = DataPreprocessor.deserialize(tmp_path / "p")
    assert np.array_equal(again.transform(x), fitted.transform(x))
    again.partial_fit(x)
    assert again.get_statistics()["n_samples"] == 2 * len(x)
