"""`python -m foretell`: the command line, where the script is not on the path."""

from foretell.cli.main import main

main()
