"""What changed between two snapshots of one site: pure comparison, nothing is read or written here."""
