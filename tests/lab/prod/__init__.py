"""What a cluster has that is made to last: zones, a witness, backups. On one lab, each test leaves it well."""

MADE_WITH = {"availabilitySet": False, "zones": ["1", "2"], "witness": True, "backup": True}
"""Settings of this cluster in place of the lab's: those of staging and prod."""
