"""The time that --dry-run says, compared with the job itself. No other test runs beside these (tests/CMakeLists.txt)."""

import json
import re
import time

import numpy as np
import pytest
from rows import larger_rows

# Estimates are good to 1.5 on a quiet machine. The machines that run these tests are shared with others, and what they
# do takes from the job or from the calibration a moment before. So both are repeated by turns until their least values
# agree, and 2 is what fails here: an estimate that scales wrongly is off by more, however often it is repeated.
NOISE, TURNS = 2, 6


def estimate(lowshot, tmp_path, *arguments):
    out = lowshot(*arguments, "--dry-run", "--json", tmp_path / "plan.json").stdout
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert re.search(r"Time: about .* on this machine \(.*\)", out), out
    assert abs(sum(plan["estimated_seconds_by_stage"].values()) - plan["estimated_seconds"]) < 1e-6
    return plan["estimated_seconds"]


def duration(lowshot, *arguments):
    start = time.monotonic()
    lowshot(*arguments)
    return time.monotonic() - start


def assert_agree(estimated, taken):
    """Both are called by turns; each counts by its least value so far."""
    expected = real = np.inf
    for turn in range(TURNS):
        expected, real = min(expected, estimated()), min(real, taken(turn))
        if real / NOISE < expected < real * NOISE:
            return
    pytest.fail(f"{expected:.2f} s expected, {real:.2f} s taken, the least of {TURNS} each")


@pytest.mark.parametrize("copies", [1, 3])  # exact, by join
def test_time_of_a_graph(lowshot, bundled_data, tmp_path, copies):
    np.save(tmp_path / "x.npy", larger_rows(bundled_data, copies))
    build = ["knn", "build", tmp_path / "x.npy", "-o", tmp_path / "g"]
    estimate(lowshot, tmp_path, *build)
    assert not list(tmp_path.glob("g_*"))
    assert_agree(lambda: estimate(lowshot, tmp_path, *build), lambda turn: duration(lowshot, *build))


def test_time_of_experiments(lowshot, bundled_data, tmp_path):
    table = ["diffusion", "--data", bundled_data, "--nbg", 60000, "--seed", "1-4", "--niter", 5]
    estimate(lowshot, tmp_path, *table, "--work", tmp_path / "work")
    assert not (tmp_path / "work").exists()
    assert_agree(lambda: estimate(lowshot, tmp_path, *table, "--work", tmp_path / "work"),
                 lambda turn: duration(lowshot, *table, "--work", tmp_path / str(turn)))


def test_time_of_the_next_experiments(lowshot, bundled_data, tmp_path):
    """What an earlier call has kept is not made again, and not counted."""
    table = ["diffusion", "--data", bundled_data, "--work", tmp_path / "work", "--nbg", 60000, "--seed", "1-4", "--niter", 5]
    first = estimate(lowshot, tmp_path, *table)
    lowshot(*table)
    assert estimate(lowshot, tmp_path, *table) < first
    assert_agree(lambda: estimate(lowshot, tmp_path, *table), lambda turn: duration(lowshot, *table))


def test_time_of_labels(lowshot, bundled_data, tmp_path):
    label = ["label", bundled_data / "features/train.hdf5", "--labels", bundled_data / "label-example/labels.csv"]
    assert_agree(lambda: estimate(lowshot, tmp_path, *label, "-o", tmp_path / "o.csv"),
                 lambda turn: duration(lowshot, *label, "-o", tmp_path / f"{turn}.csv"))


def test_time_of_regressions(lowshot, bundled_data, tmp_path):
    logreg = ["logreg", "--data", bundled_data, "--nlabeled", 5, "--maxiter", 10000]
    assert_agree(lambda: estimate(lowshot, tmp_path, *logreg), lambda turn: duration(lowshot, *logreg))


SWEEP = """
groups:
  graph:
    method: diffusion
    seed: 1-3
    niter: 3
    cases: [{nbg: 0}, {nbg: 30000, nlabeled: 1}, {nbg: 30000, nlabeled: 5, in-domain: true}]
  classifier: {method: logreg, nlabeled: 5, seed: 1-2, lr: [0.01, 0.1], maxiter: 3000}
"""


def test_time_of_a_sweep(lowshot, bundled_data, tmp_path):
    (tmp_path / "plan.yaml").write_text(f"data: {bundled_data}\n" + SWEEP)
    sweep = ["sweep", tmp_path / "plan.yaml", "--work"]
    expected = ["-o", tmp_path / "out", "--dry-run", "--json", tmp_path / "plan.json"]
    lowshot(*sweep, tmp_path / "work", *expected)
    stages = json.loads((tmp_path / "plan.json").read_text())["estimated_seconds_by_stage"]
    assert set(stages) == {"PCA", "reading", "background graph", "graph", "diffusion", "regression"}
    assert not (tmp_path / "work").exists() and not (tmp_path / "out").exists()
    assert_agree(lambda: estimate(lowshot, tmp_path, *sweep, tmp_path / "work", "-o", tmp_path / "out"),
                 lambda turn: duration(lowshot, *sweep, tmp_path / f"work{turn}", "-o", tmp_path / f"out{turn}"))
    # What is done is not counted, nor what it has left for others.
    lowshot(*sweep, tmp_path / "work0", "-o", tmp_path / "out0")
    lowshot(*sweep, tmp_path / "work0", "-o", tmp_path / "out0", "--dry-run", "--json", tmp_path / "plan.json")
    assert "estimated_seconds" not in json.loads((tmp_path / "plan.json").read_text())
    lowshot(*sweep, tmp_path / "work0", *expected)
    stages = json.loads((tmp_path / "plan.json").read_text())["estimated_seconds_by_stage"]
    assert set(stages) == {"reading", "diffusion", "regression"}
