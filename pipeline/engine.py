"""What the workflows have the Pulumi CLI do with a stack."""

POLICY_PACK = "policy/pack"

# A script's rendered text is an input: --diff shows it line by line, and --show-full-output does not cut it short.
PREVIEW = ("preview", "--diff", "--show-full-output", "--suppress-progress", "--policy-pack", POLICY_PACK)
"""Shows every line that an update would change, and what the policies say of it."""

DRIFT = (*PREVIEW, "--refresh", "--expect-no-changes")
"""Asks Azure how everything is, and fails with `CHANGES` if an update would change anything."""

UP = ("up", "--yes", "--diff", "--suppress-progress", "--policy-pack", POLICY_PACK)
"""Updates a stack, if the policies allow it."""

CHANGES = 7
"""The CLI's exit code where changes were found and none were expected (`ExitNoChanges` in its exit_codes.go)."""
