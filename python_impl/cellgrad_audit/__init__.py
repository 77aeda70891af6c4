"""Auditing an implementation: is its training step right, and if not, which mistake is it?"""
