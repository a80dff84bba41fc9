"""scripts/setup where packages are missing and the user is not root, on a Debian 12 that stubs in PATH pretend."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def is_debian_12():
    try:
        release = Path("/etc/os-release").read_text()
    except OSError:
        return False
    return re.search(r"^ID=debian$", release, re.M) and re.search(r'^VERSION_ID="?12"?$', release, re.M)


pytestmark = pytest.mark.skipif(not is_debian_12(), reason="scripts/setup installs on Debian 12 only")


def stub(folder, name, body):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def setup(folder, *groups):
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.run([ROOT / "scripts/setup", *groups], env=environment, capture_output=True, text=True, timeout=120)


def pretend(folder, *, ninja_installed, user, sudo_works=False):
    """dpkg-query knows every package, perhaps not ninja-build; apt-get and sudo only write down what they were asked."""
    packages = [line.split()[1] for line in (ROOT / "scripts/packages.txt").read_text().splitlines()
                if line and not line.startswith("#")]
    installed = sorted(p for p in set(packages) if ninja_installed or p != "ninja-build")
    known = folder / "installed"
    known.write_text("".join(f"installed {p}\n" for p in installed))
    # Like the real one, it fails when it does not know a package.
    stub(folder, "dpkg-query", f"cat {known}; exit {0 if ninja_installed else 1}")
    stub(folder, "id", f"echo {user}")
    stub(folder, "apt-get", f'echo "apt-get $*" >> {folder}/calls')
    stub(folder, "sudo", f'[ "$1" = -n ] && shift; echo "sudo $*" >> {folder}/calls; exec "$@"' if sudo_works else "exit 1")


def calls(folder):
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_without_root_it_prints_the_one_line_and_exits_4(tmp_path):
    pretend(tmp_path, ninja_installed=False, user=1000)
    done = setup(tmp_path, "build")
    assert done.returncode == 4
    lines = [line for line in done.stderr.splitlines() if "apt-get" in line]
    assert lines == ['sudo sh -c "apt-get update && apt-get install -y --no-install-recommends ninja-build"']
    assert calls(tmp_path) == []


def test_sudo_is_used_where_it_works(tmp_path):
    pretend(tmp_path, ninja_installed=False, user=1000, sudo_works=True)
    done = setup(tmp_path, "build")
    assert done.returncode == 0, done.stderr
    assert "sudo apt-get -q update" in calls(tmp_path)
    assert "apt-get -q install -y --no-install-recommends ninja-build" in calls(tmp_path)


def test_root_installs_what_is_missing(tmp_path):
    pretend(tmp_path, ninja_installed=False, user=0)
    assert setup(tmp_path, "build").returncode == 0
    assert calls(tmp_path) == ["apt-get -q update", "apt-get -q install -y --no-install-recommends ninja-build"]


def test_failing_apt_exits_4(tmp_path):
    pretend(tmp_path, ninja_installed=False, user=0)
    stub(tmp_path, "apt-get", "exit 100")
    done = setup(tmp_path, "build")
    assert done.returncode == 4
    assert "apt-get install -y --no-install-recommends ninja-build" in done.stderr


def test_nothing_is_done_where_nothing_is_missing(tmp_path):
    pretend(tmp_path, ninja_installed=True, user=1000)
    done = setup(tmp_path, "build", "sanitizers", "tools")
    assert done.returncode == 0, done.stderr
    assert calls(tmp_path) == [] and done.stderr == ""


def test_unknown_group(tmp_path):
    pretend(tmp_path, ninja_installed=True, user=1000)
    done = setup(tmp_path, "buidl")
    assert done.returncode == 2
    assert "buidl" in done.stderr
