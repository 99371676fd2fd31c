"""What the commands do, one file each; ``ganbench.cli`` reads their options."""
