"""A recovery after its runbook: both sides looked at, VMs registered, planned, imported and started wave by wave.

    with Recovery(settings, folder, people=people) as recovery:
        recovery.check()
        recovery.sign_before()
        recovery.register()
        recovery.plan()
        for wave in recovery.waves():
            recovery.run_wave(wave)
        recovery.sign_after()
        recovery.conclude()

Everything is durable before the next step, in the run's folder or the ledger, so that whoever opens the folder again,
on whatever machine, goes on where it stopped. Servers, time and people are handed in: the same sequence recovers a
real site, and one of the twin in accelerated time.
"""
