"""`python -m featlib.cli`."""

import sys

from featlib.cli import main

sys.exit(main())
