"""Run the command line with ``python -m tidemill``."""

from tidemill.cli import main

main()
