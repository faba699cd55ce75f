"""Pickles of estimators written opcode by opcode, with what no pickler would put in them."""

from __future__ import annotations

import struct


def text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogateescape")
    return b"X" + struct.pack("<I", len(raw)) + raw


def data(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def whole(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def many(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def called(name: str, *arguments: bytes) -> bytes:
    module, attribute = name.rsplit(".", 1)
    return b"c" + f"{module}\n{attribute}\n".encode() + many(*arguments) + b"R"


def state(**attributes: bytes) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in attributes.items()) + b"u"


def record(name: str, **attributes: bytes) -> bytes:
    return called(name) + state(**attributes) + b"b"


def dtype(code: str, order: str = "<", names: bytes = b"N", fields: bytes = b"N", size: int = -1):
    made = called("numpy.dtype", text(code), b"\x89", b"\x88")
    rest = (whole(3), text(order), b"N", names, fields, whole(size), whole(-1), whole(0))
    return made + many(*rest) + b"b"


def record_dtype(size: int, fields: dict, code: str | None = None) -> bytes:
    """fields: name -> (dtype, offset)."""
    pairs = b"}(" + b"".join(text(n) + many(d, whole(o)) for n, (d, o) in fields.items()) + b"u"
    return dtype(code or f"V{size}", "|", many(*map(text, fields)), pairs, size)


def array(shape, kind: bytes, raw: bytes, fortran: bool = False) -> bytes:
    made = called(
        "numpy._core.multiarray._reconstruct",
        b"cnumpy\nndarray\n",
        many(whole(0)),
        data(b"b"),
    )
    flag = b"\x88" if fortran else b"\x89"
    return made + many(whole(1), many(*map(whole, shape)), kind, flag, raw) + b"b"


def floats(*values: float) -> bytes:
    packed = struct.pack(f"<{len(values)}d", *values)
    return array((len(values),), dtype("f8"), data(packed))


def pickled(value: bytes) -> bytes:
    return b"\x80\x04" + value + b"."


def linear(**changes: bytes) -> bytes:
    """A LinearRegression of two features."""
    own = {"coef_": floats(1, 2), "intercept_": floats(0), "_sklearn_version": text("1.5.2")}
    return record("sklearn.linear_model._base.LinearRegression", **{**own, **changes})


def logistic(**changes: bytes) -> bytes:
    """A LogisticRegression of one feature and two classes."""
    own = {
        "coef_": array((1, 1), dtype("f8"), data(struct.pack("<d", 1))),
        "intercept_": floats(0),
        "classes_": array((2,), dtype("i8"), data(struct.pack("<2q", 0, 1))),
        "_sklearn_version": text("1.5.2"),
    }
    return record("sklearn.linear_model._logistic.LogisticRegression", **{**own, **changes})


NODE = struct.Struct("<qqqddqdB7x")  # as scikit-learn's Tree has it
NODE_FIELDS = (
    ("left_child", "i8", 0),
    ("right_child", "i8", 8),
    ("feature", "i8", 16),
    ("threshold", "f8", 24),
    ("impurity", "f8", 32),
    ("n_node_samples", "i8", 40),
    ("weighted_n_node_samples", "f8", 48),
    ("missing_go_to_left", "u1", 56),
)


def node_dtype(size: int = NODE.size, code: str | None = None, **offsets: int) -> bytes:
    fields = {}
    for name, kind, offset in NODE_FIELDS:
        order = "|" if kind == "u1" else "<"
        fields[name] = (dtype(kind, order), offsets.get(name, offset))
    return record_dtype(size, fields, code)


def tree(nodes: bytes | None = None, values: bytes | None = None, count: int = 1, **changes):
    """A DecisionTreeRegressor that is one leaf."""
    leaf = NODE.pack(-1, -1, -2, -2.0, 0, 1, 1, 0)
    inner = called("sklearn.tree._tree.Tree", whole(1), floats(1), whole(1)) + state(
        max_depth=whole(0),
        node_count=whole(count),
        nodes=nodes or array((1,), node_dtype(), data(leaf)),
        values=values or array((1, 1, 1), dtype("f8"), data(struct.pack("<d", 3))),
    )
    own = {
        "criterion": text("squared_error"),
        "n_features_in_": whole(1),
        "n_outputs_": whole(1),
        "tree_": inner + b"b",
        "_sklearn_version": text("1.5.2"),
    }
    return record("sklearn.tree._classes.DecisionTreeRegressor", **{**own, **changes})
