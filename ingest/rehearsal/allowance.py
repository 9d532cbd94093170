"""How much longer an import takes for the trouble of a drill, as far as that can be said beforehand. Pure.

What is foreseen follows from what is written in the script and from how long imports take, never from how a drill went:

- A killed worker is noticed after `NOTICED_S`. What it had sent is imported meanwhile; then its slots stand idle.
- A server that is away for some seconds holds up everything for so long.
- CloudStack's jobs do not outlive it: what ran is half done on average, and is done again in the end.
- What fails is tried once more when everything else is done: another attempt, whose length is that of the slowest
  import in it.
"""

from __future__ import annotations
