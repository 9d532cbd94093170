"""Faults on demand: what a script may ask for, and what makes it happen."""
