"""What the benchmark scripts share: running a command and counting its time and memory, naming machine and commit."""

import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOWSHOT = ROOT / "build/release/lowshot"
PYTHON = ROOT / "build/venv/bin/python"


def run(command):
    """Runs to the end; seconds, peak resident bytes (the kernel's count) and standard output."""
    # Switches that a user's shell may hold would change the peer's speed several times over.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS_", "OMP_", "GOMP_", "MKL_"))}
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen([str(c) for c in command], stdout=output, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"{sys.argv[0]}: {' '.join(map(str, command))} ended with {process.returncode}")
        output.seek(0)
        return seconds, usage.ru_maxrss * 1024, output.read().decode()


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB"


def commit():
    found = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return found.stdout.strip() or "no commit"
