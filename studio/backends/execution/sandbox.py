"""Whether this machine can confine other people's code: bubblewrap, and the namespaces it needs."""

import functools
import logging
import shutil
import subprocess

logger = logging.getLogger(__name__)

PROBE_TIMEOUT_S = 5
# Without its own network a sandbox is none; container hosts often allow a mount namespace and refuse this.
PROBE = ("--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--", "true")


@functools.cache
def is_sandbox_usable() -> bool:
    """True when bubblewrap is installed and this host lets it make its namespaces; tried once per process."""
    program = shutil.which("bwrap")
    if program is None:
        logger.warning("no sandbox: bubblewrap (bwrap) is not installed")
        return False
    try:
        subprocess.run([program, *PROBE], check=True, capture_output=True, timeout=PROBE_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip()
        logger.warning("no sandbox: this host does not let bubblewrap make namespaces: %s", reason)
        return False
    except (OSError, subprocess.TimeoutExpired) as error:
        logger.warning("no sandbox: bubblewrap does not run: %s", error)
        return False
    return True
