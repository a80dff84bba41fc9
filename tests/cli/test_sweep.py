"""lowshot sweep: plans run as `lowshot diffusion` would run them, once each, whatever stops them."""

import json
import os
import random
import re
import signal
import subprocess
import time

import pytest

ACCURACIES = ("top5_all", "top5_novel", "top1_all", "top1_novel")
SMALL = """
groups:
  val:
    method: diffusion
    nlabeled: [1, 2]
    seed: 1-3
    niter: 2
    cases:
      - {nbg: 0}
      - {nbg: 200}
      - {nbg: 0, in-domain: true}
  test:
    method: diffusion
    mode: test
    nbg: [0, 200]
    seed: 4
"""


@pytest.fixture
def plan(tmp_path):
    def write(text, name="plan.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def small(plan, small_data):
    """A plan of 20 experiments in 5 units, with its data."""
    data = small_data()
    return plan(f"data: {data.root}\n" + SMALL)


def results(folder):
    """{(group, name): result} of all results; what is timed or measured is left out."""
    found = {}
    for path in sorted((folder / "results").rglob("*.json")):
        result = json.loads(path.read_text())
        for key in ("seconds", "run_seconds", "peak_rss_bytes", "device"):
            del result[key]
        for iteration in result["iterations"]:
            del iteration["seconds"]
        found[path.parent.name, path.name] = result
    return found


def start(program, *arguments):
    environment = {k: v for k, v in os.environ.items() if k != "DDIR"}
    return subprocess.Popen([program, "sweep", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, env=environment)


def test_equals_diffusion(lowshot, small, small_data, tmp_path):
    lowshot("sweep", small, "-o", tmp_path / "out", "--work", tmp_path / "work")
    found = results(tmp_path / "out")
    assert len(found) == 20
    for (group, name), result in found.items():
        s = result["settings"]
        assert result["group"] == group and re.fullmatch(
            rf"diffusion-{s['mode']}-nl{s['nlabeled']}-s{s['seed']}-[0-9a-f]{{16}}\.json", name)
        one = tmp_path / "one.json"
        lowshot("diffusion", "--data", s["data"], "--work", tmp_path / "work", "--mode", s["mode"], "--nlabeled",
                s["nlabeled"], "--seed", s["seed"], "--nbg", s["nbg"], "--k", s["k"], "--niter", s["niter"], "--json", one,
                *(["--in-domain"] if s["in-domain"] == "true" else []), "-q")
        single = json.loads(one.read_text())
        for key in ("nodes", "edges", "test_rows", "unreached_test_rows", "classes"):
            assert result[key] == single[key]
        assert [[i[key] for key in ACCURACIES] for i in result["iterations"]] == \
            [[i[key] for key in ACCURACIES] for i in single["iterations"]]


def test_every_option_is_in_the_settings(lowshot, small, tmp_path):
    lowshot("sweep", small, "-o", tmp_path / "out", "--work", tmp_path / "work", "--group", "test")
    found = results(tmp_path / "out")
    assert len(found) == 2 and {key[0] for key in found} == {"test"}
    settings = next(iter(found.values()))["settings"]
    assert {k: v for k, v in settings.items() if k not in ("data", "nbg")} == {
        "background": "default", "correct-and-smooth": "auto", "in-domain": "false", "k": "30", "knn": "auto", "label-idx": "default", "lslice": "0",
        "mode": "test", "niter": "10", "nlabeled": "1", "pca": "default", "prune": "auto", "recall": "0.95",
        "recipe": "paper", "seed": "4", "weights": "unit", "graph": "default", "propagation": "diffusion", "alpha": "0.99",
        "solver": "iterations", "class-mass": "false"}


def test_runs_what_is_not_done(lowshot, small, tmp_path):
    arguments = ["sweep", small, "-o", tmp_path / "out", "--work", tmp_path / "work"]
    first = lowshot(*arguments)
    assert "20 of 20 experiments are done, 20 of them in this run" in first.stdout
    assert len(first.stdout.splitlines()) == 21
    before = results(tmp_path / "out")
    removed = sorted((tmp_path / "out/results").rglob("*.json"))[3:6]
    for path in removed:
        path.unlink()
    assert lowshot(*arguments, "--list").stdout.count("to do") == 3
    assert "3 of them in this run" in lowshot(*arguments).stdout
    assert results(tmp_path / "out") == before
    # The plan's text and order do not matter, the settings do.
    small.write_text(small.read_text().replace("seed: 1-3", "seed: [3, '1,2']").replace("niter: 2", "niter: 02"))
    assert ", 0 of them in this run" in lowshot(*arguments).stdout


def test_killed_at_random_points(lowshot, program, bundled_data, plan, tmp_path):
    """SIGKILL loses the experiment that runs, nothing else, and what follows is what it would have been."""
    small = plan(f"data: {bundled_data}\ngroups:\n  a: {{method: diffusion, nbg: [0, 500], seed: 1-10, niter: 2}}\n")
    lowshot("sweep", small, "-o", tmp_path / "whole", "--work", tmp_path / "work0")
    moments = random.Random(5)
    killed = 0
    for point in range(20):
        process = start(program, small, "-o", tmp_path / "out", "--work", tmp_path / "work", "--threads", 1,
                        *(["--jobs", 2] if point % 2 else []))
        # So many experiments, and somewhere in the next one: moments that a busy machine does not move to the end.
        for _ in range(moments.randrange(4)):
            process.stdout.readline()
        time.sleep(moments.uniform(0, 0.05))
        killed += process.poll() is None
        process.kill()
        process.communicate()
        there = sorted((tmp_path / "out").glob("results/*/*.json"))
        for path in there:
            json.loads(path.read_text())
        if len(there) > 15:  # so that there is something to kill at every point
            for path in moments.sample(there, 12):
                path.unlink()
    assert killed >= 10
    assert "20 of 20 experiments are done" in lowshot("sweep", small, "-o", tmp_path / "out", "--work", tmp_path / "work").stdout
    assert results(tmp_path / "out") == results(tmp_path / "whole")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
@pytest.mark.parametrize("jobs", [1, 2])
def test_signals(lowshot, program, bundled_data, plan, tmp_path, sign, jobs):
    path = plan(f"data: {bundled_data}\ngroups:\n  a: {{method: diffusion, seed: 1-200, nbg: [0, 500], niter: 3}}\n")
    process = start(program, path, "-o", tmp_path / "out", "--work", tmp_path / "work", "--jobs", jobs)
    assert "top-5" in process.stdout.readline()
    process.send_signal(sign)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 75, err
    assert re.search(r"lowshot: stopped by a signal, \d+ of 400 experiments are left; run the same command again", err)
    done = len(results(tmp_path / "out"))
    assert 0 < done < 400 and f"{done} of 400 experiments are done" in out
    assert not list((tmp_path / "out").rglob(".lowshot*"))


def test_two_at_once(lowshot, program, small, tmp_path):
    arguments = [small, "-o", tmp_path / "out", "--work", tmp_path / "work"]
    processes = [start(program, *arguments) for _ in range(2)] + [start(program, *arguments, "--jobs", 2)]
    run = 0
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        run += int(re.search(r"20 of 20 experiments are done, (\d+) of them", out).group(1))
    assert run == 20
    lowshot("sweep", small, "-o", tmp_path / "alone", "--work", tmp_path / "work2")
    assert results(tmp_path / "out") == results(tmp_path / "alone")


def test_jobs(lowshot, small, tmp_path):
    done = lowshot("sweep", small, "-o", tmp_path / "two", "--work", tmp_path / "work", "--jobs", "2", "--json", tmp_path / "r.json")
    assert "20 of 20 experiments are done, 20 of them in this run" in done.stdout
    assert json.loads((tmp_path / "r.json").read_text())["run"] == 20
    lowshot("sweep", small, "-o", tmp_path / "one", "--work", tmp_path / "work")
    assert results(tmp_path / "one") == results(tmp_path / "two")


@pytest.mark.parametrize("jobs", [1, 2])
def test_failures_are_listed_and_others_go_on(lowshot, plan, small_data, tmp_path, jobs):
    path = plan(f"data: {small_data().root}\ngroups:\n  a: {{method: diffusion, nlabeled: [1, 99], nbg: [0, 7777], seed: 1-2, niter: 1}}\n")
    done = lowshot("sweep", path, "-o", tmp_path / "out", "--work", tmp_path / "work", "--jobs", jobs, code=1)
    assert len(results(tmp_path / "out")) == 2
    assert "2 of 8 experiments are done" in done.stdout
    failed = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert len(failed) == 6
    assert sum("7777 background rows are wanted and there are 200" in line for line in failed) == 4
    assert sum("nlabeled 99" in line and "nbg 0:" in line for line in failed) == 2
    assert done.stderr.splitlines()[-1].startswith("lowshot: 6 of 8 experiments are not done")


def test_a_killed_job_process_is_told(lowshot, program, bundled_data, plan, tmp_path):
    path = plan(f"data: {bundled_data}\ngroups:\n  a: {{method: diffusion, seed: 1-200, nbg: [0, 500], niter: 3}}\n")
    process = start(program, path, "-o", tmp_path / "out", "--work", tmp_path / "work", "--jobs", 2)
    process.stdout.readline()
    children = subprocess.run(["ps", "--ppid", str(process.pid), "-o", "pid="], capture_output=True, text=True).stdout.split()
    assert len(children) == 2
    os.kill(int(children[0]), signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "the process that ran it was ended by signal 9" in err
    assert 200 <= len(results(tmp_path / "out")) < 400


def test_list_and_dry_run_write_nothing(lowshot, small, tmp_path):
    listed = lowshot("sweep", small, "-o", tmp_path / "out", "--list").stdout.splitlines()
    assert listed[-1] == "20 experiments in 5 units, 0 done"
    assert len(listed) == 21 and all(line.startswith("to do  unit ") for line in listed[:20])
    out = lowshot("sweep", small, "-o", tmp_path / "out", "--dry-run").stdout
    assert "unit 4: 1 experiments of diffusion" in out and "fits" in out
    assert not (tmp_path / "out").exists()


def test_one_unit(lowshot, small, tmp_path):
    lowshot("sweep", small, "-o", tmp_path / "out", "--work", tmp_path / "work", "--unit", "1")
    assert len(results(tmp_path / "out")) == 6
    assert {r["settings"]["nbg"] for r in results(tmp_path / "out").values()} == {"200"}


def test_data_as_an_axis(lowshot, plan, small_data, tmp_path):
    """Two data directories, one --work: what is derived from them does not mix."""
    one, two = small_data("one", seed=1), small_data("two", seed=2)
    path = plan(f"groups:\n  a: {{method: diffusion, data: [{one.root}/, {two.root}], nbg: 100, niter: 2}}\n")
    lowshot("sweep", path, "-o", tmp_path / "out", "--work", tmp_path / "work")
    for result in results(tmp_path / "out").values():
        lowshot("diffusion", "--data", result["settings"]["data"], "--work", tmp_path / "w" / result["settings"]["data"][-3:],
                "--nbg", 100, "--niter", 2, "--json", tmp_path / "one.json")
        single = json.loads((tmp_path / "one.json").read_text())
        assert [i["top5_all"] for i in single["iterations"]] == [i["top5_all"] for i in result["iterations"]]


def test_where_the_data_come_from(lowshot, refused, plan, small_data, tmp_path):
    path = plan("groups:\n  a: {method: diffusion, niter: 1}\n")
    refused(2, "the group a has no data directory.*plan.yaml, line 2.*--data.*DDIR", "sweep", path, "-o", tmp_path / "out")
    refused(3, "the data directory does not exist", "sweep", path, "-o", tmp_path / "out", "--data", tmp_path / "no")
    data = small_data().root
    lowshot("sweep", path, "-o", tmp_path / "a", "--data", data, "--work", tmp_path / "work")
    lowshot("sweep", path, "-o", tmp_path / "b", "--work", tmp_path / "work", env={"DDIR": str(data)})
    assert results(tmp_path / "a") == results(tmp_path / "b")


def test_damaged_results_are_refused(lowshot, refused, small, tmp_path):
    arguments = ["sweep", small, "-o", tmp_path / "out", "--work", tmp_path / "work"]
    lowshot(*arguments)
    path, other = sorted((tmp_path / "out/results/val").glob("*.json"))[:2]
    good = path.read_text()
    for bad, message in [(good[:100], "this is no result of an experiment"), ("", "this is no result of an experiment"),
                         (good.replace('"format": 1', '"format": 2'), "format 1 is expected and 2 found"),
                         (other.read_text(), "the result holds other settings than those that its name stands for")]:
        path.write_text(bad)
        refused(3, f"{message}.*{path.name}.*delete the file", *arguments)
    path.unlink()
    lowshot(*arguments)
    assert json.loads(path.read_text())["iterations"][-1]["top5_all"] == json.loads(good)["iterations"][-1]["top5_all"]


def test_results_of_a_program_with_fewer_options_are_found(lowshot, small, tmp_path):
    arguments = ["sweep", small, "-o", tmp_path / "out", "--work", tmp_path / "work"]
    lowshot(*arguments)
    path = next(path for path in sorted((tmp_path / "out/results").rglob("*.json")) if json.loads(path.read_text())["method"] == "diffusion")
    result = json.loads(path.read_text())
    assert result["settings"].pop("weights") == "unit"
    path.write_text(json.dumps(result))
    lowshot(*arguments)
    assert json.loads(path.read_text()) == result
    lowshot("report", tmp_path / "out")


@pytest.mark.parametrize("text, message", [
    ("groups:\n  a:\n    method: diffusion\n    nlabelled: 1\n", r"'nlabelled' of a is not known; .*line 4; did you mean nlabeled\?"),
    ("nitr: 3\ngroups: {a: {method: diffusion}}\n", r"'nitr' of the plan is not known; .*line 1; did you mean niter\?"),
    ("groups: {a: {method: difusion}}\n", "the method 'difusion' is not known"),
    ("groups:\n  a:\n    method: logreg\n    in-domain: true\n", r"in-domain is no option of logreg \(group a\).*line 4"),
    ("groups:\n  a:\n    method: diffusion\n    seed: [1, 2, 1-3]\n", "seed holds 1 twice.*line 4"),
    ("groups:\n  a:\n    method: diffusion\n    seed: []\n", "seed is an empty list.*line 4"),
    ("groups:\n  a:\n    method: diffusion\n    nbg: 0\n    cases:\n      - {nbg: 5}\n", "nbg is a key of a and of its cases.*line 6"),
    ("data: d\ngroups:\n  a:\n    method: diffusion\n    cases:\n      - {nbg: 5}\n      - {nbg: 05}\n", "the group a holds an experiment twice"),
    ("groups: {a: {method: diffusion, k: 0}}\n", "k must be from 1 to 1024 and is '0'"),
    ("groups: {a: {method: diffusion, mode: train}}\n", "mode must be val, test and is 'train'"),
    ("x: &x [1]\ngroups: {a: {method: diffusion, seed: *x}}\n", "anchors"),
    ("#" * (1 << 20) + "\n", "at most 1048576 bytes"),
    ("name: nothing\n", "the plan has no groups"),
], ids=range(13))
def test_refused_plans(refused, plan, tmp_path, text, message):
    refused(3, message, "sweep", plan(text), "-o", tmp_path / "out")


def test_groups(refused, small, tmp_path):
    refused(2, r"the plan has no group 'tset'; .*did you mean test\?", "sweep", small, "-o", tmp_path / "out", "--group", "tset")


def test_quick_plan(lowshot, bundled_data, tmp_path):
    root = bundled_data.parent.parent
    lowshot("sweep", "plans/quick.yaml", "-o", tmp_path / "out", "--work", tmp_path / "work", cwd=root)
    assert len(results(tmp_path / "out")) == 12


@pytest.mark.parametrize("name, count", [("cifar", 275), ("demo", 275), ("paper", 800), ("paper-table3", 425)])
def test_plans_can_be_read(lowshot, bundled_data, tmp_path, name, count):
    plan = bundled_data.parent.parent / f"plans/{name}.yaml"
    listed = lowshot("sweep", plan, "-o", tmp_path / "out", "--data", bundled_data, "--list").stdout
    assert listed.splitlines()[-1].startswith(f"{count} experiments in ")


def test_no_slurm(refused, small, tmp_path):
    """Without sbatch: a sentence. (With it: test_slurm.py.)"""
    done = subprocess.run([os.environ.get("LOWSHOT_PROGRAM", "build/release/lowshot"), "sweep", small, "-o", tmp_path / "out", "--slurm"],
                          env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 4
    assert "cannot start sbatch: No such file or directory; --slurm; run this where Slurm's commands are" in done.stderr


def test_logreg_and_combinations(lowshot, plan, small_data, tmp_path):
    """Regression as `lowshot logreg` runs it; a combination as `lowshot combine` makes it of stored scores."""
    data = small_data().root
    path = plan(f"data: {data}\nmode: [val, test]\nseed: 1-2\nnlabeled: 2\ngroups:\n"
                "  both: {method: combine, of: [graph, lines]}\n"
                "  graph: {method: diffusion, nbg: [0, 200], niter: 2}\n"
                "  lines: {method: logreg, lr: 0.1, wd: 0.01, batchsize: 8, maxiter: 600}\n")
    for jobs in (1, 2):
        out = tmp_path / f"out{jobs}"
        lowshot("sweep", path, "-o", out, "--work", tmp_path / "work", "--jobs", jobs)
        found = results(out)
        assert len(found) == 8 + 4 + 4
    assert found == results(tmp_path / "out1")

    scores = {}
    for mode in ("val", "test"):
        for seed in ("1", "2"):
            shared = ["--data", data, "--mode", mode, "--nlabeled", "2", "--seed", seed]
            lines = tmp_path / f"lines-{mode}-{seed}.npy"
            lowshot("logreg", *shared, "--lr", "0.1", "--wd", "0.01", "--batchsize", "8", "--maxiter", "600", "--storeL", lines,
                    "--json", tmp_path / "one.json")
            single = json.loads((tmp_path / "one.json").read_text())["iterations"]
            ours = next(r for (group, _), r in found.items() if group == "lines" and r["settings"]["mode"] == mode
                        and r["settings"]["seed"] == seed)["iterations"]
            assert [[i[key] for key in ("iteration", *ACCURACIES)] for i in ours] == \
                [[i[key] for key in ("iteration", *ACCURACIES)] for i in single]
            for nbg in ("0", "200"):
                graph = tmp_path / f"graph-{mode}-{seed}-{nbg}.npy"
                lowshot("diffusion", *shared, "--work", tmp_path / "work", "--nbg", nbg, "--niter", "2", "--storeL", graph)
                scores[mode, seed, nbg] = [graph, lines]
    for nbg in ("0", "200"):
        for seed in ("1", "2"):
            lowshot("combine", "--val", *scores["val", "1", nbg], *scores["val", "2", nbg], "--test", *scores["test", seed, nbg],
                    "--json", tmp_path / "both.json")
            single = json.loads((tmp_path / "both.json").read_text())
            ours = next(r for (group, _), r in found.items() if group == "both" and r["settings"]["nbg"] == nbg
                        and r["settings"]["seed"] == seed)
            assert ours["method"] == "combine" and ours["weight"] == single["weight"]
            assert ours["settings"]["lr"] == "0.1" and ours["settings"]["of"] == "graph+lines"
            for key in ACCURACIES:
                assert ours["iterations"][0][key] == pytest.approx(single["combined"][key]["mean"], abs=1e-12)

    # Scores that are lost are made again, with the experiment that they belong to.
    before = results(tmp_path / "out1")
    next((tmp_path / "out1/scores/graph").glob("diffusion-test-*.npy")).unlink()
    next((tmp_path / "out1/results/both").glob("*.json")).unlink()
    assert ", 2 of them in this run" in lowshot("sweep", path, "-o", tmp_path / "out1", "--work", tmp_path / "work").stdout
    assert results(tmp_path / "out1") == before


def test_combinations_of_what_failed(lowshot, plan, small_data, tmp_path):
    path = plan(f"data: {small_data().root}\nmode: [val, test]\ngroups:\n  graph: {{method: diffusion, nbg: 7777}}\n"
                "  lines: {method: logreg, maxiter: 10}\n  both: {method: combine, of: [graph, lines]}\n")
    done = lowshot("sweep", path, "-o", tmp_path / "out", "--work", tmp_path / "work", code=1)
    assert "2 of 5 experiments are done" in done.stdout
    assert "failed: both  nlabeled 1  seed 1: what it combines is not done: graph" in done.stderr
