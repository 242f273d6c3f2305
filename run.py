#!/usr/bin/env python
"""HOIGym's command line: `python run.py COMMAND --help` shows the options of a command."""

import sys

from hoigym.commands.app import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
