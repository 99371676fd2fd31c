"""``python -m ganbench`` and the console script. An interrupt is one sentence, also while the commands are imported."""

import sys


def main() -> None:
    """Import the command line and run it."""
    try:
        from ganbench.cli import app
    except KeyboardInterrupt:
        print("ganbench: interrupted; the same command runs what is missing", file=sys.stderr)
        sys.exit(130)
    app.main()


if __name__ == "__main__":
    main()
