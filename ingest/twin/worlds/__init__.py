"""Where worlds come from: made up (generator), described (worldfile) or copied from a vCenter (from_inventory)."""
