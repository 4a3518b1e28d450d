"""What people do to a cluster that serves, and what they reported of others: on one lab, each test leaves it well."""
