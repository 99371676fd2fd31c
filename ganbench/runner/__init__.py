"""Run cohorts: locally, on Ray and on Slurm; evaluate again and run again."""
