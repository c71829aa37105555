"""``python -m mata_audio`` is ``mata``."""

import sys

from mata_audio.cli.main import main

sys.exit(main())
