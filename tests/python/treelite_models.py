"""Random Treelite models, made by its own builder, and what its interpreter answers."""

import numpy as np
import treelite
from treelite.model_builder import Metadata, ModelBuilder, PostProcessorFunc, TreeAnnotation

OPERATORS = ("<", "<=", ">", ">=", "==")
FEATURES = 5


def _leaf(rng, size):
    values = rng.normal(size=size)
    return float(values[0]) if size == 1 else values.tolist()


class Grower:
    """Puts one random tree after another into a builder."""

    def __init__(self, builder, rng, leaf_size, operators, categories):
        self.builder, self.rng, self.leaf_size = builder, rng, leaf_size
        self.operators, self.categories = operators, categories

    def tree(self, depth):
        self.next, self.todo = 1, [(0, depth)]
        self.builder.start_tree()
        while self.todo:
            self.node(*self.todo.pop())
        self.builder.end_tree()

    def node(self, key, depth):
        builder, rng = self.builder, self.rng
        builder.start_node(key)
        if depth == 0 or rng.random() < 0.15:
            builder.leaf(_leaf(rng, self.leaf_size))
            builder.end_node()
            return
        children = {"left_child_key": self.next, "right_child_key": self.next + 1}
        self.todo += [(self.next, depth - 1), (self.next + 1, depth - 1)]
        self.next += 2
        common = {"default_left": bool(rng.integers(2)), **children}
        if self.categories and rng.random() < 0.4:
            count = int(rng.integers(0, 6))
            builder.categorical_test(
                feature_id=int(rng.integers(FEATURES)),
                category_list=sorted(set(rng.integers(0, 70, count).tolist())),
                category_list_right_child=bool(rng.integers(2)),
                **common,
            )
        else:
            builder.numerical_test(
                feature_id=int(rng.integers(FEATURES)),
                threshold=float(rng.choice(THRESHOLDS)),
                opname=str(rng.choice(self.operators)),
                **common,
            )
        builder.end_node()


THRESHOLDS = [-1.5, -0.1, 0.0, 0.1, 0.5, 1.0, 2.0, 3.0, 17.25, 1e-40, float("inf"), -float("inf")]


def build(
    rng,
    dtype="float32",
    classes=(1,),
    shape=(1, 1),
    ids=((0, 0),),
    postprocessor=None,
    average=False,
    base=None,
    task="kRegressor",
    operators=OPERATORS,
    categories=False,
    trees=8,
    depth=4,
):
    """ids: (target, class) of the first trees, repeated for the others."""
    ids = [ids[t % len(ids)] for t in range(trees)]
    builder = ModelBuilder(
        threshold_type=dtype,
        leaf_output_type=dtype,
        metadata=Metadata(
            num_feature=FEATURES,
            task_type=task,
            average_tree_output=average,
            num_target=len(classes),
            num_class=list(classes),
            leaf_vector_shape=shape,
        ),
        tree_annotation=TreeAnnotation(
            num_tree=trees, target_id=[t for t, _ in ids], class_id=[c for _, c in ids]
        ),
        postprocessor=postprocessor or PostProcessorFunc(name="identity"),
        base_scores=[0.0] * (len(classes) * max(classes)) if base is None else base,
    )
    grower = Grower(builder, rng, shape[0] * shape[1], operators, categories)
    for _ in range(trees):
        grower.tree(depth)
    return builder.commit()


def rows(rng, dtype, n=400):
    """At thresholds and an ulp to each side, categories, what is missing and what is endless."""
    near = np.array(THRESHOLDS, dtype)
    values = np.concatenate(
        [
            near,
            np.nextafter(near, dtype("inf"), dtype=dtype),
            np.nextafter(near, dtype("-inf"), dtype=dtype),
            np.arange(0, 70, dtype=dtype),
            np.array([np.nan, -0.0, -0.5, -1, 1e9, 2**24, 2**33, 0.5, 63.9, 1e30], dtype),
        ]
    )
    values = np.concatenate([values, rng.normal(size=60).astype(dtype)])
    return rng.choice(values, size=(n, FEATURES)).astype(dtype)


def answers(model, x, margin):
    """(rows,) or (rows, outputs), as Spinney has them."""
    out = treelite.gtil.predict(model, x, nthread=1, pred_margin=margin)
    out = out.reshape(len(x), -1)
    return out[:, 0] if out.shape[1] == 1 else out
