"""Plans: what --dry-run says of time, and data larger than --memory. The figures are compared with the job itself."""

import json
import os
import re
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest

# Estimates are good to 1.5 on a quiet machine. The machines that run these tests are shared, and whatever is beside
# takes from the job or from the calibration a moment before, so 2.5 is what fails here: it still catches an estimate
# that scales wrongly, which is off by far more.
NOISE = 2.5


def estimate(lowshot, tmp_path, *arguments):
    out = lowshot(*arguments, "--dry-run", "--json", tmp_path / "plan.json").stdout
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert re.search(r"Time: about .* on this machine \(.*\)", out), out
    assert abs(sum(plan["estimated_seconds_by_stage"].values()) - plan["estimated_seconds"]) < 1e-6
    return plan["estimated_seconds"]


def least_time(lowshot, repeats, *arguments):
    times = []
    for _ in range(repeats):
        start = time.monotonic()
        lowshot(*arguments)
        times.append(time.monotonic() - start)
    return min(times)


def larger_rows(bundled_data, copies):
    """The bundled training rows again and again, each time moved a little."""
    with h5py.File(bundled_data / "features/train.hdf5") as file:
        rows = file["all_feats"][:].astype(np.float32)
    random = np.random.default_rng(3)
    spread = rows.std(axis=0) * 0.5
    return np.concatenate([rows + spread * random.standard_normal(rows.shape, np.float32) for _ in range(copies)])


@pytest.mark.parametrize("copies", [1, 3])  # exact, by join
def test_time_of_a_graph(lowshot, bundled_data, tmp_path, copies):
    np.save(tmp_path / "x.npy", larger_rows(bundled_data, copies))
    build = ["knn", "build", tmp_path / "x.npy", "-o", tmp_path / "g"]
    expected = estimate(lowshot, tmp_path, *build)
    assert not list(tmp_path.glob("g_*"))
    taken = least_time(lowshot, 3 if copies == 1 else 2, *build)
    assert taken / NOISE < expected < taken * NOISE


def test_time_of_experiments(lowshot, bundled_data, tmp_path):
    table = ["diffusion", "--data", bundled_data, "--nbg", 60000, "--seed", "1-4", "--niter", 5]
    expected = estimate(lowshot, tmp_path, *table, "--work", tmp_path / "work")
    assert not (tmp_path / "work").exists()
    taken = min(least_time(lowshot, 1, *table, "--work", tmp_path / str(i)) for i in range(2))
    assert taken / NOISE < expected < taken * NOISE


def test_time_of_labels(lowshot, bundled_data, tmp_path):
    label = ["label", bundled_data / "features/train.hdf5", "--labels", bundled_data / "label-example/labels.csv"]
    expected = estimate(lowshot, tmp_path, *label, "-o", tmp_path / "o.csv")
    taken = min(least_time(lowshot, 1, *label, "-o", tmp_path / f"{i}.csv") for i in range(3))
    assert taken / NOISE < expected < taken * NOISE


def test_time_of_regressions(lowshot, bundled_data, tmp_path):
    logreg = ["logreg", "--data", bundled_data, "--nlabeled", 5, "--maxiter", 10000]
    expected = estimate(lowshot, tmp_path, *logreg)
    assert least_time(lowshot, 2, *logreg) / NOISE < expected


# --- larger than memory ------------------------------------------------------------------------------------------------

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
    """The graph is streamed, the diffusion narrowed: nearly the labels that come out with all the memory there is."""
    with h5py.File(bundled_data / "features/train.hdf5") as file:
        classes = file["all_labels"][:]
    random = np.random.RandomState(1)
    chosen = np.concatenate([random.choice(np.flatnonzero(classes == c), 5, False) for c in np.unique(classes)])
    (tmp_path / "labels.csv").write_text("row,label\n" + "".join(f"{row},{classes[row]}\n" for row in chosen))
    for name, memory in (("large", []), ("small", ["--memory", "120M"])):
        lowshot("label", large, "--labels", tmp_path / "labels.csv", "--k", 16, "-o", tmp_path / f"{name}.npy", "--format", "npy",
                "--json", tmp_path / f"{name}.json", *memory)
    assert json.loads((tmp_path / "small.json").read_text())["peak_rss_bytes"] <= 120 << 20
    answers = [np.load(tmp_path / f"{name}.npy", allow_pickle=False) for name in ("large", "small")]
    if answers[0].dtype.names:
        answers = [a[a.dtype.names[0]] for a in answers]
    same = (answers[0].reshape(len(answers[0]), -1)[:, 0] == answers[1].reshape(len(answers[1]), -1)[:, 0]).mean()
    assert same > 0.95
    assert not list(tmp_path.rglob("*.rows"))
