"""The runbook: a recovery described as waves with targets. Pure: no network, no clock, no randomness."""
