"""Bad input through the command line: exit code, one line that says what is wrong and where, and nothing written."""

import errno
import os
import resource
import signal
import subprocess

import faiss
import h5py
import numpy as np
import pytest


def features(n=60, dim=8, seed=2):
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def cut(path, size):
    """Shortens a file (size < 0: by that many bytes) or lengthens it (size > 0)."""
    content = path.read_bytes()
    path.write_bytes(content[:size] if size < 0 else content + b"\0" * size)


def write_index(path, x):
    quantizer = faiss.IndexFlatL2(x.shape[1])
    index = faiss.IndexIVFFlat(quantizer, x.shape[1], 4, faiss.METRIC_INNER_PRODUCT)
    index.train(x)
    index.add(x)
    faiss.write_index(index, str(path))


# --- descriptor files: every command that reads them ------------------------------------------------------------------

def bad_npy(path, how):
    np.save(path, features())
    how(path)


def with_value(value, row):
    def make(path):
        x = features()
        x[row, 3] = value
        np.save(path, x)
    return make


def zero_row(path):
    x = features()
    x[41] = 0
    np.save(path, x)


def hdf5(path, count=60, labels=60, feats="all_feats", dtype=np.float32, shape=None):
    with h5py.File(path, "w") as file:
        file[feats] = features().astype(dtype) if shape is None else np.ones(shape, dtype)
        file["all_labels"] = np.zeros(labels, np.int32)
        file["count"] = np.array([count], np.int32)


def damaged_chunk(path):
    with h5py.File(path, "w") as file:
        data = file.create_dataset("all_feats", data=features(), chunks=(16, 8), compression="gzip")
        start, size = data.id.get_chunk_info(1).byte_offset, data.id.get_chunk_info(1).size
        file["count"] = np.array([60], np.int32)
    with open(path, "r+b") as file:
        file.seek(start + size // 2)
        file.write(b"\xff" * 8)


def index(path, how=None):
    write_index(path, features())
    if how is not None:
        cut(path, how)


DESCRIPTORS = {
    "npy cut off": ("x.npy", lambda p: bad_npy(p, lambda q: cut(q, -7)), r"x\.npy"),
    "npy too long": ("x.npy", lambda p: bad_npy(p, lambda q: cut(q, 5)), r"x\.npy"),
    "npy without header": ("x.npy", lambda p: p.write_bytes(b"abc"), r"x\.npy"),
    "npy in Fortran order": ("x.npy", lambda p: np.save(p, np.asfortranarray(features())), r"fortran_order"),
    "npy of strings": ("x.npy", lambda p: np.save(p, np.array([["a", "b"]])), r"x\.npy"),
    "npy of one dimension": ("x.npy", lambda p: np.save(p, np.ones(8, np.float32)), r"x\.npy"),
    "raw cut off": ("x.raw", lambda p: (features().tofile(p), cut(p, -4)), r"x\.raw"),
    "hdf5 cut off": ("x.hdf5", lambda p: (hdf5(p), cut(p, -(p.stat().st_size // 2))), r"x\.hdf5"),
    "hdf5 that is none": ("x.hdf5", lambda p: p.write_bytes(b"abc" * 1000), r"x\.hdf5"),
    "hdf5 without all_feats": ("x.hdf5", lambda p: hdf5(p, feats="feats"), r"all_feats"),
    "hdf5 of integers": ("x.hdf5", lambda p: hdf5(p, dtype=np.int64), r"x\.hdf5"),
    "hdf5 of three dimensions": ("x.hdf5", lambda p: hdf5(p, shape=(60, 2, 4)), r"x\.hdf5"),
    "hdf5 count beyond the rows": ("x.hdf5", lambda p: hdf5(p, count=61), r"count.*61.*60|61.*count.*60|60.*61"),
    "hdf5 negative count": ("x.hdf5", lambda p: hdf5(p, count=-1), r"count"),
    "hdf5 damaged chunk": ("x.hdf5", damaged_chunk, r"x\.hdf5"),
    "index cut off": ("x.index", lambda p: index(p, -9), r"x\.index"),
    "index that is none": ("x.index", lambda p: p.write_bytes(b"IwFl" + b"\xff" * 100), r"x\.index"),
    "NaN": ("x.npy", with_value(np.nan, 23), r"NaN; .*x\.npy, row 23, column 3"),
    "infinity": ("x.npy", with_value(-np.inf, 59), r"infinity; .*x\.npy, row 59, column 3"),
    "all-zero row": ("x.npy", zero_row, r"all zero.*x\.npy, row 41"),
    "absent": ("x.npy", lambda p: None, r"x\.npy"),
    "a folder": ("x.npy", lambda p: p.mkdir(), r"x\.npy"),
    "a dangling link": ("x.npy", lambda p: p.symlink_to(p.with_name("nowhere")), r"x\.npy"),
    "no rows": ("x.npy", lambda p: np.save(p, features()[:0]), r"no row"),
}


@pytest.mark.parametrize("command", ["knn build", "pca train", "pca apply"])
@pytest.mark.parametrize("case", DESCRIPTORS)
def test_descriptors(lowshot, refused, tmp_path, command, case):
    name, make, pattern = DESCRIPTORS[case]
    np.save(tmp_path / "good.npy", features(seed=9))
    lowshot("pca", "train", tmp_path / "good.npy", "-o", tmp_path / "pca.vt", "--dim", 4)
    make(tmp_path / name)
    raw = name.endswith(".raw")
    arguments = {"knn build": ["-k", 4, "-o", tmp_path / "g"] + (["--dim", 8] if raw else []),
                 "pca train": ["-o", tmp_path / "new.vt"] + (["--raw-dim", 8] if raw else []),
                 "pca apply": ["--pca", tmp_path / "pca.vt", "-o", tmp_path / "y.npy"] + (["--raw-dim", 8] if raw else [])}
    refused(3, pattern, *command.split(), tmp_path / name, *arguments[command])


def test_unreadable_file(refused, tmp_path):
    np.save(tmp_path / "x.npy", features())
    (tmp_path / "x.npy").chmod(0)
    if os.access(tmp_path / "x.npy", os.R_OK):
        pytest.skip("this user may read every file")
    refused(3, r"x\.npy", "knn", "build", tmp_path / "x.npy", "-k", 4, "-o", tmp_path / "g")


def test_dimensions_that_differ(refused, tmp_path):
    np.save(tmp_path / "a.npy", features(dim=8))
    np.save(tmp_path / "b.npy", features(dim=9))
    for command in (["knn", "build", "-o", tmp_path / "g"], ["pca", "train", "-o", tmp_path / "p.vt"]):
        refused(3, "dimension 8 and 9", *command, tmp_path / "a.npy", tmp_path / "b.npy")
    refused(3, "8 dimensions and 9 are said", "knn", "build", tmp_path / "a.npy", "--dim", 9, "-o", tmp_path / "g")
    features().tofile(tmp_path / "x.raw")
    refused(2, "needs its dimension", "knn", "build", tmp_path / "x.raw", "-o", tmp_path / "g")
    refused(3, r"x\.raw", "knn", "build", tmp_path / "x.raw", "--dim", 7, "-o", tmp_path / "g")


@pytest.mark.parametrize("rows, code, pattern", [("0:61", 3, "61.*60"), ("9:5", 3, "9 to 5"), ("5:5", 3, "no row"),
                                                 ("5", 2, "not a range"), ("a:b", 2, "not a range"), ("-1:5", 2, "")])
def test_rows_that_are_not_there(refused, tmp_path, rows, code, pattern):
    np.save(tmp_path / "x.npy", features())
    refused(code, pattern, "knn", "build", tmp_path / "x.npy", f"--rows={rows}", "-o", tmp_path / "g")


def test_inner_product_and_l2_take_zero_rows(lowshot, refused, tmp_path):
    zero_row(tmp_path / "x.npy")
    for metric in ("ip", "l2"):
        lowshot("knn", "build", tmp_path / "x.npy", "-k", 4, "-o", tmp_path / metric, "--metric", metric)
    with_value(np.nan, 7)(tmp_path / "x.npy")
    refused(3, "NaN.*row 7", "knn", "build", tmp_path / "x.npy", "-k", 4, "-o", tmp_path / "g", "--metric", "l2")


# --- PCA files --------------------------------------------------------------------------------------------------------

VT = {
    "cut off": lambda p: cut(p, -5),
    "too long": lambda p: cut(p, 3),
    "another format": lambda p: p.write_bytes(b"PcaX" + p.read_bytes()[4:]),
    "empty": lambda p: p.write_bytes(b""),
    "lengths that lie": lambda p: p.write_bytes(p.read_bytes()[:4] + b"\xff" * 40 + p.read_bytes()[44:]),
    "absent": lambda p: p.unlink(),
}


@pytest.mark.parametrize("case", VT)
def test_pca_file(lowshot, refused, small_data, tmp_path, case):
    data = small_data()
    np.save(tmp_path / "x.npy", features(dim=16))
    lowshot("pca", "train", tmp_path / "x.npy", "-o", tmp_path / "pca.vt")
    VT[case](tmp_path / "pca.vt")
    refused(3, r"pca\.vt", "pca", "apply", tmp_path / "x.npy", "--pca", tmp_path / "pca.vt", "-o", tmp_path / "y.npy")
    refused(3, r"pca\.vt", "diffusion", "--data", data.root, "--work", tmp_path / "work", "--pca", tmp_path / "pca.vt", "--k", 4)
    if case != "absent":
        (data.root / "features/PCAR256.vt").write_bytes((tmp_path / "pca.vt").read_bytes())
        refused(3, r"PCAR256\.vt", "diffusion", "--data", data.root, "--work", tmp_path / "work", "--k", 4, "--nbg", 50)
        refused(3, r"PCAR256\.vt", "knn", "build", "--data", data.root, "--work", tmp_path / "work", "-k", 4, "--nbg", 50)


def test_pca_of_other_descriptors(lowshot, refused, small_data, tmp_path):
    data = small_data()
    np.save(tmp_path / "x.npy", features(dim=8))
    lowshot("pca", "train", tmp_path / "x.npy", "-o", tmp_path / "pca.vt")
    np.save(tmp_path / "x.npy", features(dim=16))
    refused(3, "takes 8 dimensions and the descriptors have 16", "pca", "apply", tmp_path / "x.npy", "--pca", tmp_path / "pca.vt",
            "-o", tmp_path / "y.npy")
    refused(3, "takes 8 dimensions and the descriptors have 16", "diffusion", "--data", data.root, "--work", tmp_path / "work",
            "--pca", tmp_path / "pca.vt", "--k", 4)
    refused(2, "at least one dimension", "diffusion", "--data", data.root, "--pca", "0")


def test_pca_of_one_row(refused, tmp_path):
    np.save(tmp_path / "x.npy", features(n=1))
    refused(3, "two rows|at least 2", "pca", "train", tmp_path / "x.npy", "-o", tmp_path / "p.vt")


# --- the data directory: lowshot diffusion ----------------------------------------------------------------------------

def edit_lists(**changes):
    def change(data):
        data.lists.update(changes)
        data.lists = {key: value for key, value in data.lists.items() if value is not None}
        data.write()
    return change


def edit_hdf5(name, **datasets):
    def change(data):
        with h5py.File(data.root / "features" / name, "a") as file:
            for key, value in datasets.items():
                if key in file:
                    del file[key]
                if value is not None:
                    file[key] = value
    return change


def put_value(part, row, value):
    def change(data):
        getattr(data, part)[row] = value
        data.write()
    return change


DATA = {
    "train cut off": (lambda d: cut(d.root / "features/train.hdf5", -900), [], r"train\.hdf5"),
    "val cut off": (lambda d: cut(d.root / "features/val.hdf5", -900), [], r"val\.hdf5"),
    "block cut off": (lambda d: cut(d.block, -900), [], r"block0\.hdf5"),
    "train absent": (lambda d: (d.root / "features/train.hdf5").unlink(), [], r"train\.hdf5"),
    "val a folder": (lambda d: ((d.root / "features/val.hdf5").unlink(), (d.root / "features/val.hdf5").mkdir()), [], r"val\.hdf5"),
    "train a dangling link": (lambda d: ((d.root / "features/train.hdf5").unlink(),
                                         (d.root / "features/train.hdf5").symlink_to("nowhere")), [], r"train\.hdf5"),
    "count beyond the rows": (edit_hdf5("train.hdf5", count=np.array([81], np.int32)), [], r"count"),
    "fewer labels than rows": (edit_hdf5("train.hdf5", all_labels=np.zeros(70, np.int32)), [],
                               r"count is 80 and the file has 70 rows; .*train\.hdf5"),
    "no labels": (edit_hdf5("val.hdf5", all_labels=None), [], r"all_labels"),
    "labels of another type": (edit_hdf5("val.hdf5", all_labels=np.zeros(43)), [], r"all_labels"),
    "val of another dimension": (edit_hdf5("val.hdf5", all_feats=np.ones((43, 15), np.float32)), [], "16 dimensions and val 15"),
    "block of another dimension": (edit_hdf5("f100m/block0.hdf5", all_feats=np.ones((200, 15), np.float32)), [], "15 dimensions"),
    "NaN in train": (put_value("train", (7, 2), np.nan), [], r"NaN; .*train\.hdf5.*row 7, column 2"),
    "infinity in val": (put_value("val", (11, 0), np.inf), [], r"infinity; .*val\.hdf5.*row 11, column 0"),
    "NaN in the background": (put_value("background", (99, 5), np.nan), [], r"NaN; .*block0\.hdf5.*row 99, column 5"),
    "zero row in train": (put_value("train", 13, 0), [], r"all zero.*train\.hdf5.*row 13"),
    "zero row in the background": (put_value("background", 14, 0), [], r"all zero.*block0\.hdf5.*row 14"),
    "label_idx.json absent": (lambda d: (d.root / "label_idx.json").unlink(), [], r"label_idx\.json"),
    "label_idx.json malformed": (lambda d: (d.root / "label_idx.json").write_text('{"label_names": ['), [], r"malformed at byte"),
    "label_idx.json of another kind": (lambda d: (d.root / "label_idx.json").write_text("[]"), [], r"label_idx\.json"),
    "label_idx.json empty": (lambda d: (d.root / "label_idx.json").write_text(""), [], r"label_idx\.json"),
    "a list missing": (edit_lists(novel_classes_1=None), [], r"novel_classes_1"),
    "a list of strings": (edit_lists(novel_classes_1=["a"]), [], r"novel_classes_1"),
    "an id counted from 0": (edit_lists(base_classes_1=[0, 2]), [], r"base_classes_1"),
    "an id beyond the names": (edit_lists(base_classes_1=[1, 9]), [], r"base_classes_1.*1 to 8"),
    "a class without images": (edit_lists(label_names=["c"] * 9, novel_classes_1=[3, 9]), [],
                               r"id 8\) of novel_classes_1 has no training row"),
    "a class base and novel": (edit_lists(novel_classes_1=[1, 3]), [], r"in base_classes_1 and in novel_classes_1"),
    "more labels than images": (lambda d: None, ["--nlabeled", 11], r"11"),
    "more labels than images, later": (lambda d: None, ["--nlabeled", "1,11"], r"11"),
    "more background than there is": (lambda d: None, ["--nbg", 201], r"201 .*200"),
    "no background": (lambda d: d.block.unlink(), [], r"there is no background"),
}


@pytest.mark.parametrize("case", DATA)
def test_data_directory(refused, small_data, tmp_path, case):
    change, options, pattern = DATA[case]
    data = small_data()
    change(data)
    arguments = options if "--nbg" in options else ["--nbg", 150, *options]
    refused(3, pattern, "diffusion", "--data", data.root, "--work", tmp_path / "work", "--pca", "none", "--k", 4, *arguments)
    assert not list((tmp_path / "work").rglob("*.*"))


@pytest.mark.parametrize("what, arguments, code, pattern", [
    ("data", ["--data", "nowhere"], 3, "data directory does not exist"),
    ("none", [], 2, "--data DIR.*DDIR"),
    ("k", ["--k", "0"], 2, "--k"),
    ("niter", ["--niter", "-1"], 2, "--niter"),
    ("mode", ["--mode", "train"], 2, "--mode"),
    ("seed", ["--seed", "x"], 2, "--seed"),
    ("threads", ["--threads", "-1"], 2, "--threads"),
    ("memory", ["--memory", "lots"], 2, "lots"),
    ("pattern", ["--storeLiters", "L.npy"], 2, "%d"),
    ("several", ["--seed", "1-2", "--storeL", "L.npy"], 2, "one run"),
])
def test_options(refused, small_data, tmp_path, what, arguments, code, pattern):
    data = small_data()
    if what not in ("data", "none"):
        arguments = ["--data", data.root, "--work", tmp_path / "work", *arguments]
    refused(code, pattern, "diffusion", *arguments, cwd=tmp_path)


def test_data_directory_of_the_environment(lowshot, refused, small_data, tmp_path):
    data = small_data()
    lowshot("diffusion", "--work", tmp_path / "work", "--k", 4, "--niter", 0, env={"DDIR": str(data.root)})
    refused(3, "does not exist", "diffusion", "--k", 4, env={"DDIR": str(tmp_path / "nowhere")})


# --- stored graphs and backgrounds ------------------------------------------------------------------------------------

def graph_cut(names):
    cut(names[0], -4)


def graph_smaller(names):
    for name in names:
        cut(name, -name.stat().st_size // 2)


def graph_id(value):
    def change(names):
        ids = np.fromfile(names[0], np.int32)
        ids[4 * 33 + 2] = value
        ids.tofile(names[0])
    return change


GRAPHS = {
    "ids cut off": (graph_cut, r"ndis150_k4_I_11\.int4"),
    "similarities too long": (lambda names: cut(names[1], 16), r"ndis150_k4_D_11\.float4"),
    "smaller than the background": (graph_smaller, r"150 x 4"),
    "id beyond the rows": (graph_id(150), r"row 33 holds the neighbour id 150, expected -1 to 149"),
    "id below -1": (graph_id(-2), r"row 33 holds the neighbour id -2"),
}


@pytest.mark.parametrize("case", GRAPHS)
def test_stored_graph(lowshot, refused, small_data, tmp_path, case):
    change, pattern = GRAPHS[case]
    data = small_data()
    lowshot("pca", "train", "--data", data.root)
    lowshot("knn", "build", "--data", data.root, "--nbg", 150, "-k", 4)
    names = data.graph(150, 4)
    (names[0].parent / (names[0].name + ".meta.json")).unlink()  # as published
    change(names)
    refused(3, pattern, "diffusion", "--data", data.root, "--work", tmp_path / "work", "--nbg", 150, "--k", 4)
    if "beyond" in case or "below" in case:
        lowshot("pca", "apply", "--data", data.root)
        refused(3, pattern, "knn", "check", data.root / "features/f100m/concatenated_PCAR256.raw", data.root / "knngraph/ndis150",
                "--dim", 16, "--rows", ":150")
        refused(3, pattern, "knn", "info", data.root / "knngraph/ndis150")


def test_npy_twin(lowshot, refused, small_data, tmp_path):
    data = small_data()
    lowshot("pca", "train", "--data", data.root)
    folder = data.root / "knngraph"
    folder.mkdir()
    np.save(folder / "ndis150_k4_I_11.npy", np.zeros((150, 4), np.int64))
    np.save(folder / "ndis150_k4_D_11.npy", np.zeros((150, 4), np.float32))
    arguments = ["diffusion", "--data", data.root, "--work", tmp_path / "work", "--nbg", 150, "--k", 4]
    refused(3, "int32.*int64", *arguments)
    np.save(folder / "ndis150_k4_I_11.npy", np.zeros((150, 5), np.int32))
    refused(3, "150 x 4.*150 x 5", *arguments)


def test_table_of_other_rows(lowshot, refused, tmp_path):
    np.save(tmp_path / "x.npy", features())
    lowshot("knn", "build", tmp_path / "x.npy", "-k", 4, "-o", tmp_path / "g")
    refused(3, "table has 60 rows and the descriptors 59", "knn", "check", tmp_path / "x.npy", tmp_path / "g", "--rows", ":59")
    refused(3, "there is no table", "knn", "check", tmp_path / "x.npy", tmp_path / "nothing")
    refused(3, "there is no table", "knn", "info", tmp_path / "g", "-k", 8)
    cut(tmp_path / "g_k4_D_11.float4", -3)
    refused(3, r"g_k4_D_11\.float4", "knn", "check", tmp_path / "x.npy", tmp_path / "g")


def test_stored_background(lowshot, refused, small_data, tmp_path):
    data = small_data()
    lowshot("pca", "train", "--data", data.root)
    lowshot("pca", "apply", "--data", data.root)
    raw = data.root / "features/f100m/concatenated_PCAR256.raw"
    raw.with_name(raw.name + ".meta.json").unlink()  # as published
    arguments = ["diffusion", "--data", data.root, "--work", tmp_path / "work", "--nbg", 150, "--k", 4]
    content = raw.read_bytes()
    cut(raw, -5)
    refused(3, r"concatenated_PCAR256\.raw", *arguments)
    broken = np.frombuffer(content, np.float32).copy()
    broken[16 * 77 + 1] = np.nan
    broken.tofile(raw)
    refused(3, r"NaN; .*concatenated_PCAR256\.raw.*row 77", *arguments)
    raw.unlink()
    data.block.unlink()
    (data.root / "knngraph").mkdir()
    write_index(data.root / "knngraph/ndis150.index", np.frombuffer(content, np.float32).reshape(-1, 16)[:150].copy())
    cut(data.root / "knngraph/ndis150.index", -20)
    refused(3, r"ndis150\.index", *arguments)


# --- places that cannot be written ------------------------------------------------------------------------------------

def test_missing_folder(refused, small_data, tmp_path):
    data = small_data()
    np.save(tmp_path / "x.npy", features())
    nowhere = tmp_path / "nowhere"
    refused(4, "nowhere", "knn", "build", tmp_path / "x.npy", "-k", 4, "-o", nowhere / "g")
    refused(4, "nowhere", "pca", "train", tmp_path / "x.npy", "-o", nowhere / "p.vt")
    for option, name in (("--storeL", "L.npy"), ("--storeLiters", "L_%d.npy"), ("--json", "r.json"), ("--predictions", "p.csv")):
        refused(4, "nowhere", "diffusion", "--data", data.root, "--work", tmp_path / "work", "--k", 4, "--pca", "none", option,
                nowhere / name)
    refused(4, "nowhere", "knn", "build", tmp_path / "x.npy", "-k", 4, "-o", tmp_path / "g", "--json", nowhere / "r.json")


def test_folder_in_the_place_of_a_file(refused, small_data, tmp_path):
    np.save(tmp_path / "x.npy", features())
    (tmp_path / "p.vt").mkdir()
    refused(4, r"p\.vt", "pca", "train", tmp_path / "x.npy", "-o", tmp_path / "p.vt")
    (tmp_path / "g_k4_D_11.float4").mkdir()
    refused(4, r"g_k4_D_11\.float4", "knn", "build", tmp_path / "x.npy", "-k", 4, "-o", tmp_path / "g")


def test_work_that_cannot_be_written(lowshot, refused, small_data, tmp_path):
    """A file where a folder must be: as good as a read-only directory, also for root."""
    data = small_data()
    (tmp_path / "work").write_text("")
    where = ["--data", data.root, "--work", tmp_path / "work"]
    refused(4, "cannot be written", "pca", "train", *where)
    refused(4, "cannot be written", "pca", "apply", *where)
    refused(4, "cannot be written", "knn", "build", *where, "--nbg", 100, "-k", 4)
    # An experiment needs no place: what it would keep is lost, and it says so.
    log = lowshot("diffusion", *where, "--nbg", 100, "--k", 4, "--niter", 1).stderr
    assert log.count("not kept") == 3  # PCA, background graph, static graph


def limited(size):
    """No file may grow beyond `size`, and the signal that says so is ignored: writing fails as on a full disk."""
    def set_limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return set_limit


@pytest.mark.parametrize("command", ["knn build", "knn build npy", "pca train", "pca apply", "storeL", "storeLiters", "predictions", "json"])
def test_files_that_cannot_grow(lowshot, refused, small_data, tmp_path, command):
    data = small_data()
    np.save(tmp_path / "x.npy", features(n=3000))
    lowshot("pca", "train", tmp_path / "x.npy", "-o", tmp_path / "pca.vt")
    diffusion = ["diffusion", "--data", data.root, "--work", tmp_path / "work", "--k", 4, "--pca", "none", "--niter", 5]
    arguments, size = {
        "knn build": (["knn", "build", tmp_path / "x.npy", "-k", 4, "-o", tmp_path / "g"], 4096),
        "knn build npy": (["knn", "build", tmp_path / "x.npy", "-k", 4, "-o", tmp_path / "g", "--format", "npy"], 4096),
        "pca train": (["pca", "train", tmp_path / "x.npy", "-o", tmp_path / "new.vt"], 300),
        "pca apply": (["pca", "apply", tmp_path / "x.npy", "--pca", tmp_path / "pca.vt", "-o", tmp_path / "y.raw"], 4096),
        "storeL": ([*diffusion, "--storeL", tmp_path / "L.npy"], 1024),
        "storeLiters": ([*diffusion, "--storeLiters", tmp_path / "L_%d.npy"], 256),
        "predictions": ([*diffusion, "--predictions", tmp_path / "p.csv"], 100),
        "json": ([*diffusion, "--json", tmp_path / "r.json"], 100),
    }[command]
    if arguments[0] == "diffusion":
        lowshot(*diffusion)  # what is kept is there already
    refused(4, os.strerror(errno.EFBIG), *arguments, preexec_fn=limited(size))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def test_full_disk(refused, tmp_path, small_disk):
    np.save(tmp_path / "x.npy", features(n=3000))
    refused(4, os.strerror(errno.ENOSPC), "knn", "build", tmp_path / "x.npy", "-k", 4, "-o", small_disk / "g")
    assert list(small_disk.iterdir()) == []
