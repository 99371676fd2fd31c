"""Results folders: files, records, tables, locks and checkpoints."""
