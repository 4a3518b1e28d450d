"""Make the tool chain and tell where it is: `python -m lab.toolchain`."""

import sys

from lab.toolchain import ToolchainError, ensure


def main() -> int:
    """Print the paths of the tool chain; return the exit status."""
    try:
        found = ensure(lambda line: print(line, file=sys.stderr, flush=True))
    except ToolchainError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"pulumi:         {found.pulumi} ({found.version})")
    print(f"bin:            {found.bin}")
    print(f"command plugin: {found.command_plugin}")
    print(f"stand-ins:      {', '.join(found.stand_ins) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
