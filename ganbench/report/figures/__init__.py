"""Figures: functions from tables to Axes. Nothing here reads or writes a file."""
