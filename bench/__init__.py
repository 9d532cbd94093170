"""Benchmarks on the embedded twin: `python -m bench`. Each prints a ratio and both of its numbers.

None ever fails on time: a slow machine is no error.
"""
