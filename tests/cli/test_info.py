"""lowshot info, --help and --version."""

import json
import re
import subprocess

import pytest

ISAS = ["avx2", "avx512vnni", "amx"]  # each holds those before it


def test_machine(lowshot, tmp_path):
    out = lowshot("info", "--json", tmp_path / "info.json").stdout
    info = json.loads((tmp_path / "info.json").read_text())
    assert re.fullmatch(r"\d+\.\d+\.\d+", info["version"]) and info["version"] in out
    assert info["cores"] >= 1 and info["available_memory_bytes"] > 1 << 20
    assert "avx2" in info["instruction_sets"] and info["instruction_set_used"] in ISAS
    assert f"kernels use {info['instruction_set_used']}" in out
    assert re.match(r"1\.\d+\.\d+", info["hdf5"]) and info["eigen"].startswith("3.")
    assert isinstance(info["cuda"]["compiled_in"], bool) and isinstance(info["cuda_devices"], list)
    for device in info["cuda_devices"]:
        assert device["memory_bytes"] > 1 << 30 and re.fullmatch(r"\d+\.\d", device["compute_capability"])
    if not info["cuda"]["compiled_in"]:
        assert "not compiled in" in out and info["cuda_devices"] == []


def test_data_directory(lowshot, small_data, tmp_path):
    data = small_data()
    work = tmp_path / "work"
    lowshot("knn", "build", "--data", data.root, "--work", work, "--nbg", 150, "-k", 3)
    lowshot("pca", "apply", "--data", data.root, "--work", work)
    data.root.joinpath("features/val.hdf5").write_bytes(b"no HDF5")
    out = lowshot("info", "--data", data.root, "--work", work, "--json", tmp_path / "info.json").stdout
    files = {f["file"].removeprefix(str(tmp_path) + "/"): f
             for f in json.loads((tmp_path / "info.json").read_text())["data"]["files"]}
    shapes = {name: (f["rows"], f["dim"]) for name, f in files.items() if "rows" in f}
    assert shapes == {"data/features/train.hdf5": (80, 16), "data/features/f100m/block0.hdf5": (200, 16),
                      "work/features/f100m/concatenated_PCAR256.raw": (200, 16), "work/knngraph/ndis150_k4_I_11.int4": (150, 4)}
    assert "HDF5" in files["data/features/val.hdf5"]["error"]
    assert files["data/features/PCAR256.vt"] == {"file": f"{data.root}/features/PCAR256.vt", "present": False}  # in work it is there
    assert (files["work/features/PCAR256.vt"]["from"], files["work/features/PCAR256.vt"]["dim"]) == (16, 16)
    assert files["data/label_idx.json"]["set_1"] == {"base": 2, "novel": 2}
    assert "80 x 16" in out and "cannot be used" in out and "absent" in out
    assert files["data/features/f100m/block0.hdf5"]["bytes"] == data.block.stat().st_size


def columns_of(lowshot, data, tmp_path):
    out = lowshot("info", "--data", data.root, "--json", tmp_path / "info.json").stdout
    found = json.loads((tmp_path / "info.json").read_text())["data"]
    return {c["column"]: (c["possible"], c["why"]) for c in found["columns"]}, {f["file"]: f for f in found["files"]}, out


def test_columns_of_the_table(lowshot, small_data, tmp_path):
    """Which are possible follows from the rows that are there; what absent files cost is said."""
    data = small_data(background=100_000, dim=2)
    columns, files, out = columns_of(lowshot, data, tmp_path)
    assert [name for name, (possible, _) in columns.items() if possible] == ["none", "in-domain", "logreg", "100k"]
    assert "the graph of 100k rows is built" in columns["100k"][1]
    assert columns["1M"][1] == "needs 1000000 background rows, 100000 are there"
    graph = files[f"{data.root}/knngraph/ndis100000_k32_I_11.int32"]
    assert graph["expected_bytes"] == 100_000 * 32 * 4 and not graph["present"]
    assert "the PCA is trained" in files[f"{data.root}/features/PCAR256.vt"]["without"]
    assert "absent; without it the PCA is trained" in out and "not possible: needs 1000000" in out

    data.graph(100_000, 32)  # makes the folder
    for path in data.graph(100_000, 32):
        path.write_bytes(bytes(100_000 * 32 * 4))
    assert columns_of(lowshot, data, tmp_path)[0]["100k"] == (True, "with a stored graph")
    (data.root / "label_idx.json").unlink()
    columns, files, _ = columns_of(lowshot, data, tmp_path)
    assert not any(possible for possible, _ in columns.values())
    assert files[f"{data.root}/label_idx.json"]["without"]


def test_large_backgrounds(lowshot, small_data, tmp_path):
    """Rows without content: ten million rows of four values, of which only their number is looked at."""
    data = small_data(dim=4)
    lowshot("pca", "train", "--data", data.root)
    raw = data.root / "features/f100m/concatenated_PCAR256.raw"
    with open(raw, "wb") as file:
        file.truncate(10_000_000 * 4 * 4)
    columns, _, _ = columns_of(lowshot, data, tmp_path)
    assert columns["1M"] == (True, "the graph of 1M rows is built, about 58 s on 16 cores by exact search, less by a join")  # 1e12 * 128 / 2.2e12
    assert columns["10M"][0] and "use a published one" in columns["10M"][1]
    assert not columns["100M"][0]


def test_missing_directory(refused, tmp_path):
    refused(3, "the data directory does not exist", "info", "--data", tmp_path / "nowhere")


@pytest.mark.parametrize("command", [[], ["pca"], ["pca", "train"], ["pca", "apply"], ["knn"], ["knn", "build"],
                                     ["knn", "extend"],
                                     ["knn", "search"], ["knn", "check"], ["knn", "info"], ["diffusion"], ["select"], ["report"], ["info"]], ids=" ".join)
def test_help(lowshot, command):
    out = lowshot(*command, "--help").stdout
    assert "--help" in out
    if command and command not in (["pca"], ["knn"]):
        assert "Example" in out and "--json" in out


def test_version(lowshot):
    assert re.fullmatch(r"lowshot \d+\.\d+\.\d+\n", lowshot("--version").stdout)


@pytest.mark.parametrize("arguments", [[], ["no-such"], ["knn"], ["knn", "build", "--no-such-option"]])
def test_usage(lowshot, arguments):
    done = lowshot(*arguments, code=2)
    assert done.stderr.startswith("lowshot: ") and "--help" in done.stderr and done.stdout == ""


def test_results_that_cannot_be_printed(program):
    lost = open("/dev/full", "w")
    done = subprocess.run([program, "info"], stdout=lost, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 4 and "could not be printed" in done.stderr
