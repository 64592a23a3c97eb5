"""``python -m leyden`` is the command ``leyden``."""

import sys

from ._command import main

sys.exit(main())
