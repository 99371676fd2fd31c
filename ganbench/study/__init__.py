"""From a command line to cohorts: configuration, trials and provenance."""
