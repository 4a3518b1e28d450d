"""The backups of a stack, as a person sees them: in their storage account, and as the nodes have noted."""
