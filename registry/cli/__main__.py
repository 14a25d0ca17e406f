"""`python -m registry.cli`, for images without the installed command."""

import sys

from registry.cli.program import main

sys.exit(main())
