"""lowshot extract through the command line: real images and a real network where the full data set is there, else
images and weights made for the test."""

import fcntl
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

import checkpoints
from networks import random_resnet

ROOT = Path(__file__).resolve().parents[2]
SMALL = """
transform_params:
  transform_list: [Scale, CenterCrop, ToTensor, Normalize]
  scale: 36
  image_size: 32
  mean: [0.485, 0.456, 0.406]
  std: [0.229, 0.224, 0.225]
"""


def cosines(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


# --- the real network ------------------------------------------------------------------------------------------------

def three_commands():
    text = (ROOT / "docs/extract.md").read_text()
    return re.search(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL).group(1).splitlines()


def test_real_images_to_accuracies(lowshot, full_data, tmp_path):
    """The documentation's three commands; the descriptors are those that a GPU computed."""
    (tmp_path / "features").mkdir()
    shutil.copy(full_data / "label_idx.json", tmp_path)
    names = {"IMAGES": full_data / "images", "DIR": tmp_path,
             "CHECKPOINT": full_data / "models/checkpoints/ResNet10/59.tar"}
    outputs = []
    for command in three_commands():
        words = shlex.split(re.sub(r"IMAGES|DIR|CHECKPOINT", lambda m: str(names[m.group()]), command))
        assert words.pop(0) == "lowshot"
        outputs.append(lowshot(*words).stdout)
    for name, part, a_class in (("train", "train", 8), ("val", "test", 4)):
        with h5py.File(tmp_path / f"features/{name}.hdf5") as file:
            expected = np.load(full_data / f"images/expected_{part}_features_f16.npy")
            assert file["all_feats"].dtype == np.float32 and file["count"][:] == [len(expected)]
            assert cosines(file["all_feats"][:], expected).min() > 0.9999
            np.testing.assert_array_equal(file["all_labels"][:], np.repeat(np.arange(100), a_class))
    accuracy = float(re.search(r"iteration +2 .*top-5 accuracy: ([\d.]+)", outputs[2]).group(1))
    assert accuracy > 0.5  # of 50 classes with 2 to 8 labelled images each; chance is 0.1


def test_numbered_zips_of_the_real_set(lowshot, full_data, tmp_path):
    out = tmp_path / "background.npy"
    lowshot("extract", full_data / "yfcc100m", "--model", "ResNet10", "--modelfile",
            full_data / "models/checkpoints/ResNet10/59.tar", "--i0", 900, "--i1", 1100, "-o", out)
    with h5py.File(full_data / "features/f100m/block0.hdf5") as file:
        assert cosines(np.load(out), file["all_feats"][900:1100]).min() > 0.9999


# --- a made-up one ---------------------------------------------------------------------------------------------------

@pytest.fixture(scope="session")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("network")
    checkpoints.write_legacy(folder / "59.tar", random_resnet("ResNet10"), {"epoch": 59})
    (folder / "small.yaml").write_text(SMALL)
    return folder


@pytest.fixture
def extract(lowshot, network):
    """extract(images, out, options): with the made-up network on 32 x 32 crops."""

    def run(*arguments, **options):
        return lowshot("extract", *arguments, "--model", "ResNet10", "--modelfile", network / "59.tar", "--cfg",
                       network / "small.yaml", **options)

    return run


def picture(seed, size=(40, 50), format="PNG"):
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    out = io.BytesIO()
    coarse.resize(size, Image.Resampling.BICUBIC).save(out, format)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Six images of two classes."""
    for i in range(6):
        path = tmp_path / "images" / ("ant" if i < 4 else "bee") / f"{i}.{'png' if i % 2 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(i, format="PNG" if i % 2 else "JPEG"))
    return tmp_path / "images"


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_every_kind_of_set_gives_the_same_rows(extract, folder, tmp_path):
    files = files_of(folder)
    labels = [0, 0, 0, 0, 1, 1]
    (tmp_path / "list.txt").write_text("".join(f"{f.relative_to(folder)}\t{c}\n" for f, c in zip(files, labels)))
    (tmp_path / "list.json").write_text(json.dumps({"image_names": [str(f.relative_to(folder)) for f in files],
                                                    "image_labels": labels}))
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for f in files:
            archive.write(f, f.relative_to(folder))
    (tmp_path / "zips/00").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "zips/00/000.zip", "w") as archive:
        for i, f in enumerate(files):
            archive.write(f, f"{i:03}.jpg")
    extract(folder, "-o", tmp_path / "folder.hdf5")
    with h5py.File(tmp_path / "folder.hdf5") as file:
        rows = file["all_feats"][:]
        assert rows.shape == (6, 512) and file["all_labels"][:].tolist() == labels and file["count"][:] == [6]
    assert len(np.unique(rows, axis=0)) == 6
    for name, images, options in (("list", "list.txt", ["--root", folder]), ("json", "list.json", ["--root", folder]),
                                  ("zip", "images.zip", []), ("zips", "zips", ["--i1", 6])):
        extract(tmp_path / images, "-o", tmp_path / f"{name}.hdf5", *options)
        with h5py.File(tmp_path / f"{name}.hdf5") as file:
            np.testing.assert_array_equal(file["all_feats"][:], rows)
            assert file["all_labels"][:].tolist() == ([0] * 6 if name == "zips" else labels)
    extract(folder, "-o", tmp_path / "half.npy", "--half", "--threads", 1)
    half = np.load(tmp_path / "half.npy")
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, rows.astype(np.float16))


def test_configuration_of_the_tree_runs_the_original_command_line(lowshot, network, tmp_path):
    (tmp_path / "yfcc100m/00").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "yfcc100m/00/000.zip", "w") as archive:
        archive.writestr("001.jpg", picture(1, format="JPEG"))
    done = lowshot("extract", "--cfg", ROOT / "configs/f100m_save_data.yaml", "--modelfile", network / "59.tar",
                   "--outfile", "block0.hdf5", "--model", "ResNet10", "--i0", "0", "--i1", "2", cwd=tmp_path)
    assert "1 images could not be used" in done.stdout
    assert (tmp_path / "block0.bad.csv").read_text() == "row,name,reason\n0,00/000.zip/000.jpg,missing\n"


def test_ranges_of_several_machines_become_one_table(extract, lowshot, folder, tmp_path):
    extract(folder, "-o", tmp_path / "all.hdf5")
    extract(folder, "-o", tmp_path / "a.hdf5", "--i1", 4)
    extract(folder, "-o", tmp_path / "b.hdf5", "--i0", 4)
    lowshot("pca", "train", tmp_path / "all.hdf5", "-o", tmp_path / "pca.vt", "--dim", 3)
    lowshot("pca", "apply", tmp_path / "all.hdf5", "--pca", tmp_path / "pca.vt", "-o", tmp_path / "one.npy")
    lowshot("pca", "apply", tmp_path / "a.hdf5", tmp_path / "b.hdf5", "--pca", tmp_path / "pca.vt", "-o",
            tmp_path / "two.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "one.npy"), np.load(tmp_path / "two.npy"))


# --- bad images ------------------------------------------------------------------------------------------------------

def test_bad_images_keep_their_rows(extract, lowshot, folder, tmp_path):
    extract(folder, "-o", tmp_path / "good.npy")
    good = np.load(tmp_path / "good.npy")
    assert not (tmp_path / "good.bad.csv").exists()
    files = files_of(folder)
    files[1].write_bytes(files[1].read_bytes()[:200])
    files[4].write_bytes(b"not an image")
    (tmp_path / "black.png").write_bytes(b"")
    Image.new("RGB", (256, 256)).save(tmp_path / "black.png")
    (tmp_path / "black.txt").write_text("black.png\n")
    extract(tmp_path / "black.txt", "-o", tmp_path / "black.npy")

    done = extract(folder, "-o", tmp_path / "bad.npy", "--json", tmp_path / "bad.json")
    assert "2 images could not be used (described as black images)" in done.stdout
    bad = np.load(tmp_path / "bad.npy")
    kept = [0, 2, 3, 5]
    np.testing.assert_array_equal(bad[kept], good[kept])
    np.testing.assert_array_equal(bad[[1, 4]], np.load(tmp_path / "black.npy")[[0, 0]])
    lines = (tmp_path / "bad.bad.csv").read_text().splitlines()
    assert lines[0] == "row,name,reason" and [line.split(",")[:2] for line in lines[1:]] == [["1", "ant/1.png"], ["4", "bee/4.jpg"]]
    assert [b["row"] for b in json.loads((tmp_path / "bad.json").read_text())["bad"]] == [1, 4]

    extract(folder, "-o", tmp_path / "zero.npy", "--on-bad", "zero")
    zero = np.load(tmp_path / "zero.npy")
    assert not zero[[1, 4]].any()
    np.testing.assert_array_equal(zero[kept], good[kept])
    lowshot("knn", "build", tmp_path / "zero.npy", "-k", 3, "-o", tmp_path / "graph", "--format", "npy", "--skip-rows",
            tmp_path / "zero.bad.csv")
    np.save(tmp_path / "kept.npy", good[kept])
    lowshot("knn", "build", tmp_path / "kept.npy", "-k", 3, "-o", tmp_path / "kept", "--format", "npy")
    table, small = np.load(tmp_path / "graph_k4_I_11.npy"), np.load(tmp_path / "kept_k4_I_11.npy")
    assert (table[[1, 4]] == -1).all() and not np.isin(table, [1, 4]).any()
    np.testing.assert_array_equal(table[kept], np.array(kept)[small])

    # Once the images are mended, the list of the earlier run goes.
    files[1].write_bytes(picture(1))
    files[4].write_bytes(picture(4, format="JPEG"))
    extract(folder, "-o", tmp_path / "bad.npy")
    assert not (tmp_path / "bad.bad.csv").exists()
    np.testing.assert_array_equal(np.load(tmp_path / "bad.npy"), good)


def test_stop_names_the_image(extract, folder, tmp_path):
    files_of(folder)[2].write_bytes(b"")
    done = extract(folder, "-o", tmp_path / "out.npy", "--on-bad", "stop", code=3)
    assert re.search(r"lowshot: an image cannot be used: .*; ant/2.jpg \(row 2\); mend it", done.stderr)
    assert not (tmp_path / "out.npy").exists()


def test_a_missing_zip_stops_unless_asked(extract, tmp_path):
    (tmp_path / "zips/00").mkdir(parents=True)
    for name in ("000", "002"):
        with zipfile.ZipFile(tmp_path / f"zips/00/{name}.zip", "w") as archive:
            archive.writestr("000.jpg", picture(0, format="JPEG"))
    options = ["--i0", 999, "--i1", 2001, "-o", tmp_path / "out.npy"]
    done = extract(tmp_path / "zips", *options, code=3)
    assert "00/001.zip" in done.stderr
    assert not (tmp_path / "out.npy").exists()
    extract(tmp_path / "zips", *options, "--on-bad", "zero")
    rows = np.load(tmp_path / "out.npy")
    assert rows.shape == (1002, 512) and rows[1001].any() and not rows[:1001].any()
    lines = (tmp_path / "out.bad.csv").read_text().splitlines()
    assert len(lines) == 1002 and lines[1] == "0,00/000.zip/999.jpg,missing"


def test_hostile_zips(extract, tmp_path):
    """A damaged zip stops the job unless asked; members that lie are bad rows; packed members are read."""
    (tmp_path / "zips/00").mkdir(parents=True)
    path = tmp_path / "zips/00/000.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("000.jpg", picture(0, format="JPEG"))
        archive.writestr("001.jpg", picture(1, format="JPEG"), zipfile.ZIP_DEFLATED)
        archive.writestr("002.jpg", picture(2, format="JPEG"))
        archive.writestr("../003.jpg", picture(3, format="JPEG"))
        archive.writestr("004.jpg", picture(4, format="JPEG"))
    good = bytearray(path.read_bytes())
    sizes = [m.end() for m in re.finditer(rb"PK\x01\x02.{16}", bytes(good), re.DOTALL)]
    lies = bytearray(good)
    lies[sizes[2]:sizes[2] + 8] = b"\xff\xff\xff\xfe" * 2  # member 2: 4 GiB, in the central directory
    path.write_bytes(lies)
    extract(tmp_path / "zips", "--i1", 5, "-o", tmp_path / "out.npy")
    rows = [line.split(",")[0] for line in (tmp_path / "out.bad.csv").read_text().splitlines()[1:]]
    assert rows == ["2", "3"]
    descriptors = np.load(tmp_path / "out.npy")
    assert len(np.unique(descriptors[[0, 1, 4]], axis=0)) == 3
    for damage in (good[:-30], good.replace(b"PK\x01\x02", b"PK\x01\x03"), b"", b"PK" + bytes(100)):
        path.write_bytes(damage)
        done = extract(tmp_path / "zips", "--i1", 5, "-o", tmp_path / "damaged.npy", code=3)
        assert re.search(r"lowshot: .*00/000\.zip", done.stderr)
        assert not (tmp_path / "damaged.npy").exists()
        shutil.rmtree(tmp_path / "damaged.npy.parts")
    extract(tmp_path / "zips", "--i1", 5, "-o", tmp_path / "damaged.npy", "--on-bad", "zero")
    assert not np.load(tmp_path / "damaged.npy").any()


def test_images_of_extreme_sizes(extract, tmp_path):
    folder = tmp_path / "images/all"
    folder.mkdir(parents=True)
    for name, size in (("a", (1, 1)), ("b", (1, 10000)), ("c", (10000, 1))):
        Image.new("RGB", size, (200, 100, 50)).save(folder / f"{name}.png")
    whole = picture(5, (300, 200), "JPEG")
    huge = bytearray(whole)
    at = huge.index(b"\xff\xc0") + 5
    huge[at:at + 4] = (20000).to_bytes(2, "big") * 2
    (folder / "d.jpg").write_bytes(huge)
    for i in range(1, 10):
        (folder / f"e{i}.jpg").write_bytes(whole[:len(whole) * i // 10])
    extract(tmp_path / "images", "-o", tmp_path / "out.npy")
    lines = (tmp_path / "out.bad.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == [str(i) for i in range(3, 13)]
    assert "20000 x 20000" in lines[0]
    rows = np.load(tmp_path / "out.npy")
    # One colour everywhere is one crop, whatever the image's shape.
    np.testing.assert_array_equal(rows[:3], rows[[0, 0, 0]])


# --- long jobs -------------------------------------------------------------------------------------------------------

def test_killed_jobs_go_on_and_end_with_the_same_bytes(program, network, tmp_path):
    """12,300 images in four parts, one of them bad; killed twice, whenever a further part is there."""
    pictures = [picture(i, (32, 32), "JPEG") for i in range(11)]
    (tmp_path / "zips/00").mkdir(parents=True)
    for z in range(13):
        with zipfile.ZipFile(tmp_path / f"zips/00/{z:03}.zip", "w") as archive:
            for i in range(1000):
                if (z, i) != (5, 77):
                    archive.writestr(f"{i:03}.jpg", pictures[(i + z) % len(pictures)])

    def command(out, threads):
        return [program, "extract", tmp_path / "zips", "--i1", "12300", "--model", "ResNet10", "--modelfile",
                network / "59.tar", "--cfg", network / "small.yaml", "-o", tmp_path / out, "--threads", str(threads)]

    subprocess.run(command("whole.hdf5", 2), check=True, capture_output=True)
    parts = tmp_path / "killed.hdf5.parts"
    for threads in (1, 2):
        before = len(list(parts.glob("part*.json")))
        process = subprocess.Popen(command("killed.hdf5", threads), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(parts.glob("part*.json"))) <= before:
            time.sleep(0.01)
        assert process.poll() is None, "the job ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "killed.hdf5").exists()
    # A part that was damaged meanwhile is computed again.
    damaged = sorted(parts.glob("part*.npy"))[0]
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    # Another option is refused, another process as well.
    done = subprocess.run([*command("killed.hdf5", 2), "--half"], capture_output=True, text=True)
    assert done.returncode == 2 and "other options" in done.stderr
    done = subprocess.run(command("killed.hdf5", 2), check=True, capture_output=True, text=True)
    assert "from an earlier run" in done.stdout
    assert (tmp_path / "killed.hdf5").read_bytes() == (tmp_path / "whole.hdf5").read_bytes()
    assert (tmp_path / "killed.bad.csv").read_text() == "row,name,reason\n5077,00/005.zip/077.jpg,missing\n"
    assert not parts.exists()
    done = subprocess.run(command("killed.hdf5", 2), check=True, capture_output=True, text=True)
    assert "is up to date" in done.stdout


def test_two_processes_at_once_are_refused(extract, folder, tmp_path):
    (tmp_path / "out.npy.parts").mkdir()
    handle = os.open(tmp_path / "out.npy.parts", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    done = extract(folder, "-o", tmp_path / "out.npy", code=4)
    assert "another lowshot is at work in this folder" in done.stderr
    os.close(handle)
    extract(folder, "-o", tmp_path / "out.npy")


# --- the model and the command line ----------------------------------------------------------------------------------

def test_check_model(lowshot, network, tmp_path):
    done = lowshot("extract", "--check-model", "--modelfile", network / "59.tar")
    assert "ResNet10, complete" in done.stdout
    tensors = random_resnet("ResNet10")
    del tensors["module.trunk.5.C1.weight"]
    tensors["module.trunk.6.BN1.bias"] = np.zeros(7, np.float32)
    tensors["module.trunk.9.C1.weight"] = np.zeros((1, 1, 1, 1), np.float32)
    checkpoints.write_legacy(tmp_path / "broken.tar", tensors)
    done = lowshot("extract", "--check-model", "--modelfile", tmp_path / "broken.tar", "--json", tmp_path / "m.json", code=3)
    assert "module.trunk.5.C1.weight" in done.stdout and "is 7, must be 256" in done.stdout
    found = json.loads((tmp_path / "m.json").read_text())
    assert (found["recognised"], found["missing"], found["extra"]) == (
        "ResNet10", ["module.trunk.5.C1.weight"], ["module.trunk.9.C1.weight"])


def test_safetensors_give_the_same_descriptors(lowshot, extract, network, folder, tmp_path):
    lowshot("model", "convert", network / "59.tar", "-o", tmp_path / "w.safetensors")
    extract(folder, "-o", tmp_path / "a.npy")
    lowshot("extract", folder, "--model", "ResNet10", "--modelfile", tmp_path / "w.safetensors", "--cfg",
            network / "small.yaml", "-o", tmp_path / "b.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))


@pytest.mark.parametrize("change,pattern", [
    (lambda t: t.pop("module.trunk.7.C2.weight"), "this is no ResNet10: 1 of its tensors are missing"),
    (lambda t: t.update({"module.trunk.4.BN1.weight": np.ones(63, np.float32)}), "is 63, must be 64"),
    (lambda t: t.update({"module.trunk.4.BN1.running_var": np.full(64, -1, np.float32)}), "is -1, below 0"),
    (lambda t: t.update({"module.trunk.4.BN1.weight": np.full(64, np.nan, np.float32)}), "value 0 of .* is nan"),
    (lambda t: t.update({"module.trunk.8.C1.weight": np.ones((1, 1, 1, 1), np.float32)}), "this is more than a ResNet10"),
])
def test_other_checkpoints_are_refused(refused, network, folder, tmp_path, change, pattern):
    tensors = random_resnet("ResNet10")
    change(tensors)
    checkpoints.write_legacy(tmp_path / "other.tar", tensors)
    refused(3, pattern, "extract", folder, "--model", "ResNet10", "--modelfile", tmp_path / "other.tar", "-o",
            tmp_path / "out.npy")


def test_another_architecture_is_named(refused, network, folder, tmp_path):
    refused(3, "this is no ResNet50: .*it looks like ResNet10: use --model ResNet10", "extract", folder, "--model",
            "ResNet50", "--modelfile", network / "59.tar", "-o", tmp_path / "out.npy")


@pytest.mark.parametrize("code,pattern,arguments", [
    (2, "no images are named", ["-o", "{tmp}/o.npy", "--model", "ResNet10", "--modelfile", "{model}"]),
    (2, "the weights are missing", ["{images}", "-o", "{tmp}/o.npy", "--model", "ResNet10"]),
    (2, "the name of the result is missing", ["{images}", "--model", "ResNet10", "--modelfile", "{model}"]),
    (2, "the network is not named", ["{images}", "-o", "{tmp}/o.npy", "--modelfile", "{model}"]),
    (2, '"ResNet11" is no network', ["{images}", "-o", "{tmp}/o.npy", "--model", "ResNet11", "--modelfile", "{model}"]),
    (2, "is no device", ["{images}", "-o", "{tmp}/o.npy", "--model", "ResNet10", "--modelfile", "{model}", "--device", "tpu"]),
    (2, "half precision is for GPUs", ["{images}", "-o", "{tmp}/o.npy", "--model", "ResNet10", "--modelfile", "{model}",
                                       "--precision", "half", "--device", "cpu"]),
    (2, "chosen of ONNX models only", ["{images}", "-o", "{tmp}/o.npy", "--model", "ResNet10", "--modelfile", "{model}",
                                       "--pooling", "average"]),
    (4, "folder of the result does not exist", ["{images}", "-o", "{tmp}/no/o.npy", "--model", "ResNet10", "--modelfile",
                                                "{model}"]),
    (3, "", ["{tmp}/nothing", "-o", "{tmp}/o.npy", "--model", "ResNet10", "--modelfile", "{model}"]),
    (3, "", ["{images}", "-o", "{tmp}/o.npy", "--model", "ResNet10", "--modelfile", "{tmp}/nothing"]),
])
def test_usage(refused, network, folder, tmp_path, code, pattern, arguments):
    names = {"tmp": tmp_path, "images": folder, "model": network / "59.tar"}
    refused(code, pattern, "extract", *[a.format(**names) for a in arguments])


@pytest.mark.parametrize("transforms,pattern", [
    ("[RandomSizedCrop, ToTensor]", "RandomSizedCrop"), ("[Scale, Spin, ToTensor]", "Spin"),
    ("[ToTensor, Scale]", "order|Scale"), ("Scale", "transform_list")])
def test_unknown_transforms(refused, network, folder, tmp_path, transforms, pattern):
    (tmp_path / "c.yaml").write_text(f"transform_params:\n  transform_list: {transforms}\n")
    refused(3, rf"c\.yaml.*{pattern}|{pattern}.*c\.yaml", "extract", folder, "--cfg", tmp_path / "c.yaml", "--model",
            "ResNet10", "--modelfile", network / "59.tar", "-o", tmp_path / "out.npy")


def test_dry_run_writes_nothing(extract, folder, tmp_path):
    done = extract(folder, "-o", tmp_path / "out.npy", "--dry-run")
    assert "6 images" in done.stdout and re.search(r"[\d.]+ images/s", done.stdout)
    assert re.search(r"Time: about \d+ s on this machine \(network \d+ s\)", done.stdout)
    assert not (tmp_path / "out.npy").exists() and not (tmp_path / "out.npy.parts").exists()
