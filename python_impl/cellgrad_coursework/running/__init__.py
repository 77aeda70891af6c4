"""Grading many files: in child processes within limits, on all cores or a cluster, resumable."""
