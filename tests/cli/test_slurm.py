"""lowshot sweep --slurm against a real Slurm that the test starts on this machine."""

import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import time

import pytest

CONFIGURATION = """
ClusterName=lowshot
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port0}
SlurmdPort={port1}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/munge.sock
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP DefMemPerCPU=100
"""
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "squeue", "scontrol")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The environment in which Slurm's commands find a cluster of this machine alone."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not there (packages slurm-wlm and munge)")
    if os.geteuid() != 0:
        pytest.skip("a Slurm of one's own wants root")
    folder = tmp_path_factory.mktemp("slurm")
    host = socket.gethostname().split(".")[0]
    port0, port1 = free_ports(2)
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    munge = folder / "munge"
    munge.mkdir()
    user = pwd.getpwnam("munge")
    (munge / "key").write_bytes(os.urandom(128))
    (munge / "key").chmod(0o400)
    opened = []
    for parent in folder.parents:  # pytest makes them for the user alone
        if not parent.stat().st_mode & 0o001:
            opened.append((parent, parent.stat().st_mode))
            parent.chmod(parent.stat().st_mode | 0o011)
    folder.chmod(0o755)
    munge.chmod(0o755)
    for place in (munge, munge / "key"):
        os.chown(place, user.pw_uid, user.pw_gid)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 9 // 10
    configuration = folder / "slurm.conf"
    configuration.write_text(CONFIGURATION.format(host=host, port0=port0, port1=port1, folder=folder, memory=memory,
                                                  cores=len(os.sched_getaffinity(0))))
    environment = {k: v for k, v in os.environ.items() if k != "DDIR"} | {"SLURM_CONF": str(configuration), "PATH": path}
    processes = []

    def daemon(name, *arguments, **options):
        log = open(folder / f"{name}.log", "w")
        processes.append(subprocess.Popen([name, *map(str, arguments)], stdout=log, stderr=subprocess.STDOUT, env=environment,
                                          **options))

    try:
        daemon("munged", "--foreground", "--key-file", munge / "key", "--socket", munge / "munge.sock", "--pid-file",
               munge / "munged.pid", "--log-file", munge / "munged.log", "--seed-file", munge / "seed", user=user.pw_uid,
               group=user.pw_gid, extra_groups=[])
        wait_until((munge / "munge.sock").exists, 20, "munged's socket")
        daemon("slurmctld", "-D", "-c", "-f", configuration)
        daemon("slurmd", "-D", "-c", "-f", configuration)

        def ready():
            state = subprocess.run(["sinfo", "-h", "-o", "%t"], env=environment, capture_output=True, text=True).stdout
            return state.strip() == "idle"

        wait_until(ready, 60, "Slurm's node")
        yield environment
    finally:
        subprocess.run(["scancel", "--user", "root"], env=environment, capture_output=True)
        for process in reversed(processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for parent, mode in opened:
            parent.chmod(mode & 0o7777)


def results(folder):
    found = {}
    for path in sorted((folder / "results").rglob("*.json")):
        result = json.loads(path.read_text())
        found[path.parent.name, path.name] = [{k: v for k, v in i.items() if k != "seconds"} for i in result["iterations"]]
    return found


def test_equals_a_local_sweep(lowshot, slurm, small_data, tmp_path):
    plan = tmp_path / "it's a plan.yaml"  # a shell reads the name
    plan.write_text(f"data: {small_data().root}\ngroups:\n"
                    "  val: {method: diffusion, nlabeled: [1, 2], seed: 1-2, nbg: [0, 200], niter: 2}\n"
                    "  test: {method: diffusion, mode: test, seed: 1, niter: 2}\n")
    arguments = ["sweep", plan, "--work", tmp_path / "work", "--threads", "1"]
    lowshot(*arguments, "-o", tmp_path / "here")
    done = lowshot(*arguments, "-o", tmp_path / "slurm", "--slurm", "--slurm-wait", "--slurm-throttle", "1",
                   "--slurm-partition", "main", "--slurm-option=--time=5", "--slurm-option=--comment=a b", env=slurm)
    assert re.search(r"job \d+: 3 tasks, a unit each", done.stdout)
    assert "9 of 9 experiments are done" in done.stdout
    assert len(results(tmp_path / "here")) == 9
    assert results(tmp_path / "slurm") == results(tmp_path / "here")
    again = lowshot(*arguments, "-o", tmp_path / "slurm", "--slurm", env=slurm)
    assert "job" not in again.stdout and "9 of 9 experiments are done" in again.stdout


@pytest.mark.parametrize("sign", ["USR1", "TERM"])
def test_a_task_that_gets_a_signal(lowshot, slurm, bundled_data, tmp_path, sign):
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"data: {bundled_data}\ngroups:\n  a: {{method: diffusion, seed: 1-150, niter: 3}}\n")
    arguments = ["sweep", plan, "--work", tmp_path / "work", "-o", tmp_path / "out", "--threads", "1"]
    job = re.search(r"job (\d+): 1 tasks", lowshot(*arguments, "--slurm", env=slurm).stdout).group(1)
    wait_until(lambda: (tmp_path / "out/results").exists() and len(results(tmp_path / "out")) >= 2, 60, "the first results")
    # --batch: to the batch shell, which the program has taken the place of, as --signal=B:USR1 does.
    subprocess.run(["scancel", "--batch", f"--signal={sign}", job], env=slurm, check=True)
    wait_until(lambda: not subprocess.run(["squeue", "-h", "-j", job], env=slurm, capture_output=True, text=True).stdout.strip(),
               60, "the job's end")
    log = next((tmp_path / "out/slurm").glob(f"{job}_0.log")).read_text()
    assert "lowshot: stopped by a signal" in log
    stopped = results(tmp_path / "out")
    assert 2 <= len(stopped) < 150
    assert not list((tmp_path / "out").rglob(".lowshot*"))
    done = lowshot(*arguments, "--slurm", "--slurm-wait", env=slurm)
    assert "150 of 150 experiments are done" in done.stdout
    finished = results(tmp_path / "out")
    assert all(finished[key] == value for key, value in stopped.items())


def test_sbatch_refuses(lowshot, slurm, small_data, tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"data: {small_data().root}\ngroups: {{a: {{method: diffusion}}}}\n")
    done = lowshot("sweep", plan, "-o", tmp_path / "out", "--slurm", "--slurm-partition", "nowhere", env=slurm, code=4)
    assert "sbatch did not take the job" in done.stderr
