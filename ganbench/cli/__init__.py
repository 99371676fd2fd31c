"""What the commands do, one file each; ``ganbench.cli.app`` reads their options."""
