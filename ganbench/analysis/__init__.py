"""Statistics, rankings, comparisons and exports of results."""
