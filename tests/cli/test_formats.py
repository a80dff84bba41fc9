"""Files of other programs (numpy, h5py, Faiss) read by lowshot, and files of lowshot read by them, through the program."""

import os
import subprocess

import faiss
import h5py
import numpy as np
import pytest

PROGRAM = os.environ["LOWSHOT_PROGRAM"]
K = 4


def run(*arguments, expect=0):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == expect, done.stderr
    return done


def close_to(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


@pytest.fixture(scope="module")
def rows():
    """300 x 24 values that float16 holds exactly, so that every format below holds the same numbers."""
    return np.random.default_rng(7).standard_normal((300, 24)).astype("f2").astype("f4")


def neighbours(path, directory, *options):
    run("knn", "build", path, "-k", K, "-o", directory / "graph", *options)
    return np.fromfile(directory / f"graph_k{K}_I_11.int{K}", "<i4").reshape(-1, K)


@pytest.fixture(scope="module")
def expected(rows):
    unit = rows.astype("f8") / np.linalg.norm(rows.astype("f8"), axis=1, keepdims=True)
    return np.argsort(-(unit @ unit.T), axis=1, kind="stable")[:, :K]


# --- numpy -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_npy_of_numpy(rows, expected, tmp_path, dtype, version):
    with open(tmp_path / "rows.npy", "wb") as file:
        np.lib.format.write_array(file, rows.astype("<" + dtype), version=version)
    np.testing.assert_array_equal(neighbours(tmp_path / "rows.npy", tmp_path), expected)


def test_numpy_reads_npy(rows, expected, tmp_path):
    np.save(tmp_path / "rows.npy", rows)
    run("knn", "build", tmp_path / "rows.npy", "-k", K, "-o", tmp_path / "graph", "--format", "npy")
    ids = np.load(tmp_path / f"graph_k{K}_I_11.npy")
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(ids, expected)
    similarities = np.load(tmp_path / f"graph_k{K}_D_11.npy")
    assert similarities.dtype == np.float32 and similarities.shape == ids.shape


@pytest.mark.parametrize("array, message", [
    (np.asfortranarray(np.ones((4, 3), "f4")), "fortran_order"),
    (np.ones((4, 3), ">f4"), "big-endian"),
    (np.array([[1, "x"]], object), "pickled"),
    (np.ones((4, 3), "c8"), "<c8"),
    (np.ones(4, [("a", "f4"), ("b", "f4")]), "several fields"),
    (np.ones((4, 3), "u1"), "|u1"),
    (np.ones((4, 3), "<i4"), "int32"),
    (np.ones(12, "f4"), "two-dimensional"),
])
def test_npy_that_is_refused(tmp_path, array, message):
    np.save(tmp_path / "rows.npy", array, allow_pickle=True)
    done = run("knn", "build", tmp_path / "rows.npy", "-k", K, "-o", tmp_path / "graph", expect=3)
    assert message in done.stderr and str(tmp_path / "rows.npy") in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rows.npy"]


# --- h5py --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [
    {},
    {"chunks": (100, 24)},
    {"chunks": (7, 5), "compression": "gzip"},
    {"chunks": (100, 24), "compression": "gzip", "shuffle": True},
    {"chunks": (300, 24), "compression": "gzip", "compression_opts": 9, "shuffle": True, "fletcher32": True},
    {"chunks": (64, 24), "compression": "gzip", "shuffle": True, "maxshape": (None, 24)},
])
@pytest.mark.parametrize("dtype", ["f2", "f4"])
@pytest.mark.parametrize("libver", ["earliest", "v108"])
def test_hdf5_of_h5py(rows, expected, tmp_path, options, dtype, libver):
    """Also with fewer valid rows than allocated ones, as the original's writer leaves them."""
    with h5py.File(tmp_path / "rows.hdf5", "w", libver=(libver, "v110")) as file:
        allocated = np.concatenate([rows, np.full((52, 24), np.nan, "f4")]).astype(dtype)
        file.create_dataset("all_feats", data=allocated, **options)
        file["all_labels"] = np.zeros(352, "i4")
        file["count"] = np.array([300], "i4")
    np.testing.assert_array_equal(neighbours(tmp_path / "rows.hdf5", tmp_path), expected)


@pytest.mark.parametrize("make, message", [
    (lambda file, rows: file.create_dataset("all_feats", data=rows, compression="lzf"), "lzf"),
    (lambda file, rows: file.create_dataset("all_feats", data=rows.astype("f8")), "8-byte"),
    (lambda file, rows: file.create_dataset("feats", data=rows), "'all_feats' is missing"),
    (lambda file, rows: (file.create_dataset("all_feats", data=rows), file.create_dataset("count", data=[301])), "count is 301"),
    (lambda file, rows: file.create_dataset("all_feats", shape=(1 << 40, 24), dtype="f4", chunks=(1000, 24)), "0 bytes are stored"),
])
def test_hdf5_that_is_refused(rows, tmp_path, make, message):
    with h5py.File(tmp_path / "rows.hdf5", "w") as file:
        make(file, rows)
    done = run("knn", "build", tmp_path / "rows.hdf5", "-k", K, "-o", tmp_path / "graph", expect=3)
    assert message in done.stderr and str(tmp_path / "rows.hdf5") in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rows.hdf5"]


# --- Faiss indexes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lists", [1, 8, 900])  # 900 lists of 300 rows: Faiss stores the sizes sparsely
@pytest.mark.parametrize("direct_map", [0, 1, 2])
def test_index_of_faiss_stands_for_its_rows(rows, expected, tmp_path, lists, direct_map):
    quantizer = faiss.IndexFlatL2(24)
    quantizer.add(np.random.default_rng(3).standard_normal((lists, 24)).astype("f4"))
    index = faiss.IndexIVFFlat(quantizer, 24, lists, faiss.METRIC_INNER_PRODUCT)
    index.is_trained = True
    index.add(rows)
    index.set_direct_map_type(direct_map)
    faiss.write_index(index, str(tmp_path / "rows.index"))
    assert (b"sprs" in (tmp_path / "rows.index").read_bytes()) == (lists == 900)
    np.testing.assert_array_equal(neighbours(tmp_path / "rows.index", tmp_path), expected)


def test_other_indexes_are_refused(rows, tmp_path):
    flat = faiss.IndexFlatIP(24)
    flat.add(rows)
    faiss.write_index(flat, str(tmp_path / "rows.index"))
    done = run("knn", "build", tmp_path / "rows.index", "-k", K, "-o", tmp_path / "graph", expect=3)
    assert "IndexIVFFlat" in done.stderr


# --- Faiss transforms --------------------------------------------------------------------------------------------------


def applied(tmp_path, transform):
    run("pca", "apply", tmp_path / "rows.npy", "--pca", transform, "-o", tmp_path / "small.npy")
    return np.load(tmp_path / "small.npy")


@pytest.mark.parametrize("dim", [1, 10, 24])
def test_faiss_reads_a_trained_pca(rows, tmp_path, dim):
    np.save(tmp_path / "rows.npy", rows)
    run("pca", "train", tmp_path / "rows.npy", "-o", tmp_path / "a.vt", "--dim", dim)
    owner = faiss.read_VectorTransform(str(tmp_path / "a.vt"))  # the downcast only looks at it
    transform = faiss.downcast_VectorTransform(owner)
    assert isinstance(transform, faiss.PCAMatrix)
    assert (transform.d_in, transform.d_out, transform.is_trained) == (24, dim, True)
    close_to(applied(tmp_path, tmp_path / "a.vt"), transform.apply(rows))
    np.testing.assert_allclose(faiss.vector_to_array(transform.mean), rows.mean(0), atol=1e-5)


@pytest.mark.parametrize("rotation", [False, True])
def test_pca_of_faiss(rows, tmp_path, rotation):
    np.save(tmp_path / "rows.npy", rows)
    transform = faiss.PCAMatrix(24, 10, 0, rotation)
    transform.train(rows)
    faiss.write_VectorTransform(transform, str(tmp_path / "a.vt"))
    close_to(applied(tmp_path, tmp_path / "a.vt"), transform.apply(rows))


@pytest.mark.parametrize("bias", [False, True])
def test_linear_transform_of_faiss(rows, tmp_path, bias):
    np.save(tmp_path / "rows.npy", rows)
    random = np.random.default_rng(5)
    transform = faiss.LinearTransform(24, 6, bias)
    faiss.copy_array_to_vector(random.standard_normal(24 * 6).astype("f4"), transform.A)
    if bias:
        faiss.copy_array_to_vector(random.standard_normal(6).astype("f4"), transform.b)
    transform.is_trained = True
    faiss.write_VectorTransform(transform, str(tmp_path / "a.vt"))
    close_to(applied(tmp_path, tmp_path / "a.vt"), transform.apply(rows))


def test_a_transform_of_another_dimension_or_kind_is_refused(rows, tmp_path):
    np.save(tmp_path / "rows.npy", rows[:, :20])
    transform = faiss.PCAMatrix(24, 10)
    transform.train(rows)
    faiss.write_VectorTransform(transform, str(tmp_path / "a.vt"))
    done = run("pca", "apply", tmp_path / "rows.npy", "--pca", tmp_path / "a.vt", "-o", tmp_path / "b.npy", expect=3)
    assert "24" in done.stderr and "20" in done.stderr
    faiss.write_VectorTransform(faiss.NormalizationTransform(20), str(tmp_path / "n.vt"))
    done = run("pca", "apply", tmp_path / "rows.npy", "--pca", tmp_path / "n.vt", "-o", tmp_path / "b.npy", expect=3)
    assert "PCAMatrix" in done.stderr
    assert not (tmp_path / "b.npy").exists()


# --- damaged files -----------------------------------------------------------------------------------------------------


def whole_files(directory, rows):
    np.save(directory / "a.npy", rows)
    rows.tofile(directory / "a.raw")
    with h5py.File(directory / "a.hdf5", "w") as file:
        file.create_dataset("all_feats", data=rows, chunks=(50, 24), compression="gzip", shuffle=True)
    quantizer = faiss.IndexFlatL2(24)
    quantizer.add(rows[:3])
    index = faiss.IndexIVFFlat(quantizer, 24, 3, faiss.METRIC_INNER_PRODUCT)
    index.is_trained = True
    index.add(rows)
    faiss.write_index(index, str(directory / "a.index"))


@pytest.mark.parametrize("name", ["a.npy", "a.raw", "a.hdf5", "a.index"])
def test_truncated_and_resized_files(rows, tmp_path, name):
    whole_files(tmp_path, rows)
    content = (tmp_path / name).read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    dim = ["--dim", 24] if name == "a.raw" else []
    for size in [0, 1, 3, 100, len(content) // 2 + 1, len(content) - 1, len(content) + 1]:
        if size == 0 and name == "a.raw":
            continue  # no rows: told apart below by what knn says about them
        (other / name).write_bytes((content + b"x")[:size])
        done = run("knn", "build", other / name, "-k", K, "-o", other / "graph", *dim, expect=3)
        assert done.stderr.startswith("lowshot: ") and str(other / name) in done.stderr, done.stderr
        assert sorted(p.name for p in other.iterdir()) == [name], size


@pytest.mark.parametrize("name", ["absent.npy", "absent.hdf5", "absent.index", "folder.npy"])
def test_files_that_cannot_be_opened(tmp_path, name):
    (tmp_path / "folder.npy").mkdir()
    done = run("knn", "build", tmp_path / name, "-k", K, "-o", tmp_path / "graph", expect=3)
    assert str(tmp_path / name) in done.stderr
