"""The five stages without Prefect: each reads what it needs, decides, and writes its artefacts into the run's folder.

`tasks/` wraps these one to one (names, retries, artifacts); the command line calls them directly where no server is
needed. A stage hands over to the next through files of the run folder, so each can be run alone and looked at.
"""
