"""Small checkpoints of a version of Treelite, and what Treelite 4 answers to them, for tests.

python tools/make_treelite_golden.py make      in an environment with the version, 3.9 or 4.x
python tools/make_treelite_golden.py answer    with the newest: answers to all checkpoints there
"""

import pathlib
import sys

import numpy as np
import treelite

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "treelite"
NAMES = ("regression", "binary", "grove", "vectors", "averaged")
FEATURES = 3


def trees(rng, name):
    """Nested tuples: (feature, threshold or categories, default_left, left, right), or a leaf."""

    def tree(depth):
        if depth == 0:
            return rng.normal(size=3).round(3).tolist() if name == "vectors" else rng.normal()
        feature = int(rng.integers(FEATURES))
        test = [1, 3, 40] if feature == 2 else float(rng.normal())
        return feature, test, bool(rng.integers(2)), tree(depth - 1), tree(depth - 1)

    return [tree(3) for _ in range(6)]


def make_old(name, double):
    several = name in ("grove", "vectors")
    dtype = "float64" if double else "float32"
    transform = {"binary": "sigmoid", "grove": "softmax", "vectors": "identity_multiclass"}
    builder = treelite.ModelBuilder(
        num_feature=FEATURES,
        num_class=3 if several else 1,
        average_tree_output=name == "averaged",
        threshold_type=dtype,
        leaf_output_type=dtype,
        pred_transform=transform.get(name, "identity"),
        global_bias=0.0 if several else 0.3,
        **({"sigmoid_alpha": 0.5} if name == "binary" else {}),
    )
    for root in trees(np.random.default_rng(1), name):
        tree = treelite.ModelBuilder.Tree(threshold_type=dtype, leaf_output_type=dtype)
        todo, count = [(0, root)], 1
        while todo:
            key, node = todo.pop()
            if not isinstance(node, tuple):
                tree[key].set_leaf_node(node, leaf_value_type=dtype)
                continue
            feature, test, default_left, left, right = node
            common = {
                "feature_id": feature,
                "default_left": default_left,
                "left_child_key": count,
                "right_child_key": count + 1,
            }
            if isinstance(test, list):
                tree[key].set_categorical_test_node(left_categories=test, **common)
            else:
                tree[key].set_numerical_test_node(
                    opname="<=", threshold=test, threshold_type=dtype, **common
                )
            todo += [(count, left), (count + 1, right)]
            count += 2
        tree[0].set_root()
        builder.append(tree)
    return builder.commit()


def make_new(name, double):
    from treelite.model_builder import Metadata, ModelBuilder, PostProcessorFunc, TreeAnnotation

    several = name in ("grove", "vectors")
    dtype = "float64" if double else "float32"
    post = {"binary": "sigmoid", "grove": "softmax", "vectors": "identity_multiclass"}
    roots = trees(np.random.default_rng(1), name)
    options = {"sigmoid_alpha": 0.5} if name == "binary" else {}
    classes = {"grove": [0, 1, 2] * 2, "vectors": [-1] * 6}.get(name, [0] * 6)
    builder = ModelBuilder(
        threshold_type=dtype,
        leaf_output_type=dtype,
        metadata=Metadata(
            num_feature=FEATURES,
            task_type="kMultiClf"
            if several
            else "kBinaryClf"
            if name == "binary"
            else "kRegressor",
            average_tree_output=name == "averaged",
            num_target=1,
            num_class=[3 if several else 1],
            leaf_vector_shape=(1, 3 if name == "vectors" else 1),
        ),
        tree_annotation=TreeAnnotation(num_tree=6, target_id=[0] * 6, class_id=classes),
        postprocessor=PostProcessorFunc(name=post.get(name, "identity"), **options),
        base_scores=[0.1, 0.2, 0.3] if several else [0.3],
    )
    for root in roots:
        builder.start_tree()
        todo, count = [(0, root)], 1
        while todo:
            key, node = todo.pop()
            builder.start_node(key)
            if isinstance(node, tuple):
                feature, test, default_left, left, right = node
                children = {
                    "feature_id": feature,
                    "default_left": default_left,
                    "left_child_key": count,
                    "right_child_key": count + 1,
                }
                if isinstance(test, list):
                    builder.categorical_test(
                        category_list=test, category_list_right_child=False, **children
                    )
                else:
                    builder.numerical_test(threshold=test, opname="<=", **children)
                todo += [(count, left), (count + 1, right)]
                count += 2
            else:
                builder.leaf(node)
            builder.end_node()
        builder.end_tree()
    return builder.commit()


def make():
    make_one = make_old if treelite.__version__.startswith("3.") else make_new
    for name in NAMES:
        for double in (False, True):
            path = FOLDER / f"{treelite.__version__}_{name}_{'f8' if double else 'f4'}.tl"
            make_one(name, double).serialize(str(path))


def answer():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, FEATURES))
    x[:, 2] = rng.integers(-1, 45, 40)
    x[rng.random(x.shape) < 0.1] = np.nan
    out = {"x": x}
    for path in sorted(FOLDER.glob("*.tl")):
        model = treelite.Model.deserialize(str(path))
        rows = x.astype(np.float64 if path.stem.endswith("f8") else np.float32)
        for margin in (False, True):
            key = f"{path.stem}{'_raw' if margin else ''}"
            out[key] = treelite.gtil.predict(model, rows, pred_margin=margin).reshape(40, -1)
    np.savez_compressed(FOLDER / "answers.npz", **out)


if __name__ == "__main__":
    {"make": make, "answer": answer}[sys.argv[1]]()
