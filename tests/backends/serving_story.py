"""A worker with one model host, for the test that kills it: arguments are the runtime folder and a named pipe."""

import os
import signal
import sys
from pathlib import Path

from studio.backends.execution.local_processes import LocalProcesses
from studio.backends.serving.local_hosts import LocalHosts
from studio.backends.serving.supervisor import HostSupervisor

if __name__ == "__main__":
    folder, pipe = Path(sys.argv[1]), Path(sys.argv[2])
    HostSupervisor(LocalProcesses(environment=dict(os.environ)), folder).start()
    answer = LocalHosts(folder).predict("p", "tests.backends.process_model:load_process", {}, [{"x": 1}], timeout_s=60)
    pipe.write_text(f"{answer.predictions[0]}\n")
    signal.pause()
