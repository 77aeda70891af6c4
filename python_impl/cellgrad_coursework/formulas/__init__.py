"""Formulas of students: read, kept relative to where they stand, evaluated on many draws."""
