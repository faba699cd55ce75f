"""Compressed model files of every format, and archives with a model in them."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import stat
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("xgboost")
pytest.importorskip("lightgbm")

import lightgbm
import xgboost
from sklearn.tree import DecisionTreeClassifier

import spinney
from sklearn_cases import training_data
from spinney.cli import main

X, Y, _ = training_data(21, rows=200)
ROWS = training_data(22, rows=40)[0].astype(np.float32)
TREE = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, Y)
XGB = xgboost.train({"max_depth": 2, "objective": "binary:logistic"}, xgboost.DMatrix(X, Y), 3)
LGB = lightgbm.train(
    {"objective": "binary", "verbose": -1, "num_leaves": 4}, lightgbm.Dataset(X, Y), 3
)
FILES = {
    "pickle": pickle.dumps(TREE),
    "json": bytes(XGB.save_raw("json")),
    "ubj": bytes(XGB.save_raw("ubj")),
    "text": LGB.model_to_string().encode(),
    "spinney": spinney.load(TREE).to_bytes(),
}


def zstd(data):
    zstandard = pytest.importorskip("zstandard")
    half = len(data) // 2  # two frames, one behind the other
    return zstandard.compress(data[:half]) + zstandard.compress(data[half:])


def lz4(data):
    return pytest.importorskip("lz4.frame").compress(data)


COMPRESSIONS = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "lz4": lz4,
    "zstd": zstd,
}


def same(data, loaded, member=None):
    whole = spinney.load(data, member=member)
    assert loaded.predict_raw(ROWS).tobytes() == whole.predict_raw(ROWS).tobytes()


@pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS)
@pytest.mark.parametrize("form", FILES)
def test_compressed_files_of_every_format(form, compress, tmp_path):
    data = compress(FILES[form])
    same(FILES[form], spinney.load(data))
    same(FILES[form], spinney.load(data, format=form))
    path = tmp_path / "model.any"
    path.write_bytes(data)
    loaded = spinney.load(path)
    assert loaded.source["format"] == (
        "joblib" if form == "pickle" else "spinney" if form == "spinney" else form
    )
    for cut in (data[: len(data) // 2], data[:-1]):
        with pytest.raises(spinney.SpinneyError):
            spinney.load(cut)


@pytest.mark.parametrize("compress", [gzip.compress, zstd, lzma.compress], ids=["gz", "zst", "xz"])
def test_what_expands_far_beyond_its_size(compress):
    data = compress(b"tree\n" + b"\n" * (400 << 20))
    with pytest.raises(spinney.ModelTooLargeError, match="expands to more than"):
        spinney.load(data)


def test_compressed_many_times():
    data = FILES["text"]
    for _ in range(3):
        data = gzip.compress(data)
    same(FILES["text"], spinney.load(data))
    with pytest.raises(spinney.ModelTooLargeError, match="too deeply"):
        spinney.load(gzip.compress(data))


def test_a_compressed_file_of_another_format_than_said():
    with pytest.raises(spinney.UnsupportedModelError, match="this is JSON or UBJSON, not a pickle"):
        spinney.load(gzip.compress(FILES["json"]), format="pickle")


def tar(files, mode="w:", form=tarfile.PAX_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=form) as archive:
        for name, data in files.items():
            info = data if isinstance(data, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(data, bytes):
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data) if isinstance(data, bytes) else None)
    return buffer.getvalue()


def zipped(files, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def folder(name):
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE
    return info


ARCHIVES = {
    "zip": zipped,
    "stored zip": lambda files: zipped(files, zipfile.ZIP_STORED),
    "tar": tar,
    "ustar": lambda files: tar(files, form=tarfile.USTAR_FORMAT),
    "gnu": lambda files: tar(files, form=tarfile.GNU_FORMAT),
    "tar.gz": lambda files: tar(files, "w:gz"),
    "tar.xz": lambda files: tar(files, "w:xz"),
    "tar.zst": lambda files: zstd(tar(files)),
}
BESIDE = {
    "code/inference.py": b"import pickle\n",
    "code/requirements.txt": b"xgboost\n",
    "metadata.json": b'{"trained": "today"}',
    "empty": b"",
    "__MACOSX/._model.pkl": b"\0\5\x16\7",
}


@pytest.mark.parametrize("pack", ARCHIVES.values(), ids=ARCHIVES)
@pytest.mark.parametrize("form", FILES)
def test_an_archive_with_one_model(form, pack, tmp_path):
    long = "model/" + "very-" * 30 + "long.bin" if pack is not ARCHIVES["ustar"] else "model/m"
    path = tmp_path / "model.tar.gz"
    path.write_bytes(pack({**BESIDE, long: FILES[form]}))
    same(FILES[form], spinney.load(path))


def test_folders_in_archives():
    files = {"./": folder("./"), "./m": folder("./m"), "./m/xgboost-model": FILES["ubj"]}
    same(FILES["ubj"], spinney.load(tar(files, "w:gz")))
    same(FILES["ubj"], spinney.load(zipped({"m/": b"", "m/xgboost-model": FILES["ubj"]})))


@pytest.mark.parametrize("pack", ARCHIVES.values(), ids=ARCHIVES)
def test_several_models(pack):
    data = pack({"a/one.json": FILES["json"], "two.pkl": FILES["pickle"], "t.txt": b"x"})
    with pytest.raises(
        spinney.InvalidInputError,
        match=r'several files .*: a/one\.json, two\.pkl\. Say .* member="a/one\.json"',
    ):
        spinney.load(data)
    same(FILES["pickle"], spinney.load(data, member="two.pkl"))
    same(FILES["json"], spinney.load(data, member="a/one.json"))
    with pytest.raises(spinney.InvalidInputError, match="several files"):
        spinney.load(data, member="three")
    with pytest.raises(spinney.UnsupportedModelError, match=r"t\.txt: .*in no format"):
        spinney.load(data, member="t.txt")


def test_a_member_within_an_archive():
    held = pickle.dumps({"a": TREE, "b": [TREE]})
    data = zipped({"m.pkl": held})
    same(FILES["pickle"], spinney.load(data, member="b.0"))
    same(FILES["pickle"], spinney.load(data, member="m.pkl:a"))
    with pytest.raises(spinney.InvalidInputError, match=r"m\.pkl: it holds 2 models: a "):
        spinney.load(data)
    with pytest.raises(spinney.InvalidInputError, match=r"m\.pkl: it holds 2 models: a "):
        spinney.load(data, member="m.pkl")


def test_an_archive_without_a_model():
    with pytest.raises(spinney.UnsupportedModelError, match=r"no model .* metadata\.json"):
        spinney.load(zipped({"metadata.json": b"{}"}))
    with pytest.raises(spinney.UnsupportedModelError, match="but nothing"):
        spinney.load(zipped({}))


def test_archives_within_each_other():
    data = zipped({"model.tar.gz": tar({"model.txt": FILES["text"]}, "w:gz")})
    same(FILES["text"], spinney.load(data))
    with pytest.raises(spinney.ModelTooLargeError, match="too deeply"):
        spinney.load(zipped({"a.zip": data}))


BAD_NAMES = ["../model.pkl", "a/../../model.pkl", "/model.pkl", "a\\..\\m", "C:m"]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("pack", [zipped, tar], ids=["zip", "tar"])
def test_paths_that_lead_outside(name, pack):
    with pytest.raises(spinney.CorruptModelError, match=r"entry .*(leads out|no path within)"):
        spinney.load(pack({"model.pkl": FILES["pickle"], name: b"x"}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, b"Z"])
def test_tars_with_links_and_devices(kind):
    info = tarfile.TarInfo("model.json")
    info.type = kind
    info.linkname = "/etc/passwd"
    with pytest.raises(spinney.CorruptModelError, match=r"is a link|neither a file nor a folder"):
        spinney.load(tar({"model.pkl": FILES["pickle"], "l": info}))


def test_zips_with_links():
    info = zipfile.ZipInfo("model.json")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(spinney.CorruptModelError, match="is a link"):
        spinney.load(buffer.getvalue())


@pytest.mark.parametrize("pack", [zipped, tar], ids=["zip", "tar"])
def test_two_entries_of_one_name(pack):
    data = pack({"model.pkl": FILES["pickle"], "model.pkk": FILES["pickle"]})
    with pytest.raises(spinney.CorruptModelError, match=r"two entries|checksum"):
        spinney.load(data.replace(b"model.pkk", b"model.pkl"))


def test_a_zip_that_lies():
    data = zipped({"model.pkl": FILES["pickle"]}, zipfile.ZIP_STORED)
    entry = data.index(b"PK\1\2")
    end = data.index(b"PK\5\6")
    for place, value, message in (
        (entry + 8, b"\1\0", "is encrypted"),
        (entry + 10, b"\x0c\0", "method 12"),
        (entry + 16, b"\0\0\0\0", "its checksum differs"),
        (entry + 20, b"\xff\xff\xff\x7f", "lies outside"),
        (entry + 20, b"\xff\xff\xff\xff", "larger than 4 GiB"),
        (entry + 24, b"\xff\xff\xff\x7f", "own size explains"),
        (entry + 24, b"\1\0\0\0", "holds .* and says 1"),
        (entry + 28, b"\xff\xff", "directory is cut short"),
        (entry + 42, b"\xff\xff\0\0", "not where it should be"),
        (entry + 46, b"x", "another name"),
        (end + 10, b"\xff\xff", "declares 65535 entries"),
        (end + 16, b"\xff\xff\xff\x7f", "not where it should be"),
    ):
        lying = bytearray(data)
        lying[place : place + len(value)] = value
        with pytest.raises(spinney.SpinneyError, match=message):
            spinney.load(bytes(lying))
    for size in range(4, len(data)):
        with pytest.raises(spinney.SpinneyError):
            spinney.load(data[:size])


def test_entries_that_overlap():
    """Each of them the same bytes, so that the archive expands to many times its size."""
    data = zipped({"a.pkl": FILES["pickle"]})
    entry, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    record = data[entry:end]
    records = record * 50
    tail = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 50, 50, len(records), entry, 0)
    with pytest.raises(spinney.CorruptModelError, match="overlap"):
        spinney.load(data[:entry] + records + tail)


def test_a_zip_that_expands_far_beyond_its_size():
    data = zipped({"model.txt": b"tree\n" + b"\0" * (200 << 20)})
    with pytest.raises(
        spinney.ModelTooLargeError, match="of which the archive's own size explains"
    ):
        spinney.load(data)


def test_a_tar_that_lies():
    data = tar({"model.pkl": FILES["pickle"]}, form=tarfile.USTAR_FORMAT)
    for size in (512, 700, len(FILES["pickle"]) + 512):
        with pytest.raises(spinney.SpinneyError, match=r"cut short|beyond the archive's end"):
            spinney.load(data[:size])
    changed = bytearray(data)
    changed[3] ^= 1
    with pytest.raises(spinney.CorruptModelError, match="another checksum"):
        spinney.load(bytes(changed))


@pytest.mark.parametrize("size", [-1, 10**18, 10**30])
def test_a_tar_whose_extended_headers_lie(size):
    info = tarfile.TarInfo("model.pkl")
    info.size = len(FILES["pickle"])
    info.pax_headers = {"size": str(size)}
    data = tar({"m": info})
    with pytest.raises(spinney.CorruptModelError, match=r"tar archive is damaged|beyond"):
        spinney.load(data)


def test_the_command_line(tmp_path, capsys):
    path = tmp_path / "model.tar.gz"
    path.write_bytes(tar({"a.json": FILES["json"], "b.txt": FILES["text"]}, "w:gz"))
    rows = tmp_path / "rows.npy"
    np.save(rows, ROWS)
    assert main(["predict", str(path), str(rows), "--member", "b.txt"]) == 0
    assert len(capsys.readouterr().out.split()) == len(ROWS) + 1
    assert main(["inspect", str(path), "--member", "a.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == "json"
    assert main(["verify", str(path), "--member", "a.json"]) == 2
    assert "unpack" in capsys.readouterr().err
