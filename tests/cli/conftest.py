"""What the command-line tests share: the program, data directories made for a test, the bundled and the full data set."""

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def program():
    path = Path(os.environ.get("LOWSHOT_PROGRAM", ROOT / "build/release/lowshot"))
    assert path.exists(), f"{path} is not there: build it, or name the program in LOWSHOT_PROGRAM"
    return path


@pytest.fixture(scope="session")
def lowshot(program):
    """lowshot(arguments, code=0): runs the program, checks its exit code, returns the finished process (text)."""

    def run(*arguments, code=0, **options):
        environment = {k: v for k, v in os.environ.items() if k != "DDIR"} | options.pop("env", {})
        options.setdefault("stdout", subprocess.PIPE)
        done = subprocess.run([program, *map(str, arguments)], stderr=subprocess.PIPE, text=True, env=environment,
                              timeout=300, **options)
        assert done.returncode == code, f"exit code {done.returncode}, expected {code}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture
def refused(lowshot, tmp_path):
    """refused(code, pattern, arguments): the program ends with that code and one line that matches, and nothing in the
    test's folder has changed."""

    def run(code, pattern, *arguments, **options):
        before = snapshot(tmp_path)
        done = lowshot(*arguments, code=code, **options)
        lines = [line for line in done.stderr.splitlines() if line.startswith("lowshot: ")]
        assert len(lines) == 1 and done.stderr.splitlines()[-1] == lines[0], done.stderr
        assert re.search(pattern, lines[0]), lines[0]
        assert snapshot(tmp_path) == before
        return done

    return run


def snapshot(folder):
    return {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in sorted(folder.rglob("*")) if not path.is_dir()}


@pytest.fixture(scope="session")
def bundled_data():
    return ROOT / "data/cifar-lowshot"


@pytest.fixture(scope="session")
def full_data():
    path = Path(os.environ.get("LOWSHOT_FULL_DATA", ROOT / "../shared/data/lowshot-cifar"))
    if not (path / "label_idx.json").exists():
        pytest.skip("the full data set is not there (LOWSHOT_FULL_DATA names its folder)")
    return path


def write_hdf5(path, features, labels, count=None, spare=0):
    """The original's file; `spare` rows behind the valid ones, as its writer leaves them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        padded = np.concatenate([features, np.full((spare, features.shape[1]), 7, features.dtype)])
        file.create_dataset("all_feats", data=padded, chunks=(min(64, len(padded)), features.shape[1]), compression="gzip",
                            shuffle=True)
        file.create_dataset("all_labels", data=np.concatenate([labels, np.zeros(spare, np.int32)]).astype(np.int32))
        file.create_dataset("count", data=np.array([len(features) if count is None else count], np.int32))


@dataclass
class SmallData:
    """A data directory of a few hundred rows: `classes` classes, half of them in each class set, half of those novel."""

    root: Path
    train: np.ndarray = field(repr=False)
    val: np.ndarray = field(repr=False)
    background: np.ndarray = field(repr=False)
    train_labels: np.ndarray = field(repr=False)
    val_labels: np.ndarray = field(repr=False)
    lists: dict = field(repr=False)

    def write(self):
        write_hdf5(self.root / "features/train.hdf5", self.train, self.train_labels)
        write_hdf5(self.root / "features/val.hdf5", self.val, self.val_labels, spare=3)
        write_hdf5(self.root / "features/f100m/block0.hdf5", self.background, np.zeros(len(self.background)))
        (self.root / "label_idx.json").write_text(json.dumps(self.lists))
        return self

    @property
    def block(self):
        return self.root / "features/f100m/block0.hdf5"

    def graph(self, rows, k):
        """The names of the stored graph of the first rows: ids, similarities."""
        folder = self.root / "knngraph"
        folder.mkdir(exist_ok=True)
        return folder / f"ndis{rows}_k{k}_I_11.int{k}", folder / f"ndis{rows}_k{k}_D_11.float{k}"


@pytest.fixture
def small_data(tmp_path):
    """small_data(seed, ...): writes a SmallData below the test's folder."""

    def make(name="data", seed=1, dim=16, classes=8, per_class=10, background=200, dtype=np.float32):
        random = np.random.default_rng(seed)
        centres = random.normal(size=(classes, dim))

        def rows(count):
            labels = np.repeat(np.arange(classes), count)
            random.shuffle(labels)
            return (centres[labels] + random.normal(size=(len(labels), dim))).astype(dtype), labels

        train, train_labels = rows(per_class)
        val, val_labels = rows(5)
        unlabelled = centres[random.integers(classes, size=background)] + random.normal(size=(background, dim))
        ids = list(range(1, classes + 1))
        quarter = classes // 4
        parts = [ids[i * quarter:(i + 1) * quarter] for i in range(4)]
        lists = {"label_names": [f"class {i}" for i in ids], "base_classes_1": parts[0], "novel_classes_1": parts[1],
                 "base_classes_2": parts[2], "novel_classes_2": parts[3]}
        return SmallData(tmp_path / name, train, val, unlabelled.astype(dtype), train_labels, val_labels, lists).write()

    return make
