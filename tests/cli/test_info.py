"""lowshot info, --help and --version."""

import json
import re
import subprocess

import pytest


def test_machine(lowshot, tmp_path):
    out = lowshot("info", "--json", tmp_path / "info.json").stdout
    info = json.loads((tmp_path / "info.json").read_text())
    assert re.fullmatch(r"\d+\.\d+\.\d+", info["version"]) and info["version"] in out
    assert info["cores"] >= 1 and info["available_memory_bytes"] > 1 << 20
    assert "avx2" in info["instruction_sets"] and info["instruction_set_used"] in ("avx2", "avx512vnni")
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
    assert files["data/features/PCAR256.vt"] == {"file": f"{data.root}/features/PCAR256.vt", "present": False}
    assert (files["work/features/PCAR256.vt"]["from"], files["work/features/PCAR256.vt"]["dim"]) == (16, 16)
    assert files["data/label_idx.json"]["set_1"] == {"base": 2, "novel": 2}
    assert "80 x 16" in out and "cannot be used" in out and "absent" in out


def test_missing_directory(refused, tmp_path):
    refused(3, "the data directory does not exist", "info", "--data", tmp_path / "nowhere")


@pytest.mark.parametrize("command", [[], ["pca"], ["pca", "train"], ["pca", "apply"], ["knn"], ["knn", "build"],
                                     ["knn", "check"], ["knn", "info"], ["diffusion"], ["info"]], ids=" ".join)
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
