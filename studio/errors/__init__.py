"""Every error this package raises on purpose.

The kinds say what sort of failure it is; ``studio/web/errors.py`` gives each kind its HTTP status. A subclass fixes
the stable ``code`` that API clients match on. Rooms define the errors only they raise here too, so that a reader finds
every code in one folder, in the file of its subject.
"""

from studio.errors.calls import *
from studio.errors.catalogue import *
from studio.errors.data import *
from studio.errors.deployments import *
from studio.errors.downloads import *
from studio.errors.kinds import *
from studio.errors.training import *
from studio.errors.versions import *
