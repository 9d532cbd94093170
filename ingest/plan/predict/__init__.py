"""What the CloudStack server will say to each row of a plan, before anything is sent.

`Predictor` judges import calls in the order they would run and keeps in mind what those before have taken. The checks,
their order, codes and texts are those of UnmanagedVMsManagerImpl.importUnmanagedInstance and of the API layer above it;
the ids (S4 sync, A1-A46 in the job before the VM exists, C1-C4 from there on) number them in the order they are made.
"""

from ingest.plan.predict.predictor import Predictor
from ingest.plan.predict.verdict import Verdict

__all__ = ["Predictor", "Verdict"]
