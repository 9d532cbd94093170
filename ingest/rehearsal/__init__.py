"""Rehearsals: a plan or a runbook gone through on a copy of the site, in accelerated time, touching nothing real.

A rehearsal is given papers and numbers, never settings: where its servers are is known from the twin alone
(`twin_settings`), its ledger lies in its own folder. Numbers of the real ledger are read before the copy is made.
"""
