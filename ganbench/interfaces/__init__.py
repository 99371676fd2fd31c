"""What plugins implement: objectives, datasets, architectures, metrics, executors, and the hooks."""
