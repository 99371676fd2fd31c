"""Where cohorts run. An executor takes cohorts and gives outcomes; it never holds results: cohorts store their own."""
