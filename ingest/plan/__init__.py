"""From a snapshot and the operator's rules to a sheet, and from a sheet to findings and requests. Pure."""
