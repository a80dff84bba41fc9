"""bench/data and bench/compare on the bundled set at small sizes: what a benchmark rests on is checked here, not its
times. The groups of bench/compare that need peers or the benchmark programs are run by hand."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ROOT / "data/cifar-lowshot"


def python(script, *arguments):
    command = [sys.executable, ROOT / "bench" / script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout or "null")


@pytest.fixture
def make(program, tmp_path):
    def run(name, *options):
        out = tmp_path / name
        return out, python("synthetic.py", "--data", BUNDLED, "--program", program, "--base", 3000, "--rows", 9000,
                           "--out", out, *options)

    return run


def test_generated_rows_are_like_the_real_ones_whatever_the_threads_and_shards(make):
    one, report = make("one.npy", "--threads", 1)
    shards, _ = make("shards", "--threads", 2, "--shards", 4, "--labels", 200, "--no-lid")
    x = np.load(one)
    assert np.array_equal(np.concatenate([np.load(shards / f"rows-{s}.npy") for s in range(4)]), x)
    assert x.shape == (9000, 96) and x.dtype == np.float32
    assert np.abs(np.linalg.norm(x, axis=1) - 1).max() < 1e-5
    assert len(np.unique(x, axis=0)) == 9000
    assert 0.7 < report["local_intrinsic_dimension"] / report["of_the_real_rows"] < 1.4
    # The spectrum stays: of rows without one, a tenth of the directions holds a tenth of the energy.
    energy = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    assert energy[:10].sum() > 0.3 * energy.sum()
    names = json.loads((BUNDLED / "label_idx.json").read_text())["label_names"]
    with open(shards / "labels.csv") as file:
        lines = list(csv.DictReader(file))
    assert {line["label"] for line in lines} <= set(names) and len({line["row"] for line in lines}) == len(lines) <= 200


def test_recall_counts_what_is_returned(tmp_path):
    random = np.random.default_rng(0)
    x = random.standard_normal((300, 8)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    similar = x @ x.T
    np.fill_diagonal(similar, 2)
    exact = np.argsort(-similar, axis=1)[:, :11]
    np.fill_diagonal(similar, 1)
    worse = exact.copy()
    worse[:, 10] = np.argmin(similar, axis=1)  # one of ten true neighbours is missing
    worse[:100, 9] = worse[:100, 8]  # and in a third of the rows one is there twice
    for name, ids in (("exact", exact), ("worse", worse)):
        np.save(tmp_path / f"{name}.npy", ids.astype(np.int32))
        np.save(tmp_path / f"{name}-similarities.npy", np.take_along_axis(similar, ids, 1))
    np.save(tmp_path / "x.npy", x)
    python("peers/recall.py", "truth", tmp_path / "x.npy", tmp_path / "truth.npz", "--k", 11, "--sample", 300)

    def check(name):
        files = [tmp_path / "truth.npz", tmp_path / "x.npy", tmp_path / f"{name}.npy"]
        return python("peers/recall.py", "check", *files)["recall"]

    assert check("exact") == 1
    assert check("worse") == pytest.approx((200 * 0.9 + 100 * 0.8) / 300)
    worse[:100, 9] = exact[:100, 9]
    np.save(tmp_path / "worse.npy", worse.astype(np.int32))
    files = [tmp_path / f"{name}{part}.npy" for name in ("worse", "exact") for part in ("", "-similarities")]
    assert python("peers/recall.py", "all", *files)["recall"] == pytest.approx(0.9)


def test_compare_runs_the_f1m_experiment_in_small(program, tmp_path):
    sets = tmp_path / "sets"
    command = [sys.executable, ROOT / "bench/compare", "f1m", "--data", BUNDLED, "--sets", sets, "--scale", "0.003",
               "--built", Path(program).parent, "--python", sys.executable, "--json", tmp_path / "figures.json",
               "--markdown", tmp_path / "tables.md"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    runs = json.loads((tmp_path / "figures.json").read_text())["groups"]["f1m"]["raw"]
    assert [run["classes"] for run in runs] == [507, 507] and len(runs[0]["iterations"]) == 4
    # Better than chance, 5 of 507, by far: the classes are there.
    assert runs[0]["iterations"][-1]["top5_all"] > 0.2
    assert "| nothing stored |" in (tmp_path / "tables.md").read_text()
