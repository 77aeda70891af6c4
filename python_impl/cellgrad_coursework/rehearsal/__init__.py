"""A rehearsal: simulated students make known mistakes, and are graded."""
