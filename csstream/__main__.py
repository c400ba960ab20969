"""`python -m csstream` is `csstream`."""

from csstream.cli import main

main()
