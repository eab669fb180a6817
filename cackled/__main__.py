"""``python -m cackled`` is the ``cackled`` program."""

import sys

from cackled.admin.cli import main

sys.exit(main())
