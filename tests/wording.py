"""Sentences of ``ganbench run`` that tests of whole processes wait for or look for, each in one place."""

INTERRUPTED = "interrupted; the same command runs what is missing"
RESUMED = "goes on after step"  # a checkpoint was found
PLANNED = "trials would run"
ELSEWHERE = "goes on elsewhere"  # after the crash of a worker
