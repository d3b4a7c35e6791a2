"""Runs commands and tells what they used; a small process of its own.

A process that is started inherits its starter's peak of memory, so the starter has to be small:
``python -I -S`` runs this file, which imports next to nothing. One line of JSON on the standard
input is one job, one line on the standard output its result.
"""

import ctypes
import json
import os
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
LIMIT_SECONDS = 1200

if sys.platform == "linux":
    # What a command leaves running is counted, too, instead of going to another parent.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
del ctypes

for line in sys.stdin:
    job = json.loads(line)
    os.chdir(job["cwd"])
    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, log, 1),
        (os.POSIX_SPAWN_DUP2, log, 2),
    ]
    signal.alarm(LIMIT_SECONDS)
    start = time.perf_counter()
    waited_for = {
        os.posix_spawn(words[0], words, job["env"], file_actions=actions)
        for words in job["commands"]
    }
    wall = cpu = 0.0
    peak = 0
    worst = 0
    while True:
        try:
            pid, status, used = os.wait4(-1, 0)
        except ChildProcessError:
            break
        cpu += used.ru_utime + used.ru_stime
        peak = max(peak, used.ru_maxrss)
        if pid in waited_for:
            waited_for.remove(pid)
            worst = worst or os.waitstatus_to_exitcode(status)
            if not waited_for:
                wall = time.perf_counter() - start
    signal.alarm(0)
    os.close(log)
    sys.stdout.write(json.dumps({"wall": wall, "cpu": cpu, "peak": peak, "status": worst}) + "\n")
    sys.stdout.flush()
