import pytest

import spinney


def test_missing_file_is_named(tmp_path):
    path = tmp_path / "absent.json"
    with pytest.raises(FileNotFoundError, match=r"absent\.json") as raised:
        spinney.load(path)
    assert isinstance(raised.value, spinney.SpinneyError)


def test_a_model_is_not_constructed():
    with pytest.raises(TypeError):
        spinney.Model()
    with pytest.raises(TypeError):
        spinney.Model.__new__(spinney.Model).predict([[1.0]])


def test_unknown_format_lists_the_known():
    with pytest.raises(spinney.InvalidInputError, match="joblib"):
        spinney.Model.from_bytes(b"{}", "onnx")
