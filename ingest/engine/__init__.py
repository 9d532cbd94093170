"""Doing what the plan says: one call per row, every outcome accounted for."""
