import sys

from spinney.cli import main

sys.exit(main())
