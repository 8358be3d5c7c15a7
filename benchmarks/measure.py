"""Runs a command and prints its seconds of wall time and its peak memory in KiB.

A process of its own, and a small one: what the system says of a command's memory begins at that of its parent.
"""

import os
import resource
import sys
import time

started = time.perf_counter()
status = os.spawnvp(os.P_WAIT, sys.argv[1], sys.argv[1:])
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
