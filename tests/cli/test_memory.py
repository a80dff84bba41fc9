"""Data larger than --memory: the plan that --dry-run prints, and the job itself."""

import json
import os
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest
from rows import larger_rows

LIMIT = 96 << 20


@pytest.fixture(scope="module")
def large(bundled_data, tmp_path_factory):
    """Rows whose search takes some 120 MiB beside the program."""
    path = tmp_path_factory.mktemp("large") / "x.npy"
    np.save(path, larger_rows(bundled_data, 2))
    return path


def table_bytes(prefix):
    return [path.read_bytes() for path in sorted(prefix.parent.glob(f"{prefix.name}_k*")) if path.suffix != ".json"]


def test_a_graph_within_memory(lowshot, large, tmp_path):
    build = ["knn", "build", large, "-k", 16, "--memory", str(LIMIT)]
    plan = lowshot(*build, "-o", tmp_path / "g", "--dry-run").stdout
    assert "do not fit memory" in plan and "scratch files take about" in plan and "it fits" in plan
    done = lowshot(*build, "-o", tmp_path / "g", "--json", tmp_path / "g.json")
    assert "do not fit memory" in done.stderr
    result = json.loads((tmp_path / "g.json").read_text())
    assert result["peak_rss_bytes"] <= LIMIT
    assert result["streamed"]["parts"] > 2 and result["recall"] >= 0.95
    assert f"recall {result['recall']:.3f}" in done.stdout
    lowshot("knn", "check", large, tmp_path / "g", "--json", tmp_path / "check.json")
    check = json.loads((tmp_path / "check.json").read_text())
    assert check["usable"] and check["repeated_ids"] == 0 and check["unsorted_rows"] == 0
    assert check["similarities_wrong"] == 0 and abs(check["recall"] - result["recall"]) < 0.02
    assert not (tmp_path / "g.scratch").exists()


def test_a_killed_graph_goes_on(program, lowshot, large, tmp_path):
    build = ["knn", "build", large, "-k", 16, "--memory", str(LIMIT), "--threads", 1]
    lowshot(*build, "-o", tmp_path / "whole")
    scratch = tmp_path / "elsewhere/g.scratch"
    command = [*build, "-o", tmp_path / "g", "--scratch", scratch.parent, "--json", tmp_path / "g.json"]
    scratch.parent.mkdir()
    process = subprocess.Popen([program, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (scratch / "cell00000.json").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert scratch.exists() and not table_bytes(tmp_path / "g")
    lowshot(*command)
    assert json.loads((tmp_path / "g.json").read_text())["streamed"]["resumed_parts"] >= 1
    assert table_bytes(tmp_path / "g") == table_bytes(tmp_path / "whole")
    assert not scratch.exists()


def test_skipped_rows_within_memory(lowshot, large, tmp_path):
    (tmp_path / "bad.csv").write_text("row\n7\n8\n30000\n")
    lowshot("knn", "build", large, "-k", 16, "--memory", str(LIMIT), "-o", tmp_path / "g", "--skip-rows", tmp_path / "bad.csv")
    ids = np.fromfile(tmp_path / "g_k16_I_11.int16", np.int32).reshape(-1, 16)
    assert len(ids) == len(np.load(large, mmap_mode="r"))
    assert (ids[[7, 8, 30000]] == -1).all() and not np.isin(ids, [7, 8, 30000]).any()
    others = np.delete(np.arange(len(ids)), [7, 8, 30000])
    assert (ids[others] == others[:, None]).any(axis=1).all()


def test_too_little_is_refused(refused, large, tmp_path):
    refused(4, "even piece by piece this search needs .* beside the program, .* raise --memory", "knn", "build", large, "-o",
            tmp_path / "g", "--memory", "64100K")


def test_a_full_disk_is_said(lowshot, large, tmp_path):
    def no_large_files():
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    done = lowshot("knn", "build", large, "-k", 16, "--memory", str(LIMIT), "-o", tmp_path / "g", code=4,
                   preexec_fn=no_large_files)
    assert "scratch file cannot be written" in done.stderr and "--scratch" in done.stderr
    assert not table_bytes(tmp_path / "g")


def test_labels_within_memory(lowshot, bundled_data, large, tmp_path):
    """The graph is streamed, the diffusion narrowed, the classifier's sample smaller: as many right labels, nearly, as with all
    the memory there is."""
    with h5py.File(bundled_data / "features/train.hdf5") as file:
        classes = file["all_labels"][:]
    random = np.random.RandomState(1)
    chosen = np.concatenate([random.choice(np.flatnonzero(classes == c), 5, False) for c in np.unique(classes)])
    (tmp_path / "labels.csv").write_text("row,label\n" + "".join(f"{row},{classes[row]}\n" for row in chosen))
    answers = {}
    # Both are streamed; the classifier's smallest sample takes more than that.
    for recipe, limit in (("auto", 120), ("graph", 100)):
        for name, memory in (("large", []), ("small", ["--memory", f"{limit}M"])):
            done = lowshot("label", large, "--labels", tmp_path / "labels.csv", "--k", 16, "-o", tmp_path / f"{name}.npy", "--format", "npy",
                           "--json", tmp_path / f"{name}.json", "--recipe", recipe,
                           "--work", tmp_path / f"{recipe}-{name}", *memory)
            assert ("cells of at most" in done.stderr) == (name == "small")
            numbers = np.array([int(c) for c in json.loads((tmp_path / f"{name}.classes.json").read_text())])
            answers[recipe, name] = numbers[np.load(tmp_path / f"{name}.npy")[:, 0]]
        assert json.loads((tmp_path / "small.json").read_text())["peak_rss_bytes"] <= limit << 20
    right = {key: (answer[:len(classes)] == classes).mean() for key, answer in answers.items()}
    assert right["graph", "small"] > right["graph", "large"] - 0.01, right
    assert right["auto", "small"] > right["auto", "large"] - 0.03 and right["auto", "small"] > right["graph", "large"], right
    assert not list(tmp_path.rglob("*.rows"))
