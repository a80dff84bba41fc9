"""lowshot pca: against numpy and the Faiss wheel, and what --data writes."""

import json

import faiss
import numpy as np
import pytest


def rows(n=500, dim=24, seed=3):
    random = np.random.default_rng(seed)
    return (random.normal(size=(n, dim)) @ random.normal(size=(dim, dim)) + 2).astype(np.float32)


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def test_faiss_reads_and_applies_it(lowshot, tmp_path):
    x = rows()
    np.save(tmp_path / "x.npy", x)
    lowshot("pca", "train", tmp_path / "x.npy", "-o", tmp_path / "pca.vt", "--dim", 10)
    lowshot("pca", "apply", tmp_path / "x.npy", "--pca", tmp_path / "pca.vt", "-o", tmp_path / "y.npy")
    y = np.load(tmp_path / "y.npy")
    assert y.shape == (500, 10) and y.dtype == np.float32
    theirs = faiss.read_VectorTransform(str(tmp_path / "pca.vt"))
    assert type(faiss.downcast_VectorTransform(theirs)) is faiss.PCAMatrix
    assert relative(y, theirs.apply(x)) < 1e-4


def test_it_reads_what_faiss_writes(lowshot, tmp_path):
    x = rows()
    pca = faiss.PCAMatrix(24, 7, 0, True)
    pca.train(x)
    faiss.write_VectorTransform(pca, str(tmp_path / "pca.vt"))
    x.tofile(tmp_path / "x.raw")
    lowshot("pca", "apply", tmp_path / "x.raw", "--raw-dim", 24, "--pca", tmp_path / "pca.vt", "-o", tmp_path / "y.raw")
    assert relative(np.fromfile(tmp_path / "y.raw", np.float32).reshape(-1, 7), pca.apply(x)) < 1e-4


def test_axes_are_numpys(lowshot, tmp_path):
    x = rows(dim=12)
    np.save(tmp_path / "x.npy", x)
    lowshot("pca", "train", tmp_path / "x.npy", "-o", tmp_path / "pca.vt", "--dim", 5, "--no-rotation")
    pca = faiss.read_VectorTransform(str(tmp_path / "pca.vt"))
    a = faiss.vector_to_array(faiss.downcast_VectorTransform(pca).A)
    axes = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:5]
    assert np.abs(np.sum(a.reshape(5, 12) * axes, axis=1)) == pytest.approx(1, abs=1e-5)


def test_rows_and_several_files(lowshot, tmp_path):
    x = rows()
    np.save(tmp_path / "a.npy", x[:200])
    np.save(tmp_path / "b.npy", x[200:].astype(np.float64))
    np.save(tmp_path / "part.npy", x[150:260])
    lowshot("pca", "train", tmp_path / "a.npy", tmp_path / "b.npy", "--rows", "150:260", "-o", tmp_path / "one.vt", "--dim", 4)
    lowshot("pca", "train", tmp_path / "part.npy", "-o", tmp_path / "two.vt", "--dim", 4)
    assert (tmp_path / "one.vt").read_bytes() == (tmp_path / "two.vt").read_bytes()


def test_data_directory(lowshot, small_data, tmp_path):
    data = small_data()
    work, result = tmp_path / "work", tmp_path / "result.json"
    lowshot("pca", "train", "--data", data.root, "--work", work, "--json", result)
    assert json.loads(result.read_text())["made"] is True
    lowshot("pca", "apply", "--data", data.root, "--work", work)
    pca = faiss.read_VectorTransform(str(work / "features/PCAR256.vt"))
    y = np.fromfile(work / "features/f100m/concatenated_PCAR256.raw", np.float32).reshape(-1, 16)
    assert relative(y, pca.apply(data.background)) < 1e-4
    assert not (data.root / "features/PCAR256.vt").exists()

    # Nothing is made twice, and everything again from other data.
    times = [(work / name).stat().st_mtime_ns for name in ("features/PCAR256.vt", "features/f100m/concatenated_PCAR256.raw")]
    assert "up to date" in lowshot("pca", "train", "--data", data.root, "--work", work, "--json", result).stdout
    assert json.loads(result.read_text())["made"] is False
    assert "up to date" in lowshot("pca", "apply", "--data", data.root, "--work", work).stdout
    assert times == [(work / name).stat().st_mtime_ns
                     for name in ("features/PCAR256.vt", "features/f100m/concatenated_PCAR256.raw")]
    data.background = data.background[::-1] * np.float32(2)
    data.write()
    lowshot("pca", "apply", "--data", data.root, "--work", work)
    pca = faiss.read_VectorTransform(str(work / "features/PCAR256.vt"))
    y = np.fromfile(work / "features/f100m/concatenated_PCAR256.raw", np.float32).reshape(-1, 16)
    assert relative(y, pca.apply(np.ascontiguousarray(data.background))) < 1e-4


def test_stale_background_is_not_used(lowshot, small_data, tmp_path):
    """diffusion passes over a concatenated_PCAR256.raw of --work that comes from other blocks."""
    data = small_data()
    common = ["diffusion", "--data", data.root, "--work", tmp_path / "work", "--nbg", 200, "--k", 4, "--niter", 1]
    lowshot("pca", "apply", "--data", data.root, "--work", tmp_path / "work")
    assert "concatenated_PCAR256.raw" in lowshot(*common).stderr
    data.background = data.background[::-1].copy()
    data.write()
    assert "concatenated_PCAR256.raw" not in lowshot(*common).stderr


def test_foreign_files_are_not_replaced(refused, small_data):
    data = small_data()
    (data.root / "features/PCAR256.vt").write_bytes(b"somebody's")
    refused(2, "not made by this program.*PCAR256.vt", "pca", "train", "--data", data.root)
    (data.root / "features/PCAR256.vt").unlink()
    (data.root / "features/f100m/concatenated_PCAR256.raw").write_bytes(b"somebody's")
    refused(2, "not made by this program.*PCAR256.raw", "pca", "apply", "--data", data.root)


def test_threads_and_instruction_sets_do_not_matter(lowshot, tmp_path):
    np.save(tmp_path / "x.npy", rows(n=3000))
    for name, options in {"1": ["--threads", 1], "2": ["--threads", 2]}.items():
        lowshot("pca", "train", tmp_path / "x.npy", "-o", tmp_path / f"{name}.vt", *options)
        lowshot("pca", "apply", tmp_path / "x.npy", "--pca", tmp_path / f"{name}.vt", "-o", tmp_path / f"{name}.raw", *options)
    assert (tmp_path / "1.vt").read_bytes() == (tmp_path / "2.vt").read_bytes()
    assert (tmp_path / "1.raw").read_bytes() == (tmp_path / "2.raw").read_bytes()


def test_dry_run_writes_nothing(lowshot, small_data, tmp_path):
    data = small_data()
    for command in ("train", "apply"):
        out = lowshot("pca", command, "--data", data.root, "--work", tmp_path / "work", "--dry-run").stdout
        assert "Nothing is computed" in out
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("arguments, pattern", [
    (["train"], "no descriptors are named"),
    (["train", "x.npy"], "-o"),
    (["train", "x.npy", "-o", "y.vt", "--data", "."], "exclude each other"),
    (["train", "x.npy", "-o", "y.vt", "--dim", "0"], "--dim"),
    (["apply", "x.npy", "-o", "y.raw"], "--pca"),
    (["apply", "--data", ".", "--pca", "x.vt"], "the PCA is the data directory's"),
])
def test_usage(refused, arguments, pattern):
    refused(2, pattern, "pca", *arguments)


def test_published_pca(lowshot, full_data, tmp_path):
    """The full set's own PCA, made by Faiss, gives the stored rows."""
    lowshot("pca", "apply", full_data / "features/f100m/block0.hdf5", "--rows", ":100", "--pca",
            full_data / "expected/PCAR256.vt", "-o", tmp_path / "y.npy")
    assert relative(np.load(tmp_path / "y.npy"), np.load(full_data / "expected/background_first_100_pca256.npy")) < 1e-4
