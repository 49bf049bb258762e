"""Dying with the parent, so that a killed worker, supervisor or test leaves nothing running."""

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)  # loaded now: after a fork there may be no loading of libraries


def die_with_parent(parent_pid: int | None = None, sent: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel signal this process when its parent dies. Linux only; a set-user-id program loses it.

    The kernel takes the *thread* that started this process for the parent: start it from a thread that lives
    as long as the process is wanted, such as the main one. Children of this process do not inherit the wish.

    Args:
        parent_pid: Who the parent is meant to be. Give it where the parent may have died before this call:
            then this process ends at once. None: whoever is the parent now.
        sent: The signal.
    """
    if _libc.prctl(PR_SET_PDEATHSIG, int(sent), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if parent_pid is not None and os.getppid() != parent_pid:
        os.kill(os.getpid(), sent)
