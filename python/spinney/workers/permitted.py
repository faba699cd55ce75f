"""What an allow-list permits beyond the names that a user gives, by what may be done to each.

- `called`: types and functions that a file may call with what it likes; they hold data.
- `empty`: classes of which a file may make an object without arguments, and give it a state.
- `values`: classes and functions that a file may only mention, for a state to refer to.
- `families`: (modules, base class): the classes that those modules define and that descend from the
  base, under their own names, are `empty`. `modules` ending in ".*" are a package's.
- `functions`: modules whose own public functions are `values`; they compute, and do nothing else.
"""

from collections import namedtuple

Lists = namedtuple("Lists", "called empty values families functions", defaults=({}, {}, {}, (), ()))

_NUMPY_FUNCTIONS = (
    "abs absolute all amax amin any argmax argmin argsort around array asarray average clip cumsum "
    "diff fix fmax fmin imag max mean median min nan_to_num nanmax nanmean nanmedian nanmin nanstd "
    "nansum nanvar percentile prod ptp quantile ravel real reshape round sort squeeze std sum "
    "transpose var where"
)
_NUMPY_TYPES = (
    "dtype bool_ bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 longlong ulonglong intc "
    "uintc float16 float32 float64 longdouble complex64 complex128 str_ bytes_ datetime64 "
    "timedelta64 void"
)
# Holds data and does nothing: permitted beside whatever is listed.
DATA = Lists(
    called={
        "builtins": "set frozenset bytearray complex slice range list dict tuple object int float "
        "str bytes bool",
        "copyreg": "_reconstructor",
        "_codecs": "encode",
        "collections": "OrderedDict defaultdict deque Counter",
        "datetime": "date datetime time timedelta timezone",
        "decimal": "Decimal",
        "fractions": "Fraction",
        "numpy": _NUMPY_TYPES,
        "numpy.core.multiarray": "_reconstruct scalar",
        "numpy._core.multiarray": "_reconstruct scalar",
        "numpy.core.numeric": "_frombuffer",
        "numpy._core.numeric": "_frombuffer",
        "numpy.core": "_ufunc_reconstruct",
        "numpy._core": "_ufunc_reconstruct",
        "numpy.ma.core": "_mareconstruct",
        "numpy.random._pickle": "__randomstate_ctor __bit_generator_ctor __generator_ctor",
        "numpy.random.bit_generator": "__pyx_unpickle_SeedSequence",
    },
    empty={
        "scipy.sparse._csr": "csr_matrix csr_array",
        "scipy.sparse._csc": "csc_matrix csc_array",
        "scipy.sparse._coo": "coo_matrix coo_array",
        "scipy.sparse._lil": "lil_matrix lil_array",
        "scipy.sparse._dok": "dok_matrix dok_array",
        "scipy.sparse._bsr": "bsr_matrix bsr_array",
        "scipy.sparse._dia": "dia_matrix dia_array",
        "scipy.sparse.csr": "csr_matrix",
        "scipy.sparse.csc": "csc_matrix",
        "scipy.sparse.coo": "coo_matrix",
        "joblib.numpy_pickle": "NumpyArrayWrapper",
    },
    values={
        "numpy": "ndarray matrix " + _NUMPY_FUNCTIONS,
        "numpy.ma": "MaskedArray",
        "numpy.ma.core": "MaskedArray",
        "numpy.random._mt19937": "MT19937",
        "numpy.random._pcg64": "PCG64 PCG64DXSM",
        "numpy.random._philox": "Philox",
        "numpy.random._sfc64": "SFC64",
        "numpy.random.bit_generator": "SeedSequence",
    },
)

_LOSSES = "Hinge SquaredHinge Log ModifiedHuber SquaredLoss Huber EpsilonInsensitive "
_NUMPY = Lists(
    empty={"numpy": "poly1d"},
    values={"numpy": "record", "numpy.rec": "recarray"},
    families=(("numpy.polynomial.*", "numpy.polynomial._polybase.ABCPolyBase"),),
)
_SCIPY = Lists(
    called={"builtins": "getattr"},  # a stand-in, for the methods of distributions
    empty={
        "numpy": "vectorize",
        "scipy.interpolate._bsplines": "BSpline",
        "scipy.interpolate._interpolate": "PPoly BPoly",
        "scipy.interpolate._cubic": "CubicSpline PchipInterpolator Akima1DInterpolator",
        "scipy.spatial._ckdtree": "cKDTree",
        "scipy.spatial._kdtree": "KDTree",
        "scipy.stats._distn_infrastructure": "rv_frozen rv_continuous_frozen rv_discrete_frozen",
    },
    values={
        "scipy._lib.array_api_compat.numpy._aliases": "asarray",
        "scipy.special._logsumexp": "softmax log_softmax logsumexp",
    },
    families=(
        ("scipy.stats._continuous_distns", "scipy.stats._distn_infrastructure.rv_continuous"),
        ("scipy.stats._discrete_distns", "scipy.stats._distn_infrastructure.rv_discrete"),
    ),
)
_COMPILED_LOSSES = (
    "CyHalfSquaredError CyAbsoluteError CyPinballLoss CyHuberLoss CyHalfPoissonLoss "
    "CyHalfGammaLoss CyHalfTweedieLoss CyHalfTweedieLossIdentity CyHalfBinomialLoss "
    "CyHalfMultinomialLoss CyExponentialLoss"
).split()
_ESTIMATOR = "sklearn.base.BaseEstimator"
_TREES = "KDTree KDTree32 KDTree64 BallTree BallTree32 BallTree64"
_SKLEARN = Lists(
    called={
        "sklearn.tree._tree": "Tree",
        "sklearn.neighbors._kd_tree": "newObj",
        "sklearn.neighbors._ball_tree": "newObj",
        "sklearn.metrics._dist_metrics": "newObj",
        "sklearn.neighbors._dist_metrics": "newObj",
        "sklearn.linear_model._sgd_fast": _LOSSES + "SquaredEpsilonInsensitive",
        "sklearn._loss._loss": " ".join(
            f"{name} __pyx_unpickle_{name}" for name in _COMPILED_LOSSES
        ),
    },
    empty={
        "sklearn.calibration": "_CalibratedClassifier",
        "sklearn.cluster._birch": "_CFNode _CFSubcluster",
        "sklearn.cluster._bisect_k_means": "_BisectingTree",
        "sklearn.compose._column_transformer": "make_column_selector",
        "sklearn.ensemble._hist_gradient_boosting.predictor": "TreePredictor",
        "sklearn.neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
        "sklearn.utils": "Bunch",
        "sklearn.utils._bunch": "Bunch",
        "sklearn.utils._metadata_requests": "MetadataRequest MethodMetadataRequest MetadataRouter "
        "MethodMapping RouterMappingPair MethodPair",
    },
    values={
        "sklearn.neighbors._kd_tree": _TREES,
        "sklearn.neighbors._ball_tree": _TREES,
        "sklearn.cluster._kmeans": "_kmeans_single_lloyd _kmeans_single_elkan",
        "sklearn.utils.extmath": "softmax stable_cumsum safe_sparse_dot squared_norm row_norms",
    },
    families=(
        ("sklearn.metrics._dist_metrics", "sklearn.metrics._dist_metrics.DistanceMetric"),
        ("sklearn.metrics._dist_metrics", "sklearn.metrics._dist_metrics.DistanceMetric64"),
        ("sklearn.metrics._dist_metrics", "sklearn.metrics._dist_metrics.DistanceMetric32"),
        ("sklearn.gaussian_process.kernels", "sklearn.gaussian_process.kernels.Kernel"),
        ("sklearn.gaussian_process.kernels", "sklearn.gaussian_process.kernels.Hyperparameter"),
        ("sklearn._loss.loss", "sklearn._loss.loss.BaseLoss"),
        ("sklearn._loss.link", "sklearn._loss.link.BaseLink"),
        ("sklearn._loss.link", "sklearn._loss.link.Interval"),
        (
            "sklearn._loss.glm_distribution",
            "sklearn._loss.glm_distribution.ExponentialDispersionModel",
        ),
        ("sklearn.ensemble._gb_losses", "sklearn.ensemble._gb_losses.LossFunction"),
        ("sklearn.metrics._scorer", "sklearn.metrics._scorer._BaseScorer"),
        ("sklearn.metrics._scorer", "sklearn.metrics._scorer._PassthroughScorer"),
        ("sklearn.metrics._scorer", "sklearn.metrics._scorer._MultimetricScorer"),
        ("sklearn.model_selection._split", "sklearn.model_selection._split.BaseCrossValidator"),
        ("sklearn.model_selection._split", "sklearn.model_selection._split.BaseShuffleSplit"),
        ("sklearn.model_selection._split", "sklearn.model_selection._split._RepeatedSplits"),
    ),
    functions=(
        "sklearn.feature_selection._mutual_info",
        "sklearn.feature_selection._univariate_selection",
        "sklearn.metrics._classification",
        "sklearn.metrics._ranking",
        "sklearn.metrics._regression",
        "sklearn.metrics.cluster._supervised",
        "sklearn.metrics.cluster._unsupervised",
        "sklearn.metrics.pairwise",
    ),
)
_LABELS = {"sklearn.preprocessing._label": "LabelEncoder"}  # which wrappers keep
_XGBOOST = Lists(
    empty={
        "xgboost.core": "Booster",
        "xgboost.callback": "EarlyStopping EvaluationMonitor LearningRateScheduler",
        "xgboost.compat": "XGBoostLabelEncoder",
        **_LABELS,
    }
)
_LIGHTGBM = Lists(
    empty={
        "lightgbm.basic": "Booster",
        "lightgbm.compat": "_LGBMLabelEncoder",
        **_LABELS,
    }
)
_CATBOOST = Lists()
_PANDAS_DTYPES = (
    "CategoricalDtype DatetimeTZDtype IntervalDtype PeriodDtype SparseDtype StringDtype "
    "BooleanDtype Int8Dtype Int16Dtype Int32Dtype Int64Dtype UInt8Dtype UInt16Dtype UInt32Dtype "
    "UInt64Dtype Float32Dtype Float64Dtype"
)
_PANDAS_INDEXES = (
    "Index RangeIndex MultiIndex CategoricalIndex DatetimeIndex TimedeltaIndex PeriodIndex "
    "IntervalIndex"
)
_PANDAS_ARRAYS = (
    "ArrowStringArray StringArray Categorical DatetimeArray TimedeltaArray PeriodArray "
    "IntervalArray IntegerArray FloatingArray BooleanArray SparseArray NumpyExtensionArray "
    "PandasArray"
)
_PANDAS = Lists(
    called={
        "pandas": _PANDAS_DTYPES + " Period Interval",
        "pandas.core.arrays.boolean": "BooleanDtype",
        "pandas.core.arrays.floating": "Float32Dtype Float64Dtype",
        "pandas.core.arrays.integer": "Int8Dtype Int16Dtype Int32Dtype Int64Dtype UInt8Dtype "
        "UInt16Dtype UInt32Dtype UInt64Dtype",
        "pandas.core.arrays.string_": "StringDtype",
        "pandas.core.dtypes.dtypes": _PANDAS_DTYPES,
        "pandas.core.internals.managers": "BlockManager SingleBlockManager",
        "pandas.core.indexes.base": "_new_Index",
        "pandas.core.indexes.datetimes": "_new_DatetimeIndex",
        "pandas.core.indexes.interval": "_new_IntervalIndex",
        "pandas._libs.internals": "_unpickle_block BlockPlacement",
        "pandas._libs.arrays": "__pyx_unpickle_NDArrayBacked",
        "pandas._libs.interval": "Interval",
        "pandas._libs.sparse": "IntIndex BlockIndex",
        "pandas._libs.tslibs.nattype": "_nat_unpickle __nat_unpickle",
        "pandas._libs.tslibs.offsets": "Day Hour Minute Second Milli Micro Nano MonthEnd "
        "MonthBegin QuarterEnd QuarterBegin YearEnd YearBegin Week BusinessDay BDay",
        "pandas._libs.tslibs.period": "Period",
        "pandas._libs.tslibs.timedeltas": "_timedelta_unpickle",
        "pandas._libs.tslibs.timestamps": "_unpickle_timestamp",
        "pyarrow.lib": "_restore_array type_for_alias py_buffer",
    },
    empty={
        "pandas": "DataFrame Series",
        "pandas.core.frame": "DataFrame",
        "pandas.core.series": "Series",
        "pandas.arrays": _PANDAS_ARRAYS,
        "pandas.core.arrays.integer": "IntegerArray",
        "pandas.core.arrays.floating": "FloatingArray",
        "pandas.core.arrays.boolean": "BooleanArray",
        "pandas.core.arrays.string_arrow": "ArrowStringArray ArrowStringArrayNumpySemantics",
        "pandas.core.arrays.sparse.array": "SparseArray",
        "pandas.core.arrays.interval": "IntervalArray",
    },
    values={
        "pandas": _PANDAS_INDEXES + " Categorical NA NaT",
        "pandas._libs.missing": "NA",
        "pandas.core.indexes.base": "Index",
        "pandas.core.indexes.numeric": "Int64Index Float64Index UInt64Index",
        "pandas.core.indexes.range": "RangeIndex",
        "pandas.core.indexes.multi": "MultiIndex",
        "pandas.core.indexes.category": "CategoricalIndex",
        "pandas.core.indexes.datetimes": "DatetimeIndex",
        "pandas.core.indexes.timedeltas": "TimedeltaIndex",
        "pandas.core.indexes.period": "PeriodIndex",
        "pandas.core.indexes.interval": "IntervalIndex",
        "pandas.core.arrays.categorical": "Categorical",
        "pandas.core.arrays.datetimes": "DatetimeArray",
        "pandas.core.arrays.timedeltas": "TimedeltaArray",
        "pandas.core.arrays.period": "PeriodArray",
        "pandas.core.arrays.string_": "StringArray StringArrayNumpySemantics",
        "pandas.core.arrays.numpy_": "NumpyExtensionArray PandasArray",
    },
)

PACKAGES = {
    "numpy": _NUMPY,
    "scipy": _SCIPY,
    "sklearn": _SKLEARN,
    "xgboost": _XGBOOST,
    "lightgbm": _LIGHTGBM,
    "catboost": _CATBOOST,
    "pandas": _PANDAS,
}
NEEDS = {"sklearn": ("scipy",), "xgboost": ("scipy",), "lightgbm": ("scipy",)}
# What a pattern over the package means: families, as above, of which it selects modules.
ESTIMATORS = {
    "sklearn": (("sklearn.*", _ESTIMATOR),),
    "xgboost": (("xgboost.sklearn", _ESTIMATOR),),
    "lightgbm": (("lightgbm.sklearn", _ESTIMATOR),),
    "catboost": (("catboost.core", "catboost.core.CatBoost"),),
}
UFUNC_MODULES = set(
    "numpy numpy.core._multiarray_umath numpy._core._multiarray_umath scipy.special "
    "scipy.special._ufuncs scipy.special._special_ufuncs".split()
)
